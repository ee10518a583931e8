"""Types that are not built in, as the server's catalogue describes them.

Manual: chapter 52 "System Catalogs": pg_type, pg_attribute, pg_enum, pg_range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from pgwire import errors
from pgwire.types.array import array_codec
from pgwire.types.codec import Codec
from pgwire.types.composite import derived_composite
from pgwire.types.context import Context
from pgwire.types.derived import Derived
from pgwire.types.encodings import SQL_ASCII
from pgwire.types.enumeration import enum_codec
from pgwire.types.hstore import hstore_codec
from pgwire.types.ranges import derived_range
from pgwire.types.registry import Registry
from pgwire.types.text import text_decoder, unknown_codec

__all__ = ["RESOLVE", "TYPES", "checked", "literal", "load", "set_class"]

# The rows are read as text, by these: the codecs of the connection may be somebody's own. Names may
# hold whatever bytes a database in SQL_ASCII has.
_CONTEXT: Final = Context(SQL_ASCII)
_LIST: Final = array_codec(unknown_codec("text", 0))

RESOLVE: Final = """
select n.name, pg_catalog.to_regtype(n.name)::pg_catalog.oid::pg_catalog.int8
from pg_catalog.unnest($1::pg_catalog.text[]) with ordinality as n (name, position)
order by n.position
"""
"""The OIDs of the types called $1, a text[], under the search_path; NULL where there is none."""

TYPES: Final = """
with recursive wanted (oid) as (
  select w.oid from pg_catalog.unnest($1::pg_catalog.oid[]) as w (oid)
  union
  select part.oid
  from wanted w
  join pg_catalog.pg_type t on t.oid = w.oid
  cross join lateral (
    select t.typelem where t.typelem <> 0
    union all select t.typbasetype where t.typbasetype <> 0
    union all select r.rngsubtype from pg_catalog.pg_range r
      where t.oid in (r.rngtypid, r.rngmultitypid)
    union all select r.rngmultitypid from pg_catalog.pg_range r where r.rngtypid = t.oid
    union all select a.atttypid from pg_catalog.pg_attribute a
      where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
  ) as part (oid)
)
select
  t.oid::pg_catalog.int8, t.typarray::pg_catalog.int8,
  n.nspname::pg_catalog.text, t.typname::pg_catalog.text, pg_catalog.pg_type_is_visible(t.oid),
  t.typtype::pg_catalog.text, t.typdelim::pg_catalog.text,
  t.typelem <> 0 and t.typlen = -1 and t.typcategory = 'A',
  t.typbasetype::pg_catalog.int8, r.rngsubtype::pg_catalog.int8,
  (select pg_catalog.array_agg(e.enumlabel::pg_catalog.text order by e.enumsortorder)
   from pg_catalog.pg_enum e where e.enumtypid = t.oid),
  (select pg_catalog.array_agg(a.attname::pg_catalog.text order by a.attnum)
   from pg_catalog.pg_attribute a
   where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped),
  (select pg_catalog.array_agg(a.atttypid::pg_catalog.int8 order by a.attnum)
   from pg_catalog.pg_attribute a
   where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped),
  (select x.extname::pg_catalog.text
   from pg_catalog.pg_depend d
   join pg_catalog.pg_extension x on x.oid = d.refobjid
   where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid
     and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e')
from wanted
join pg_catalog.pg_type t on t.oid = wanted.oid
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join pg_catalog.pg_range r on t.oid in (r.rngtypid, r.rngmultitypid)
"""
"""The types whose OIDs are $1, an oid[], and all the types that they are made of, at any depth."""


class _Row:
    """One row of `TYPES`."""

    def __init__(self, row: Sequence[str | None]) -> None:
        oid, array_oid, schema, name, visible, kind, delimiter = row[:7]
        is_array, base, subtype, labels, fields, types, extension = row[7:]
        self.oid = int(oid or 0)
        self.array_oid = int(array_oid or 0)
        self.schema = schema or ""
        self.name = name or ""
        self.visible = visible == "t"
        self.kind = kind
        self.delimiter = delimiter or ","
        self.is_array = is_array == "t"
        self.base = int(base or 0)
        self.subtype = int(subtype or 0)
        self.labels = _strings(labels)
        self.fields = list(zip(_strings(fields), map(int, _strings(types)), strict=True))
        self.extension = extension

    @property
    def shown(self) -> str:
        """The name as SQL writes it, under the search_path."""
        name = _identifier(self.name)
        return name if self.visible else f"{_identifier(self.schema)}.{name}"


def literal(items: Sequence[object]) -> str:
    """The parameter of `RESOLVE` (names) and of `TYPES` (OIDs), as text."""
    return _LIST.text_encoder(_CONTEXT)([str(item) for item in items]).decode(SQL_ASCII)


def checked(names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[int]:
    """The OIDs of `names`, from the rows of `RESOLVE`.

    Raises:
        ProgrammingError: the server has no type of a name.
    """
    oids: list[int] = []
    for name, (_, oid) in zip(names, rows, strict=True):
        if oid is None:
            raise errors.ProgrammingError(
                f"type {name!r} does not exist",
                sqlstate="42704",
                hint="Names are looked up under the search_path of the session.",
            )
        oids.append(int(oid))
    return oids


def load(
    registry: Registry,
    rows: Iterable[Sequence[str | None]],
    names: Iterable[tuple[str, int]] = (),
) -> None:
    """Let a registry know the types in the rows of `TYPES`.

    Arguments:
        names: what types have been called, besides their own names, and their OIDs.

    Built-in types, and those for which somebody has registered a codec, stay as they are.
    """
    found = [_Row(row) for row in rows]
    types: list[Derived] = []
    for row in found:
        known = registry.derived(row.oid)
        if registry.is_builtin(row.oid) or (known is None and registry.knows(row.oid)):
            continue
        derived = _derived(row, known.cls if known is not None else None)
        if derived is not None:
            types.append(derived)
    registry.derive(types)
    for row in found:
        if registry.derived(row.oid) is not None:
            registry.call(f"{_identifier(row.schema)}.{_identifier(row.name)}", row.oid)
    for name, oid in names:
        if registry.derived(oid) is not None:  # and not an array
            registry.call(name, oid)


def set_class(
    registry: Registry, rows: Iterable[Sequence[str | None]], oid: int, cls: type
) -> None:
    """Let the values of a composite or enumerated type, one of `rows`, come as `cls`.

    Raises:
        ProgrammingError: it is a type of another kind; the class does not suit it.
    """
    for row in map(_Row, rows):
        if row.oid == oid:
            if row.kind != ("e" if _is_enum(cls) else "c"):
                wanted = "an enumerated" if _is_enum(cls) else "a composite"
                raise errors.ProgrammingError(f"{row.shown} is not {wanted} type", sqlstate="42809")
            derived = _derived(row, cls)
            if derived is not None:
                registry.derive([derived])


def _derived(row: _Row, cls: type | None) -> Derived | None:
    name, oid, array_oid = row.shown, row.oid, row.array_oid
    if row.kind == "c":
        return derived_composite(name, oid, array_oid, row.fields, cls)
    if row.kind == "e":
        codec = enum_codec(name, oid, array_oid, row.labels, cls)
        return _alone(codec, cls)
    if row.kind in ("r", "m"):
        return derived_range(name, oid, array_oid, row.subtype, multirange=row.kind == "m")
    if row.kind == "d":
        return Derived(name, oid, array_oid, (row.base,), _domain(name, oid, array_oid, row.base))
    if row.kind != "b" or row.is_array:
        return None  # an array comes with its elements; of a pseudo-type there are no values
    if row.extension == row.name == "hstore":
        return _alone(hstore_codec(name, oid, array_oid))
    return _alone(_base_codec(row))


def _alone(codec: Codec, cls: type | None = None) -> Derived:
    classes = (cls,) if cls is not None else ()
    return Derived(
        *(codec.name, codec.oid, codec.array_oid, ()),
        lambda by_oid: codec,
        classes=classes,
        cls=cls,
    )


def _domain(name: str, oid: int, array_oid: int, base: int) -> Callable[[Any], Codec]:
    def make(by_oid: Callable[[int], Codec]) -> Codec:
        codec = by_oid(base)
        return Codec(
            name,
            oid,
            array_oid,
            text_decoder=codec.text_decoder,
            text_encoder=codec.text_encoder,
            binary_decoder=codec.binary_decoder if codec.reads_binary else None,
            binary_encoder=codec.binary_encoder,
            delimiter=codec.delimiter,
            layout=codec.layout,
            preferred=codec.preferred,
            verbatim=codec.verbatim,
            styled=codec.styled,
        )

    return make


def _base_codec(row: _Row) -> Codec:
    """The codec of a base type about which nothing more is known: its text as str."""
    plain = unknown_codec(row.shown, row.oid, row.array_oid)
    # The binary format of citext is its text.
    text_in_binary = row.extension == row.name == "citext"
    return Codec(
        row.shown,
        row.oid,
        row.array_oid,
        text_decoder=text_decoder,
        text_encoder=plain.text_encoder,
        binary_decoder=text_decoder if text_in_binary else None,
        binary_encoder=plain.text_encoder if text_in_binary else None,
        delimiter=row.delimiter,
        verbatim=True,
    )


def _strings(array: str | None) -> list[str]:
    if array is None:
        return []
    strings: Any = _LIST.text_decoder(_CONTEXT)(array.encode(SQL_ASCII))
    return list(strings)


def _is_enum(cls: type) -> bool:
    from enum import Enum

    return issubclass(cls, Enum)


def _identifier(name: str) -> str:
    """A name as SQL writes it: in quotes, if it needs them in some place or other."""
    plain = name.isascii() and name.isidentifier() and name == name.lower()
    return name if plain else '"' + name.replace('"', '""') + '"'
