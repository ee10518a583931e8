"""Types: what the connection knows of those that are not built in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pgwire import errors
from pgwire.session.core import ReplyT, TransportT
from pgwire.session.queries import Queries
from pgwire.session.steps import Command
from pgwire.types.codec import Codec
from pgwire.types.registry import Registry

if TYPE_CHECKING:
    from enum import Enum


class Types(Queries[TransportT, ReplyT]):
    """The commands that look types up, and what registers codecs on the connection alone."""

    _own_registry: Registry | None = None

    def register(self, codec: Codec, *classes: type) -> None:
        """Use `codec` for its type on this connection, in columns and parameters, and within
        arrays and composites.

        Arguments:
            codec: its `oid` says for which type; it replaces the one that was used before.
            classes: Python classes whose values are sent as this type.

        For all connections: `pgwire.types.registry.default_registry.register`, before they open.
        """
        self._registry_of_its_own().register(codec, *classes)

    def _load_types(self, names: Sequence[str]) -> Command[None]:
        yield from self._look_up(names)

    def _register_composite(self, name: str, cls: type) -> Command[None]:
        yield from self._register_class(name, cls)

    def _register_enum(self, name: str, cls: type[Enum]) -> Command[None]:
        from enum import Enum

        given: object = cls
        if not (isinstance(given, type) and issubclass(given, Enum)):
            raise errors.ProgrammingError(
                f"an enumerated type needs a subclass of enum.Enum, not {cls!r}", sqlstate="42804"
            )
        yield from self._register_class(name, cls)

    def _register_class(self, name: str, cls: type) -> Command[None]:
        from pgwire.types.lookup import set_class

        (oid,), rows = yield from self._look_up([name])
        set_class(self._registry_of_its_own(), rows, oid, cls)

    def _look_up(self, names: Sequence[str]) -> Command[tuple[list[int], list[Any]]]:
        from pgwire.types.lookup import RESOLVE, TYPES, checked, literal, load

        given: Sequence[object] = names
        for name in given:
            if not isinstance(name, str):
                raise errors.ProgrammingError(
                    f"the name of a type is a str, not {type(name).__qualname__}",
                    sqlstate="42804",
                )
        found = yield from self._look(RESOLVE, (literal(names), "text[]"))
        oids = checked(names, found)
        rows = yield from self._look(TYPES, (literal(oids), "oid[]"))
        load(self._registry_of_its_own(), rows, zip(names, oids, strict=True))
        return oids, rows

    def _look(self, sql: str, param: tuple[str, str]) -> Command[list[Any]]:
        return (yield from self._query(sql, (param,), None, as_text=True))[-1].rows

    def _registry_of_its_own(self) -> Registry:
        """A registry that no other connection shares: a copy, when the first change comes."""
        if self._own_registry is not self.registry:
            self.registry = self._own_registry = self.registry.copy()
        return self._own_registry
