"""The built-in range and multirange types. Manual: 8.17.1 "Built-in Range and Multirange Types"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pgwire.types.catalog import OIDS
from pgwire.types.codec import Codec
from pgwire.types.derived import Derived
from pgwire.types.rangecodec import multirange_codec, range_codec

__all__ = ["DERIVED", "derived_range"]

_SUBTYPES: Final = {
    "int4": ("int4range", "int4multirange"),
    "int8": ("int8range", "int8multirange"),
    "numeric": ("numrange", "nummultirange"),
    "date": ("daterange", "datemultirange"),
    "timestamp": ("tsrange", "tsmultirange"),
    "timestamptz": ("tstzrange", "tstzmultirange"),
}


def derived_range(
    name: str, oid: int, array_oid: int, subtype: int, *, multirange: bool
) -> Derived:
    """A range type over the type whose OID is `subtype`, or the multirange type of such ranges."""
    codec_of = multirange_codec if multirange else range_codec

    def make(by_oid: Callable[[int], Codec]) -> Codec:
        return codec_of(name, oid, array_oid, by_oid(subtype))

    return Derived(name, oid, array_oid, (subtype,), make)


DERIVED: Final = tuple(
    derived_range(name, *OIDS[name], OIDS[subtype][0], multirange=bool(index))
    for subtype, names in _SUBTYPES.items()
    for index, name in enumerate(names)
)
