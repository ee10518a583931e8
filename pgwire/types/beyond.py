"""What becomes of a value that Python's classes cannot hold: an error, or the server's text.

There are such values of date, time, timestamp and interval: infinity, years BC and beyond 9999, the
time 24:00. None of them is ever made another value that fits. Manual: 8.5 "Date/Time Types".
"""

from __future__ import annotations

from collections.abc import Callable

from pgwire import errors
from pgwire.types.context import Context

__all__ = ["beyond"]


def beyond(name: str, python_class: str, context: Context) -> Callable[[str], str]:
    """A function that is given the ISO text of such a value, and returns what to deliver for it.

    Arguments:
        name: of the type.
        python_class: the class that cannot hold the value.
        context: whose `unrepresentable` decides.

    The function raises DataError (22008) with the value and the remedy if the context says so.
    """
    if context.unrepresentable == "text":
        return lambda text: text

    def refuse(text: str) -> str:
        raise errors.DataError(
            f'{name} "{text[:100]}" does not fit into {python_class}',
            sqlstate="22008",
            hint='With connection.unrepresentable = "text" such values arrive as str.',
        )

    return refuse
