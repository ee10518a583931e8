"""Codecs that are made of other codecs: arrays, composites, ranges, domains.

A registry keeps how they are made, and makes them when they are first needed, of the codecs that
it has then. So whoever registers another codec for a type gets it within arrays and composites too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pgwire.types.codec import Codec

__all__ = ["Derived"]


class Derived:
    """A type that is made of others.

    Arguments:
        name: of the type, as it is known to the registry.
        oid, array_oid: of the type, and of the array over it (0: there is none).
        parts: OIDs of the types it is made of.
        make: gives its codec. It is called with a function from an OID to the codec that a part has
            at the time.
        classes: Python classes whose values are sent as this type.
        cls: the class that the user wants its values to be, if there is one.
    """

    __slots__ = ("array_oid", "classes", "cls", "make", "name", "oid", "parts")

    def __init__(
        self,
        name: str,
        oid: int,
        array_oid: int,
        parts: Sequence[int],
        make: Callable[[Callable[[int], Codec]], Codec],
        *,
        classes: Sequence[type] = (),
        cls: type | None = None,
    ) -> None:
        self.name = name
        self.oid = oid
        self.array_oid = array_oid
        self.parts = tuple(parts)
        self.make = make
        self.classes = tuple(classes)
        self.cls = cls

    def __repr__(self) -> str:
        return f"<Derived {self.name}, oid {self.oid}>"
