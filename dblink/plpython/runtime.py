"""What the PL/Python functions do: one `Session` per server session, its answers as data.

PL/Python puts the name of the exception in front of each message that it raises. So no error of
dblink is raised here: it goes back as part of an answer, and the PL/pgSQL function that the user
called raises it in dblink's own words.

An answer is a JSON object with one of `value`, `rows`, `error`, and perhaps `notices`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pgwire
from dblink import messages
from dblink.columns import converted_by_caller, text_rows
from dblink.functions import FUNCTIONS, Function
from dblink.plpython.spi import Interrupted, Plpy, SpiLocal
from dblink.portable import text_of
from dblink.result import Result
from dblink.session import Session
from pgwire.types.context import Context

CHECK_EVERY = 0.1
"""Seconds between two looks at the backend's interrupts during a wait."""

GRACE = 1.0
"""Seconds that a remote server has, after an interrupt, to end what it is doing."""

KEPT_CALLS = 64
"""How many calls may be between their rows and their outcome, one within another. More of them are
only there if somebody calls these functions himself, and does not ask for outcomes."""

Row = tuple[str | None, ...]


class Runtime:
    """The dblink of one server session."""

    def __init__(self, plpy: Plpy, version: str) -> None:
        """
        Args:
            plpy: the module that PL/Python gives its functions.
            version: of the package that made the functions.

        Raises RuntimeError if this is another version.
        """
        if version != pgwire.__version__:
            raise RuntimeError(
                f"the functions were made by version {version}, and the server's Python has "
                f"version {pgwire.__version__} in {pgwire.__file__}: install the same one there "
                "and run `dblink install` again, then open a new session"
            )
        self._local = SpiLocal(plpy)
        self._session = Session(self._local, on_notice=self._note)
        self._calls: dict[str, Answer] = {}
        self._current = Answer()

    def run(self, function: str, arguments: str) -> str:
        """Call a function that returns a value, or rows of a type of its own.

        Args:
            function: its name.
            arguments: a JSON array: text, boolean and integer as such, text[] as an array,
                int2vector as its text.

        Returns the answer.
        """
        answer = Answer()
        with self._answering(answer):
            called = _function(function, returns_declared=False)
            result = getattr(self._session, function)(*json.loads(arguments))
            if called.returns_set:
                answer.rows = [[text_of(field) for field in row] for row in result]
            else:
                answer.value = text_of(result)
        return answer.as_json()

    def rows(self, call: str, function: str, arguments: str, types: str) -> Iterator[Row]:
        """Call a function whose rows have the types that its caller declared.

        Args:
            call: a name for this call, for `outcome`.
            function, arguments: as for `run`.
            types: the declared types, a JSON array of [name, OID].

        Yields rows of text that the input functions of these types take. They stream: what is in
        memory is bounded. An error ends them, and is told by `outcome`.
        """
        answer = self._calls[call] = Answer()
        while len(self._calls) > KEPT_CALLS:
            del self._calls[next(iter(self._calls))]
        runs: Iterator[bytes | list[Row]] = iter(())
        with self._answering(answer):
            _function(function, returns_declared=True)
            result: Result = getattr(self._session, function)(
                *json.loads(arguments), columns=converted_by_caller(json.loads(types))
            )
            answer.result = result
            answer.saved = self._local.set(result.styles)
            as_text = text_rows(len(result.columns), Context())
            runs = result.portable()
        while answer.error is None:
            # Who takes the rows may call dblink in between: so no wait lasts beyond a yield.
            batch: Iterable[Row] | None = None
            with self._answering(answer):
                run = next(runs, None)
                batch = as_text(run) if isinstance(run, bytes) else run
            if batch is None:
                return
            yield from batch

    def outcome(self, call: str) -> str | None:
        """What `rows` has left to tell, when they have been taken: their error, their notices.

        Until then the settings are those under which their text is to be read.
        """
        answer = self._calls.pop(call, None)
        if answer is None:
            return None
        with self._answering(answer):
            self._local.set(answer.saved)
        return answer.as_json() if answer.tells else None

    def abandon(self, call: str, cancel: bool) -> None:
        """The statement that took the rows of a call has failed, and wants no more of them.

        As in C dblink, what is under way on the remote server is let come to its end, with all of
        its effects; but if the statement was cancelled, so is that.
        """
        answer = self._calls.pop(call, None)
        if answer is None or answer.result is None:
            return
        with self._answering(Answer()):
            if cancel:
                answer.result.give_up()
            else:
                answer.result.count()

    @contextmanager
    def _answering(self, answer: Answer) -> Iterator[None]:
        """Let waits be interrupted; what goes wrong becomes the answer's error."""
        outer, self._current = self._current, answer
        try:
            with pgwire.interruptible(
                self._local.look_at_interrupts, every=CHECK_EVERY, grace=GRACE
            ):
                yield
        except (pgwire.Error, Interrupted) as error:
            said = error.error if isinstance(error, Interrupted) else error
            answer.error = _fields(said.diagnostics)
        finally:
            self._current = outer

    def _note(self, notice: pgwire.Diagnostics) -> None:
        self._current.notices.append(_fields(notice))


class Answer:
    """What a call came to. Of rows that stream, `result` gives them, and `saved` are the settings
    that are to be restored after them; a statement that fails restores them by itself."""

    __slots__ = ("error", "notices", "result", "rows", "saved", "value")

    def __init__(self) -> None:
        self.saved: dict[str, str] = {}
        self.result: Result | None = None
        self.value: str | None = None
        self.rows: list[list[str | None]] | None = None
        self.error: dict[str, str | None] | None = None
        self.notices: list[dict[str, str | None]] = []

    @property
    def tells(self) -> bool:
        """Whether there is something to raise."""
        return self.error is not None or bool(self.notices)

    def as_json(self) -> str:
        """The answer as the functions read it."""
        members: dict[str, Any] = {}
        if self.error is not None:
            members["error"] = self.error
        elif self.rows is not None:
            members["rows"] = self.rows
        else:
            members["value"] = self.value
        if self.notices:
            members["notices"] = self.notices
        return json.dumps(members, ensure_ascii=False)


def _function(name: str, *, returns_declared: bool) -> Function:
    """The function `name` of the catalogue; `returns_declared`: its caller declares its columns."""
    function = FUNCTIONS.get(name)
    if function is not None:
        declared = function.returns_set and not function.columns
        if declared == returns_declared:
            return function
    raise messages.make("42883", f"function {name} does not exist")


def _fields(said: pgwire.Diagnostics) -> dict[str, str | None]:
    return {
        "sqlstate": said.sqlstate or "XX000",
        "message": said.message,
        "detail": said.detail,
        "hint": said.hint,
    }
