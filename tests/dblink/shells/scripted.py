"""A gateway that answers as a test tells it: a client session, and the side connection."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import pgwire
from pgwire.types.encodings import python_codec

BELLS = 1684827755
Message = dict[str, Any]
Answer = dict[str, Any]
Row = list[str | None]


class Table(list[Row]):
    """Rows that are answered through a table, however few they are."""


class ScriptedGateway:
    """`client` is the session; `answer` is called with each message and returns the answer: a dict,
    rows, or None for none. `messages`: all that came, `notices`: those that are not ours."""

    def __init__(
        self,
        conninfo: str,
        *,
        side: str | None = None,
        bells: bool = True,
        **options: str,
    ) -> None:
        self.answer: Callable[[Message], Answer | list[Row] | None] = echo
        self.messages: list[Message] = []
        self.notices: list[pgwire.Diagnostics] = []
        self.side = pgwire.connect(side or conninfo, application_name="dblink_gateway")
        self.client = pgwire.connect(conninfo, on_notice=self._notice, **options)
        self.pid = self.client.query("SELECT pg_backend_pid()").rows[0][0]
        self.codec = python_codec(self.side.info.parameters["server_encoding"])
        self.held = [bells, bells]
        self.isolation = ""
        if bells:
            self.side.query(
                "SELECT pg_advisory_lock($1, $2), pg_advisory_lock($1, $2 + 1)",
                (BELLS, self.pid * 2),
            )
        self.side.execute(
            "INSERT INTO dblink_gateway.session (pid, side_pid)"
            f" VALUES ({self.pid}, pg_backend_pid())"
            " ON CONFLICT (pid) DO UPDATE SET side_pid = excluded.side_pid"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.client.close()
        if not self.side.closed:
            names = self.side.query(
                "SELECT relname FROM pg_class WHERE relname ~ $1"
                " AND relnamespace = 'dblink_gateway'::regnamespace AND relkind = 'r'"
                " UNION ALL SELECT proname FROM pg_proc WHERE proname ~ $1",
                (f"^reply_{self.pid}_",),
            ).rows
            self.side.query(
                "SELECT dblink_gateway.drop($1::text[])", ([name for (name,) in names],)
            )
            self.side.execute(f"DELETE FROM dblink_gateway.answer WHERE pid = {self.pid}")
            self.side.execute(f"DELETE FROM dblink_gateway.session WHERE pid = {self.pid}")
            self.side.close()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that the client gets."""
        return self.client.query(sql).rows

    def value(self, sql: str) -> Any:
        """The one value that the client gets."""
        return self.query(sql)[0][0]

    def large(self, rows: list[Row]) -> str:
        """Answer with `rows` in a table from now on; returns a query to put the columns into."""
        self.answer = lambda message: Table(rows)
        return "SELECT * FROM dblink('x') AS t({})"

    def tables(self) -> int:
        """How many tables of large answers there are."""
        return int(
            self.side.query_text(
                "SELECT count(*) FROM pg_class WHERE relname ~ $1 AND relkind = 'r'",
                (f"^reply_{self.pid}_",),
            )[0][0]
            or 0
        )

    def _notice(self, notice: pgwire.Diagnostics) -> None:
        if notice.sqlstate != "DBL01":
            self.notices.append(notice)
            return
        assert notice.severity == "INFO"
        assert notice.message is not None
        message = json.loads(base64.b64decode(notice.message).decode(self.codec))
        self.messages.append(message)
        self.isolation = message.get("iso", self.isolation)
        try:
            answer = self.answer(message)
            if answer is not None:
                self.send(message, answer)
        except Exception as error:  # a mistake of the test's: who waits is not to wait for ever
            self.send(message, {"error": {"sqlstate": "XX000", "message": repr(error)}})
            raise

    def send(self, message: Message, answer: Answer | list[Row]) -> None:
        """Answer `message`, and ring its bell."""
        if isinstance(answer, Table):
            answer = {"table": self._table(message["role"], answer)}
        elif isinstance(answer, list):
            answer = {"rows": answer}
        text = json.dumps(answer)
        if self.isolation in ("repeatable read", "serializable"):
            tag, body = sealed(message["n"], text).split(":")
            self.side.query(
                "SELECT dblink_gateway.keep($1, $2, '')", (f"reply_{self.pid}_s{tag}", body)
            )
        else:
            self.side.query(
                "INSERT INTO dblink_gateway.answer VALUES ($1, $3, $2)",
                (message["n"], text, self.pid),
            )
        bell = message["bell"]
        if bell is not None:
            self._ring(bell)

    def _ring(self, bell: int) -> None:
        other = 1 - bell
        if not self.held[other]:
            self.held[other] = self.side.query(
                "SELECT pg_try_advisory_lock($1, $2)", (BELLS, self.pid * 2 + other)
            ).rows[0][0]
        self.side.query("SELECT pg_advisory_unlock($1, $2)", (BELLS, self.pid * 2 + bell))
        self.held[bell] = False

    def _table(self, reader: str, rows: list[Row]) -> str:
        name = f"reply_{self.pid}_{len(self.messages)}"
        with self.side.transaction():
            self.side.query("SELECT dblink_gateway.make($1, $2, $3)", (name, len(rows[0]), reader))
            self.side.copy_in(
                f"COPY dblink_gateway.{name} FROM STDIN (FREEZE)",
                ["".join(map(_copy_line, rows)).encode()],
            )
        return name


def echo(message: Message) -> Answer | list[Row]:
    """Scalars: the function and its arguments. Rows: the SQL text's, as JSON."""
    if message["f"] in ("dblink", "dblink_fetch", "dblink_get_result"):
        rows: list[Row] = json.loads(message["a"][-1])
        return rows
    return {"value": json.dumps([message["f"], *message["a"]])}


def sealed(number: str, text: str) -> str:
    """An answer as the body of a function, which everybody can read."""
    plain = text.encode()
    stream = b"".join(
        hashlib.sha256(f"{number}:{block}".encode()).digest()
        for block in range(len(plain) // 32 + 1)
    )
    tag = hashlib.sha256(f"tag:{number}".encode()).hexdigest()[:16]
    data = bytes(a ^ b for a, b in zip(plain, stream, strict=False))
    return f"{tag}:{base64.b64encode(data).decode()}"


def _copy_line(row: Row) -> str:
    return "\t".join("\\N" if v is None else v.translate(_ESCAPES) for v in row) + "\n"


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n"})
