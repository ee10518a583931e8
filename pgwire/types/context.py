"""What the text of a value depends on besides its type."""

from __future__ import annotations

from typing import Final, NoReturn

from pgwire import errors

__all__ = ["UNREPRESENTABLE", "Context"]

UNREPRESENTABLE: Final = ("error", "text")
"""What may become of a value that Python's classes cannot hold."""


class Context:
    """What a codec needs to know of the session. Immutable.

    Arguments:
        encoding: Python codec of ``client_encoding`` (`pgwire.types.encodings.python_codec`).
        date_style: ``DateStyle`` as the server reports it, such as ``"ISO, MDY"``.
        interval_style: ``IntervalStyle``.
        time_zone: ``TimeZone``.
        unrepresentable: what becomes of a date, time, timestamp or interval that Python's classes
            cannot hold (infinity, BC, a year beyond 9999, 24:00): ``"error"`` raises DataError,
            ``"text"`` gives the server's text of it in the style ISO, as `str`. Not a parameter
            of the server but the caller's choice. ProgrammingError (22023) for anything else.

    Manual: 19.11.2 "Locale and Formatting", 8.5 "Date/Time Types".
    """

    __slots__ = ("date_style", "encoding", "interval_style", "time_zone", "unrepresentable")

    encoding: str
    date_style: str
    interval_style: str
    time_zone: str
    unrepresentable: str

    def __init__(
        self,
        encoding: str = "utf-8",
        date_style: str = "ISO, MDY",
        interval_style: str = "postgres",
        time_zone: str = "UTC",
        unrepresentable: str = "error",
    ) -> None:
        if unrepresentable not in UNREPRESENTABLE:
            raise errors.ProgrammingError(
                f"unrepresentable is {unrepresentable!r}, it must be one of "
                + ", ".join(map(repr, UNREPRESENTABLE)),
                sqlstate="22023",
            )
        set_slot = super().__setattr__
        set_slot("encoding", encoding)
        set_slot("date_style", date_style)
        set_slot("interval_style", interval_style)
        set_slot("time_zone", time_zone)
        set_slot("unrepresentable", unrepresentable)

    def replace(self, **changes: str) -> Context:
        """A context with some fields changed."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return Context(**{**fields, **changes})

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Context cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Context cannot be changed: {name}")

    def __reduce__(self) -> tuple[type[Context], tuple[str, ...]]:
        return Context, (
            self.encoding,
            self.date_style,
            self.interval_style,
            self.time_zone,
            self.unrepresentable,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Context):
            return NotImplemented
        return self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash(self.__reduce__()[1])

    def __repr__(self) -> str:
        return (
            f"Context(encoding={self.encoding!r}, date_style={self.date_style!r}, "
            f"interval_style={self.interval_style!r}, time_zone={self.time_zone!r}, "
            f"unrepresentable={self.unrepresentable!r})"
        )
