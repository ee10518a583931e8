"""Which message is legal when, seen from the client's end of one connection. Manual: 54.2.

Theory
------

What a server may say next follows from what the client has asked. So the state is a queue of
*steps*: one for each thing the client has sent that will be answered, in the order in which the
answers will come. The step at the head of the queue decides which messages are legal; a message
moves the head on to another step, or ends it, and the next in the queue becomes the head. An empty
queue is an idle connection.

Before the first ReadyForQuery, and in a simple query, a function call or a COPY, the queue never
holds more than one step: nothing else may be sent meanwhile. Only the extended query protocol lets
the client run ahead, and then every Parse, Bind, Describe, Execute, Close and Sync adds its step.
Flush adds none, since nothing answers it.

An error ends more than its own step. In a simple query it leaves nothing but ReadyForQuery to
come. In an extended query the server discards all it reads up to the next Sync: the steps before
that Sync leave the queue, and if none has been sent yet, what is sent until then adds no steps.
So there is exactly one ReadyForQuery per Sync, and that is how the ends stay together.

A COPY FROM STDIN that an Execute starts has one trap: while the server waits for data it ignores
Sync (54.2.6). A Sync sent along with that Execute is lost and leaves the queue at CopyInResponse;
after the end of the data, or after an error in it, the client has to send another. A client that
sends data cannot know of an error that is on its way: until ReadyForQuery has come, CopyData,
CopyDone and CopyFail remain legal to send and have no effect.

Notices, notifications and parameter changes may come at any time after AuthenticationOk, errors at
any time at all. An error before the first ReadyForQuery ends the connection, and so does one of
severity FATAL or PANIC whenever it comes. A message that is not legal ends it as well: there is no
telling what the peer believes, and an answer must never be taken for another question's.

The tables below are all there is; the code after them only walks through them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from pgwire import errors
from pgwire.protocol.authentication import AUTHENTICATION
from pgwire.protocol.backend import BACKEND, ReadyForQuery
from pgwire.protocol.constants import TRANSACTION_STATUSES
from pgwire.protocol.frontend import (
    Bind,
    CancelRequest,
    Close,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Execute,
    Flush,
    FunctionCall,
    GSSENCRequest,
    GSSResponse,
    Parse,
    PasswordMessage,
    Query,
    SASLInitialResponse,
    SASLResponse,
    SSLRequest,
    StartupMessage,
    Sync,
    Terminate,
)
from pgwire.protocol.message import Message

# Phase -> the steps that belong to it.
PHASES: Final[dict[str, tuple[str, ...]]] = {
    "STARTUP": ("new", "new+ssl", "new+gss", "new+ssl+gss", "startup", "negotiated"),
    "AUTHENTICATION": (
        *("password", "password sent", "gss", "gss sent", "unsupported"),
        *("sasl", "sasl sent", "sasl challenged", "sasl final"),
        *("scram first", "scram challenged", "scram sent"),
    ),
    "INITIALIZING": ("initializing", "initialized"),
    "READY": ("ready",),
    "SIMPLE": ("simple", "rows", "next", "copied", "copy failed", "failed"),
    "FUNCTION": ("function", "function done"),
    "EXTENDED": (
        *("parse", "bind", "describe statement", "describe", "close", "sync", "unsynced"),
        *("execute", "execute described", "execute without rows", "execute fetching"),
        *("execute copied", "execute copy failed"),
    ),
    "COPY_IN": ("copy in", "execute copy in"),
    "COPY_OUT": ("copy out", "execute copy out"),
    "COPY_BOTH": ("copy both", "copy both in", "copy both out", "copy both done"),
    "CLOSED": ("closed",),
}

END: Final = "end"
"""In place of a step: this one is over."""

_EXECUTE: Final = {
    "D": "execute fetching",
    "C": END,
    "I": END,
    "s": END,
    "G": "execute copy in",
    "H": "execute copy out",
}

# Step -> {type of a message that may come: the step that follows}. E, N, A, S and R have rules of
# their own; a step that is not here waits for the client, or for one of those.
REPLIES: Final[dict[str, dict[str, str]]] = {
    "startup": {"v": "negotiated"},
    "initializing": {"K": "initialized", "Z": END},
    "initialized": {"Z": END},
    # A simple query: one outcome at least, then ReadyForQuery.
    "simple": {"T": "rows", "C": "next", "I": "next"}
    | {"G": "copy in", "H": "copy out", "W": "copy both"},
    "rows": {"D": "rows", "C": "next"},
    "next": {"T": "rows", "C": "next", "I": "next", "Z": END}
    | {"G": "copy in", "H": "copy out", "W": "copy both"},
    "failed": {"Z": END},
    "function": {"V": "function done"},
    "function done": {"Z": END},
    "parse": {"1": END},
    "bind": {"2": END},
    "describe statement": {"t": "describe"},
    "describe": {"T": END, "n": END},
    "close": {"3": END},
    "sync": {"Z": END},
    # Without a Describe just before it, the caller may have kept the row description of another.
    "execute": _EXECUTE,
    "execute described": _EXECUTE,
    "execute without rows": {k: v for k, v in _EXECUTE.items() if k not in "Ds"},
    "execute fetching": {"D": "execute fetching", "C": END, "s": END},
    "copied": {"C": "next"},
    "execute copied": {"C": END},
    "copy out": {"d": "copy out", "c": "copied"},
    "execute copy out": {"d": "execute copy out", "c": "execute copied"},
    # Both ways: each side ends its own direction. A server that has done so may still send
    # keepalives; then come one or two CommandComplete, a result with a new timeline before them.
    "copy both": {"d": "copy both", "c": "copy both in"},
    "copy both in": {"d": "copy both in"},
    "copy both out": {"d": "copy both out", "c": "copy both done"},
    "copy both done": {"d": "copy both done", "C": "next", "T": "rows"},
}

# Step -> {code of an authentication message that may come: the step that follows}.
_FIRST_REQUEST: Final = {
    0: "initializing",
    3: "password",
    5: "password",
    7: "gss",
    9: "gss",
    10: "sasl",
    **dict.fromkeys((1, 2, 4, 6), "unsupported"),
}
REQUESTS: Final[dict[str, dict[int, str]]] = {
    "startup": _FIRST_REQUEST,
    "negotiated": _FIRST_REQUEST,
    "password sent": {0: "initializing"},
    "gss sent": {0: "initializing", 8: "gss"},
    # SCRAM is not over before the server has proved that it knows the password.
    "scram first": {11: "scram challenged"},
    "scram sent": {12: "sasl final"},
    "sasl sent": {0: "initializing", 11: "sasl challenged", 12: "sasl final"},
    "sasl final": {0: "initializing"},
}

# Step -> {message that may be sent: the step that follows}.
_STARTUPS: Final[dict[type[Message], str]] = {StartupMessage: "startup", CancelRequest: "closed"}
SENDS: Final[dict[str, dict[type[Message], str]]] = {
    # Each kind of encryption may be asked for once on a connection.
    "new": {**_STARTUPS, SSLRequest: "new+ssl", GSSENCRequest: "new+gss"},
    "new+ssl": {**_STARTUPS, GSSENCRequest: "new+ssl+gss"},
    "new+gss": {**_STARTUPS, SSLRequest: "new+ssl+gss"},
    "new+ssl+gss": _STARTUPS,
    "password": {PasswordMessage: "password sent"},
    "gss": {GSSResponse: "gss sent"},
    "sasl": {SASLInitialResponse: "sasl sent"},
    "sasl challenged": {SASLResponse: "sasl sent"},
    "scram challenged": {SASLResponse: "scram sent"},
    "ready": {Query: "simple", FunctionCall: "function"},
    "copy in": {CopyData: "copy in", CopyDone: "copied", CopyFail: "copy failed"},
    "execute copy in": {
        CopyData: "execute copy in",
        CopyDone: "execute copied",
        CopyFail: "execute copy failed",
    },
    "copy both": {CopyData: "copy both", CopyDone: "copy both out"},
    "copy both in": {CopyData: "copy both in", CopyDone: "copy both done"},
}

# Messages of the extended query protocol -> the step that each adds; None: it adds none.
QUEUED: Final[dict[type[Message], str | None]] = {
    Parse: "parse",
    Bind: "bind",
    Describe: "describe",
    Execute: "execute",
    Close: "close",
    Sync: "sync",
    Flush: None,
}

_PHASE_OF: Final = {step: phase for phase, steps in PHASES.items() for step in steps}
_BY_BYTE: Final = {
    step: {ord(letter): following for letter, following in REPLIES.get(step, {}).items()}
    for step in _PHASE_OF
}
_ASYNCHRONOUS: Final = frozenset(b"NAS")
# Of these the transitions that do nothing but move the head: most of what a server says.
_PLAIN: Final = {
    step: {
        kind: following
        for kind, following in table.items()
        if kind not in b"ERZn" and kind not in _ASYNCHRONOUS and following != "execute copy in"
    }
    for step, table in _BY_BYTE.items()
}
_BEFORE_OK: Final = frozenset(PHASES["STARTUP"] + PHASES["AUTHENTICATION"])
_BEFORE_READY: Final = _BEFORE_OK | frozenset(PHASES["INITIALIZING"])
_UNOPENED: Final = frozenset(PHASES["STARTUP"][:4])
_QUEUEING: Final = frozenset((*PHASES["EXTENDED"], "ready"))
_COPY_TAKING: Final = frozenset(step for step, table in SENDS.items() if CopyData in table)
_COPY_MESSAGES: Final = frozenset((CopyData, CopyDone, CopyFail))
_REQUEST, _ERROR, _READY, _ROW, _NO_DATA = b"REZDn"
_STATUSES: Final = {status[0]: status.decode() for status in TRANSACTION_STATUSES}
_FATAL: Final = frozenset((b"VFATAL", b"VPANIC", b"SFATAL", b"SPANIC"))


class ConnectionState:
    """The client's view of one connection, from its first packet on.

    `transaction_status` is what the last ReadyForQuery said: "I" outside a transaction block, "T"
    in one, "E" in one that has failed; None before the first.
    """

    __slots__ = (
        "_described",
        "_late_copy",
        "_skipping",
        "_steps",
        "_unsynced",
        "transaction_status",
    )

    def __init__(self) -> None:
        self._steps: deque[str] = deque(("new",))
        self._unsynced = False  # extended-query messages have been sent since the last Sync
        self._skipping = False  # the server discards what it reads, up to a Sync
        self._late_copy = False  # an error has ended a COPY, which the sender may not know yet
        self._described: bytes | None = None  # the portal that the message sent last describes
        self.transaction_status: str | None = None

    def __repr__(self) -> str:
        return f"<ConnectionState {self.phase}: {', '.join(self._steps) or 'idle'}>"

    @property
    def phase(self) -> str:
        """The name of the phase: one of the keys of `PHASES`."""
        steps = self._steps  # as `_head` has it, without a call: this is asked for each query
        if steps:
            return _PHASE_OF[steps[0]]
        return "EXTENDED" if self._unsynced else "READY"

    @property
    def outstanding_syncs(self) -> int:
        """How many ReadyForQuery are still to come for the Syncs that have been sent."""
        return self._steps.count("sync")

    @property
    def unsynced(self) -> bool:
        """Whether messages of the extended query protocol wait for a Sync to be sent."""
        return self._unsynced

    def close(self) -> None:
        """The connection has ended, or must not be used any more."""
        self._steps = deque(("closed",))

    def sent(self, message: Message) -> None:
        """`message` goes out now. Raises InterfaceError, and changes nothing, if it may not."""
        kind = type(message)
        step = self._head()
        if kind in QUEUED and step in _QUEUEING:
            self._queue(message)
            return
        following = SENDS.get(step, {}).get(kind)
        if following is not None:
            if isinstance(message, SASLInitialResponse) and message.mechanism.startswith(b"SCRAM-"):
                following = "scram first"
            self._move(following)
        elif kind is Terminate and step not in _UNOPENED and step != "closed":
            self.close()
        elif not (self._late_copy and kind in _COPY_MESSAGES):
            raise self._refusal(kind)

    def queue(self, steps: Sequence[str]) -> None:
        """Messages of the extended query protocol that add `steps` go out now, encoded beforehand.

        As `sent` for each of them. Raises InterfaceError, and changes nothing, if they may not.
        """
        if self._head() not in _QUEUEING:
            raise self._refusal(Bind)
        self._described = None
        if self._skipping:
            try:
                steps = steps[steps.index("sync") :]
            except ValueError:
                self._unsynced = True
                return
            self._skipping = False
        self._steps.extend(steps)
        self._unsynced = steps[-1] != "sync"

    def answered(self, steps: Sequence[str], status: int | None = None) -> bool:
        """The plain answers to `steps`, all that is at the front of the queue, have come: whoever
        calls has compared every byte that says so. They are taken, as `received` would do it
        message by message. `status` is the byte of ReadyForQuery, with which they must end then.

        Returns false, and changes nothing, if it is other steps that await their answers, or
        `status` is not one.
        """
        queue = self._steps
        count = len(steps)
        if len(queue) == count:
            if tuple(queue) != steps:
                return False
        elif tuple(islice(queue, count)) != steps:
            return False
        if status is not None:
            said = _STATUSES.get(status)
            if said is None:
                return False
            self.transaction_status = said
            self._late_copy = False
        if len(queue) == count:
            queue.clear()
        else:
            for _ in range(count):
                queue.popleft()
        return True

    def received(self, kind: int, data: bytes | bytearray, start: int, end: int) -> None:
        """A message with type byte `kind` has come, or a run of DataRows; its body is in `data`
        from `start` to `end`. Raises ProtocolError if it may not come now."""
        steps = self._steps
        if steps:
            step = steps[0]
            plain = _PLAIN[step].get(kind)
            if plain is not None:
                if plain == END:
                    steps.popleft()
                elif plain != step:
                    steps[0] = plain
                return
        if kind == _ERROR:
            self._fail(bytes(data[start:end]))
            return
        step = self._head()
        if kind in _ASYNCHRONOUS:
            if step in _BEFORE_OK:
                raise self._breach(kind, step)
            return
        if kind == _REQUEST and step in _BEFORE_OK:
            self._authenticate(step, bytes(data[start : start + 4]))
            return
        following = _BY_BYTE[step].get(kind)
        if following is None:
            raise self._breach(kind, step)
        if kind == _READY:
            self._ready(bytes(data[start:end]))
        elif following == "execute copy in":
            # The server ignores the Syncs that it finds before the data.
            self._steps = deque(s for s in self._steps if s != "sync")
            self._unsynced = True
        elif kind == _NO_DATA and len(self._steps) > 1 and self._steps[1] == "execute described":
            self._steps[1] = "execute without rows"
        if following != step:
            self._move(following)

    def _head(self) -> str:
        if self._steps:
            return self._steps[0]
        return "unsynced" if self._unsynced else "ready"

    def _move(self, following: str) -> None:
        if following == END:
            self._steps.popleft()
        elif self._steps:
            self._steps[0] = following
        else:
            self._steps.append(following)

    def _queue(self, message: Message) -> None:
        step = QUEUED[type(message)]
        described, self._described = self._described, None
        if step is None:
            return
        if isinstance(message, Sync):
            self._unsynced = self._skipping = False
        else:
            self._unsynced = True
            if self._skipping:
                return
        if isinstance(message, Describe):
            if message.kind == b"S":
                step = "describe statement"
            else:
                self._described = message.name
        elif isinstance(message, Execute) and described == message.portal:
            step = "execute described"
        self._steps.append(step)

    def _ready(self, body: bytes) -> None:
        try:
            status = ReadyForQuery.decode(body).status
        except errors.ProtocolError:
            self.close()
            raise
        self.transaction_status = _STATUSES[status[0]]
        self._late_copy = False

    def _fail(self, body: bytes) -> None:
        step = self._head()
        if step in _BEFORE_READY or not _FATAL.isdisjoint(body.split(b"\0")):
            self.close()
            return
        if step in _COPY_TAKING:
            self._late_copy = True
        if step in ("ready", "unsynced", "closed"):
            return  # nothing was under way that it could end
        if _PHASE_OF[step] == "EXTENDED" or step.startswith("execute "):
            while self._steps and self._steps[0] != "sync":
                self._steps.popleft()
            self._skipping = self._unsynced and not self._steps
        else:
            self._move("failed")

    def _authenticate(self, step: str, code: bytes) -> None:
        if len(code) < 4:
            self.close()
            raise errors.ProtocolError(f"insufficient data in {BACKEND[_REQUEST].label}")
        number = int.from_bytes(code)
        following = REQUESTS.get(step, {}).get(number)
        if following is None:
            self.close()
            raise errors.ProtocolError(_unexpected_request(step, number))
        self._move(following)

    def _breach(self, kind: int, step: str) -> errors.ProtocolError:
        phase = _PHASE_OF[step]
        message = BACKEND.get(kind)
        label = message.label if message is not None else f"message of type {kind}"
        self.close()
        if kind == b"v"[0] and step == "negotiated":
            text = "received duplicate protocol negotiation message"
        elif step in _BEFORE_OK:
            text = f"expected authentication request from server, but received {chr(kind)}"
        elif phase == "INITIALIZING":
            text = "unexpected message from server during startup"
        elif phase == "READY":
            text = f"message type 0x{kind:02x} arrived from server while idle"
        elif kind == _ROW and step in ("simple", "next", "execute without rows"):
            text = 'server sent data ("D" message) without prior row description ("T" message)'
        else:
            text = f"unexpected {label} from server"
        return errors.ProtocolError(text, detail=f"{label} in phase {phase}")

    def _refusal(self, kind: type[Message]) -> errors.InterfaceError:
        phase = self.phase
        if phase == "CLOSED":
            text = "no connection to the server"
        elif phase in ("STARTUP", "AUTHENTICATION", "INITIALIZING"):
            text = f"cannot send {kind.__name__}: the session has not begun"
        elif kind in _COPY_MESSAGES and not phase.startswith("COPY"):
            text = "no COPY in progress"
        elif phase == "READY":
            text = f"cannot send {kind.__name__}: the session has begun"
        elif phase.startswith("COPY"):
            text = f"cannot send {kind.__name__} during COPY"
        else:
            text = "another command is already in progress"
        return errors.InterfaceError(text, detail=f"{kind.__name__} in phase {phase}")


def _unexpected_request(step: str, code: int) -> str:
    message = AUTHENTICATION.get(code)
    if message is None:
        return f"authentication method {code} not supported"
    if code == 10 and step.startswith(("sasl", "scram")):
        return "duplicate SASL authentication request"
    if code == 12 and step.startswith(("sasl", "scram")):
        return (
            "AuthenticationSASLFinal received from server, "
            "but SASL authentication was not completed"
        )
    if step.startswith("scram"):
        return (
            f"server sent {message.__name__} in the middle of SCRAM authentication: "
            "it has not proved that it knows the password"
        )
    if code in (11, 12):
        return (
            "fe_sendauth: invalid authentication request from server: "
            "AUTH_REQ_SASL_CONT without AUTH_REQ_SASL"
        )
    return f"unexpected {message.__name__} from server"
