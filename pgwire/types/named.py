"""Named tuples whose names come from a server, and so are data: no code is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from keyword import iskeyword
from operator import itemgetter
from typing import Any, ClassVar, Self

__all__ = ["Named", "named_tuple"]


class Named(tuple[Any, ...]):
    """A tuple with names for its places, and the methods of `collections.namedtuple`."""

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, /, *values: object, **named: object) -> Self:
        """The tuple of `values` in order and by name."""
        if named:
            missing = object()
            values += tuple([named.pop(name, missing) for name in cls._fields[len(values) :]])
            if named:
                raise TypeError(f"{cls.__name__} got an unexpected value for {', '.join(named)}")
            if missing in values:
                raise TypeError(f"{cls.__name__} needs {cls._fields[values.index(missing)]}")
        return cls._make(values)

    @classmethod
    def _make(cls, values: Iterable[object]) -> Self:
        made = tuple.__new__(cls, values)
        if len(made) != len(cls._fields):
            raise TypeError(f"{cls.__name__} takes {len(cls._fields)} values, not {len(made)}")
        return made

    def _asdict(self) -> dict[str, object]:
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, /, **named: object) -> Self:
        return type(self)(**{**self._asdict(), **named})

    def __getnewargs__(self) -> tuple[object, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        shown = ", ".join([f"{name}={value!r}" for name, value in self._asdict().items()])
        return f"{type(self).__name__}({shown})"


def named_tuple(title: str, names: Sequence[str]) -> type[Named]:
    """A class of named tuples.

    A name that is no identifier, a keyword, begins with an underscore, or has been there already
    is replaced by its place: `_0`, `_1`, …; so does `collections.namedtuple` with `rename=True`. A
    name of a tuple's own, `count` or `index`, is that of the field.
    """
    fields: list[str] = []
    for place, name in enumerate(names):
        name = _as_in_source(name)
        usable = name.isidentifier() and not iskeyword(name) and not name.startswith("_")
        fields.append(name if usable and name not in fields else f"_{place}")
    properties = {name: property(itemgetter(place)) for place, name in enumerate(fields)}
    own = {"__slots__": (), "_fields": tuple(fields), "__match_args__": tuple(fields)}
    return type(title, (Named,), {**properties, **own})


def _as_in_source(name: str) -> str:
    """`name` as Python reads it where it stands in a program: characters that stand for others,
    such as ligatures, are those others."""
    if name.isascii():
        return name
    from unicodedata import normalize

    return normalize("NFKC", name)
