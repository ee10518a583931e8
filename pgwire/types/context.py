"""What the text of a value depends on besides its type."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["Context"]


class Context:
    """Session parameters that a codec needs. Immutable.

    Arguments:
        encoding: Python codec of ``client_encoding`` (`pgwire.types.encodings.python_codec`).
        date_style: ``DateStyle`` as the server reports it, such as ``"ISO, MDY"``.
        interval_style: ``IntervalStyle``.
        time_zone: ``TimeZone``.

    Manual: 19.11.2 "Locale and Formatting", 8.5 "Date/Time Types".
    """

    __slots__ = ("date_style", "encoding", "interval_style", "time_zone")

    encoding: str
    date_style: str
    interval_style: str
    time_zone: str

    def __init__(
        self,
        encoding: str = "utf-8",
        date_style: str = "ISO, MDY",
        interval_style: str = "postgres",
        time_zone: str = "UTC",
    ) -> None:
        set_slot = super().__setattr__
        set_slot("encoding", encoding)
        set_slot("date_style", date_style)
        set_slot("interval_style", interval_style)
        set_slot("time_zone", time_zone)

    def replace(self, **changes: str) -> Context:
        """A context with some fields changed."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return Context(**{**fields, **changes})

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Context cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Context cannot be changed: {name}")

    def __reduce__(self) -> tuple[type[Context], tuple[str, ...]]:
        return Context, (self.encoding, self.date_style, self.interval_style, self.time_zone)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Context):
            return NotImplemented
        return self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash(self.__reduce__()[1])

    def __repr__(self) -> str:
        return (
            f"Context(encoding={self.encoding!r}, date_style={self.date_style!r}, "
            f"interval_style={self.interval_style!r}, time_zone={self.time_zone!r})"
        )
