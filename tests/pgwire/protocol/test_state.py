"""I5: the automaton takes every legal conversation and nothing else."""

from __future__ import annotations

import contextlib
import itertools
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.protocol import backend, frontend, state
from pgwire.protocol.message import Message
from pgwire.protocol.state import ConnectionState

SENT: dict[str, Message] = {
    "Startup": frontend.StartupMessage({b"user": b"u"}),
    "SSL": frontend.SSLRequest(),
    "GSS": frontend.GSSENCRequest(),
    "Cancel": frontend.CancelRequest(1, b"key"),
    "Password": frontend.PasswordMessage(b"x"),
    "SCRAM": frontend.SASLInitialResponse(b"SCRAM-SHA-256", b"x"),
    "OAUTH": frontend.SASLInitialResponse(b"OAUTHBEARER", b"x"),
    "SASL": frontend.SASLResponse(b"x"),
    "Token": frontend.GSSResponse(b"x"),
    "Q": frontend.Query(b""),
    "F": frontend.FunctionCall(1, (), ()),
    "P": frontend.Parse(b"", b""),
    "B": frontend.Bind(b"", b"", (), (), ()),
    "DS": frontend.Describe(b"S", b""),
    "D": frontend.Describe(b"P", b""),
    "Dother": frontend.Describe(b"P", b"other"),
    "E": frontend.Execute(b""),
    "C": frontend.Close(b"S", b""),
    "H": frontend.Flush(),
    "S": frontend.Sync(),
    "d": frontend.CopyData(b""),
    "c": frontend.CopyDone(),
    "f": frontend.CopyFail(b""),
    "X": frontend.Terminate(),
}

STARTUP = "Startup> <R0 <S <K <ZI"
ASYNCHRONOUS = ("<N", "<A", "<S")


def received(token: str) -> tuple[int, bytes]:
    """`<R10`: code 10; `<ZT`: status T; `<EFATAL`: an error of that severity."""
    kind, argument = token[1], token[2:]
    if kind == "R":
        return ord(kind), struct.pack("!I", int(argument)) + b"rest"
    if kind == "Z":
        return ord(kind), (argument or "I").encode()
    if kind == "E":
        severity = (argument or "ERROR").encode()
        return ord(kind), b"SFEHLER\0V" + severity + b"\0C42601\0Mx\0\0"
    return ord(kind), b""


def play(connection: ConnectionState, script: str) -> ConnectionState:
    for token in script.split():
        if token.endswith(">"):
            connection.sent(SENT[token[:-1]])
        else:
            kind, body = received(token)
            connection.received(kind, b"---" + body + b"---", 3, 3 + len(body))
    return connection


def ready() -> ConnectionState:
    return play(ConnectionState(), STARTUP)


STARTUPS = {
    "trust": STARTUP,
    "no key": "Startup> <R0 <ZI",
    "encryption refused": "SSL> GSS> Startup> <R0 <ZI",
    "the other way round": "GSS> SSL> Startup> <R0 <ZI",
    "older protocol": "Startup> <v <R0 <K <ZI",
    "password": "Startup> <R3 Password> <R0 <S <S <N <A <K <ZI",
    "md5": "Startup> <R5 Password> <R0 <ZI",
    "gss": "Startup> <R7 Token> <R8 Token> <R8 Token> <R0 <ZI",
    "sspi": "Startup> <R9 Token> <R0 <ZI",
    "scram": "Startup> <v <R10 SCRAM> <R11 SASL> <R12 <R0 <K <ZI",
    "oauth": "Startup> <R10 OAUTH> <R0 <ZI",
    "oauth in more steps": "Startup> <R10 OAUTH> <R11 SASL> <R11 SASL> <R12 <R0 <ZI",
}

CONVERSATIONS = {
    "idle": "H>",
    "command": "Q> <C <ZT",
    "rows": "Q> <T <D <D <C <Z",
    "several": "Q> <T <D <C <C <I <T <C <Z",
    "empty": "Q> <I <Z",
    "error": "Q> <E <ZE",
    "error after rows": "Q> <T <D <E <Z",
    "error after a result": "Q> <C <E <Z",
    "error of commit": "Q> <T <D <C <E <Z",
    "two queries": "Q> <C <Z Q> <T <C <Z",
    "copy in": "Q> <G d> d> c> <C <Z",
    "empty copy in": "Q> <G c> <C <Z",
    "copy given up": "Q> <G d> f> <E <Z",
    "copy in fails": "Q> <G d> c> <E <Z",
    "copy in fails early": "Q> <G d> <E d> d> c> <Z",
    "copy in fails early and is given up": "Q> <G <E f> <Z",
    "copy in in the middle": "Q> <C <G d> c> <C <T <D <C <Z",
    "copy out": "Q> <H <d <d <c <C <Z",
    "copy out fails": "Q> <H <d <E <Z",
    "copy out in the middle": "Q> <T <C <H <c <C <I <Z",
    "replication": "Q> <W <d d> <d d> c> <d <c <C <Z",
    "replication ended by the server": "Q> <W <d <c <d d> c> <d <C <T <D <C <C <Z",
    "replication fails": "Q> <W <d <E d> c> <Z",
    "function": "F> <V <Z",
    "function fails": "F> <E <Z",
    "extended": "P> B> D> E> S> <1 <2 <T <D <D <C <Z",
    "extended without rows": "P> B> D> E> S> <1 <2 <n <C <Z",
    "extended empty": "P> B> D> E> S> <1 <2 <n <I <Z",
    "extended insert returning": "P> B> D> E> S> <1 <2 <T <D <C <Z",
    "prepare": "P> DS> S> <1 <t <T <Z",
    "prepare a command": "P> DS> S> <1 <t <n <Z",
    "description kept": "B> E> S> <2 <D <C <Z",
    "description of another portal": "B> Dother> E> S> <2 <n <D <C <Z",
    "close": "C> C> S> <3 <3 <Z",
    "row limit": "P> B> D> E> H> <1 <2 <T <D <D <s E> H> <D <s E> S> <C <Z",
    "suspended without a row": "B> E> S> <2 <s <Z",
    "error in parse": "P> B> D> E> S> <E <Z",
    "error in bind": "P> B> D> E> S> <1 <E <Z",
    "error among rows": "P> B> D> E> S> <1 <2 <T <D <E <Z",
    "error at commit": "P> B> E> S> <1 <2 <C <E <Z",
    "error before sync": "P> H> <E B> E> C> H> S> <Z",
    "sync alone": "S> <Z",
    "syncs": "S> S> <Z <Z",
    "pipeline": "P> B> E> S> P> B> E> S> <1 <2 <C <Z <1 <2 <D <C <ZT",
    "pipeline with an error": "P> B> E> P> B> E> S> P> B> E> S> <1 <E <Z <1 <2 <C <Z",
    "pipeline read late": "P> H> <1 B> D> H> <2 <n E> S> <C <Z",
    "extended copy in": "P> B> E> S> <1 <2 <G d> c> S> <C <Z",
    "extended copy in, sync held back": "P> B> E> H> <1 <2 <G d> c> S> <C <Z",
    "extended copy in given up": "P> B> E> S> <1 <2 <G f> S> <E <Z",
    "extended copy in fails": "P> B> E> S> <1 <2 <G d> c> S> <E <Z",
    "extended copy in fails early": "P> B> E> S> <1 <2 <G d> <E d> c> S> <Z",
    "extended copy in fails, and d after the sync": "P> B> E> S> <1 <2 <G <E S> d> c> <Z",
    "extended copy in that does not start": "P> B> E> S> <1 <2 <E <Z",
    "extended copy in, described": "P> B> D> E> S> <1 <2 <n <G c> S> <C <Z",
    "extended copy out": "P> B> D> E> S> <1 <2 <n <H <d <c <C <Z",
    "extended copy out fails": "P> B> E> S> <1 <2 <H <d <E <Z",
    "two syncs before copy in": "P> B> E> S> S> <1 <2 <G c> S> <C <Z",
    "a protocol error of ours": "P> B> E> P> S> <1 <2 <G <E S> <Z",
}


@pytest.mark.parametrize("script", STARTUPS.values(), ids=STARTUPS)
def test_startups(script: str) -> None:
    connection = play(ConnectionState(), script)
    assert connection.phase == "READY"
    assert connection.transaction_status == "I"


@pytest.mark.parametrize("script", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_conversations(script: str) -> None:
    connection = play(ready(), script)
    assert connection.phase == "READY"
    assert connection.outstanding_syncs == 0
    last = [token for token in script.split() if token.startswith("<Z")][-1:]
    assert connection.transaction_status == ("".join(last)[2:] or "I")
    play(connection, "Q> <T <D <C <Z")  # and on it goes
    assert connection.phase == "READY"


@pytest.mark.parametrize("script", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_asynchronous_messages_change_nothing(script: str) -> None:
    connection = ready()
    for token in script.split():
        for extra in ASYNCHRONOUS:
            before = repr(connection)
            play(connection, extra)
            assert repr(connection) == before
        play(connection, token)
    assert connection.phase == "READY"


@pytest.mark.parametrize("script", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_a_fatal_error_ends_it_anywhere(script: str) -> None:
    tokens = script.split()
    for cut in range(len(tokens) + 1):
        connection = play(ready(), " ".join(tokens[:cut]) + " <EFATAL")
        assert connection.phase == "CLOSED"
        with pytest.raises(errors.InterfaceError, match="no connection to the server"):
            play(connection, "Q>")


def test_an_error_that_answers_nothing_changes_nothing() -> None:
    for script, phase in (("", "READY"), ("P> <1", "EXTENDED")):
        connection = play(ready(), script + " <E")
        assert connection.phase == phase
        play(connection, "P> S> <1 <Z")
        assert connection.phase == "READY"


@pytest.mark.parametrize("script", STARTUPS.values(), ids=STARTUPS)
def test_an_error_before_the_session_begins_ends_it(script: str) -> None:
    tokens = script.split()
    for cut in range(1, len(tokens)):
        assert play(ConnectionState(), " ".join(tokens[:cut]) + " <E").phase == "CLOSED"


@pytest.mark.parametrize("script", [*STARTUPS.values(), *CONVERSATIONS.values()])
def test_terminate_is_possible_anywhere(script: str) -> None:
    session = script in CONVERSATIONS.values()
    tokens = script.split()
    for cut in range(len(tokens) + 1):
        connection = play(ready() if session else ConnectionState(), " ".join(tokens[:cut]))
        if connection.phase == "STARTUP" and "Startup>" not in tokens[:cut]:
            continue
        assert play(connection, "X>").phase == "CLOSED"


def prefixes(language: str, letters: str, longest: int) -> set[str]:
    """All beginnings, of up to `longest` letters, of the words of the regular `language`. Words
    are tried that are two letters longer: every legal beginning can be ended by then."""
    word = re.compile(language)
    found = {""}
    for size in range(1, longest + 3):
        for attempt in map("".join, itertools.product(letters, repeat=size)):
            if word.fullmatch(attempt):
                found.update(attempt[:cut] for cut in range(min(size, longest) + 1))
    return found


@pytest.mark.parametrize(
    ("script", "language", "letters"),
    [
        ("Q>", "(TD*C|C|I)+(EZ|Z)|(TD*C|C|I)*(TD*)?EZ", "TDCIEZn"),
        ("Q> <H", "d*(E|c(E|C(TD*C|I|C)*((TD*)?E)?))Z", "dcCTDIEZ"),
        ("Q> <G c>", "(E|C(TD*C|C|I)*((TD*)?E)?)Z", "CTDIEZd"),
        ("Q> <G f>", "EZ", "CTDIEZGd"),
        ("F>", "(V|E|VE)Z", "VEZCTD"),
        ("P> S>", "(1|E|1E)Z", "12nCEZT"),
        ("P> DS> S>", "(1?E|1tE|1t[Tn]E?)Z", "1tTnEZD"),
        ("B> D> E> S>", "(2(TD*[Cs]|T[I]|n[CI])E?|(2(TD*|n)?)?E)Z", "2TnDCsIEZ"),
        ("B> E> S>", "(2(D*[Cs]|I)E?|(2D*)?E)Z", "2TDCsIEZ"),
        ("C> S> S>", "(3E?|E)ZE?Z", "3ZEC1"),
    ],
)
def test_exactly_the_replies_of_the_grammar_are_taken(
    script: str, language: str, letters: str
) -> None:
    longest = 4
    accepted, unfinished = {""}, {""}
    for size in range(1, longest + 1):
        for replies in map("".join, itertools.product(letters, repeat=size)):
            # One error after another is always possible, and no part of the grammar.
            if replies[:-1] not in unfinished or replies.endswith("EE"):
                continue
            script_with_replies = " ".join((script, *[f"<{letter}" for letter in replies]))
            try:
                connection = play(ready(), script_with_replies)
            except errors.ProtocolError:
                continue
            accepted.add(replies)
            if connection.phase != "READY":
                unfinished.add(replies)
    assert accepted == prefixes(language, letters, longest)


ILLEGAL_REPLIES = [
    ("", "<S", "expected authentication request from server, but received S", "STARTUP"),
    ("Startup>", "<N", "expected authentication request from server, but received N", "STARTUP"),
    ("Startup>", "<A", "expected authentication request from server, but received A", "STARTUP"),
    ("Startup>", "<S", "expected authentication request from server, but received S", "STARTUP"),
    ("Startup>", "<ZI", "expected authentication request from server, but received Z", "STARTUP"),
    ("Startup> <v", "<v", "received duplicate protocol negotiation message", "STARTUP"),
    ("Startup> <R0", "<v", "unexpected message from server during startup", "INITIALIZING"),
    ("Startup> <R0", "<R0", "unexpected message from server during startup", "INITIALIZING"),
    ("Startup> <R0 <K", "<K", "unexpected message from server during startup", "INITIALIZING"),
    ("Startup> <R0", "<T", "unexpected message from server during startup", "INITIALIZING"),
    (STARTUP, "<T", "message type 0x54 arrived from server while idle", "READY"),
    (STARTUP, "<ZI", "message type 0x5a arrived from server while idle", "READY"),
    (STARTUP, "<R0", "message type 0x52 arrived from server while idle", "READY"),
    (STARTUP + " Q>", "<D", 'server sent data ("D" message) without prior row desc', "SIMPLE"),
    (STARTUP + " Q>", "<Z", 'unexpected "Z" message (ReadyForQuery) from server', "SIMPLE"),
    (STARTUP + " Q> <T", "<T", 'unexpected "T" message (RowDescription) from', "SIMPLE"),
    (STARTUP + " Q> <E", "<C", 'unexpected "C" message (CommandComplete) from', "SIMPLE"),
    (STARTUP + " Q> <G", "<d", 'unexpected "d" message (CopyData) from server', "COPY_IN"),
    (STARTUP + " Q> <G", "<C", 'unexpected "C" message (CommandComplete) from', "COPY_IN"),
    (STARTUP + " Q> <H", "<C", 'unexpected "C" message (CommandComplete) from', "COPY_OUT"),
    (STARTUP + " Q> <W", "<C", 'unexpected "C" message (CommandComplete) from', "COPY_BOTH"),
    (STARTUP + " F>", "<C", 'unexpected "C" message (CommandComplete) from', "FUNCTION"),
    (STARTUP + " P> B> S>", "<2", 'unexpected "2" message (BindComplete) from', "EXTENDED"),
    (STARTUP + " P> B> S> <1", "<Z", 'unexpected "Z" message (ReadyForQuery)', "EXTENDED"),
    (STARTUP + " P> <1", "<1", 'unexpected "1" message (ParseComplete) from', "EXTENDED"),
    (STARTUP + " P> <E", "<Z", 'unexpected "Z" message (ReadyForQuery) from', "EXTENDED"),
    (STARTUP + " B> D> E> <2 <n", "<D", 'server sent data ("D" message) without', "EXTENDED"),
    (STARTUP + " B> D> E> <2 <n", "<s", 'unexpected "s" message (PortalSuspended)', "EXTENDED"),
    (STARTUP + " B> E> <2 <D", "<I", 'unexpected "I" message (EmptyQueryResponse)', "EXTENDED"),
    (STARTUP + " P> B> E> S> <1 <2 <G c> <C", "<Z", 'unexpected "Z" message', "EXTENDED"),
    (STARTUP + " P> B> E> S> <1 <2 <G c> S> <C <Z", "<Z", "0x5a arrived from server", "READY"),
    (STARTUP + " X>", "<T", 'unexpected "T" message (RowDescription) from server', "CLOSED"),
    (STARTUP, "<!", "message type 0x21 arrived from server while idle", "READY"),
]


@pytest.mark.parametrize(("before", "token", "message", "phase"), ILLEGAL_REPLIES)
def test_illegal_replies(before: str, token: str, message: str, phase: str) -> None:
    connection = play(ConnectionState(), before)
    assert connection.phase == phase
    with pytest.raises(errors.ProtocolError, match=re.escape(message)) as caught:
        play(connection, token)
    assert f"in phase {phase}" in str(caught.value)
    kind = backend.BACKEND.get(ord(token[1]))
    assert (kind.label if kind else "type 33") in str(caught.value)
    assert connection.phase == "CLOSED"


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("", 0, "unexpected AuthenticationOk from server"),
        ("Startup>", 11, "AUTH_REQ_SASL_CONT without AUTH_REQ_SASL"),
        ("Startup>", 12, "AUTH_REQ_SASL_CONT without AUTH_REQ_SASL"),
        ("Startup>", 8, "unexpected AuthenticationGSSContinue from server"),
        ("Startup>", 13, "authentication method 13 not supported"),
        ("Startup>", 4_294_967_295, "authentication method 4294967295 not supported"),
        ("Startup> <R3", 0, "unexpected AuthenticationOk from server"),
        ("Startup> <R3 Password>", 3, "unexpected AuthenticationCleartextPassword"),
        ("Startup> <R5 Password>", 10, "unexpected AuthenticationSASL from server"),
        ("Startup> <R10", 10, "duplicate SASL authentication request"),
        ("Startup> <R10", 0, "unexpected AuthenticationOk from server"),
        ("Startup> <R10 SCRAM>", 10, "duplicate SASL authentication request"),
        ("Startup> <R10 SCRAM>", 0, "server sent AuthenticationOk in the middle of SCRAM"),
        ("Startup> <R10 SCRAM>", 3, "AuthenticationCleartextPassword in the middle of SCRAM"),
        ("Startup> <R10 SCRAM>", 12, "but SASL authentication was not completed"),
        ("Startup> <R10 SCRAM> <R11", 0, "it has not proved that it knows the password"),
        ("Startup> <R10 SCRAM> <R11 SASL>", 0, "it has not proved that it knows the password"),
        ("Startup> <R10 SCRAM> <R11 SASL>", 11, "SASLContinue in the middle of SCRAM"),
        ("Startup> <R10 SCRAM> <R11 SASL> <R12", 3, "unexpected AuthenticationCleartext"),
        ("Startup> <R2", 0, "unexpected AuthenticationOk from server"),
    ],
)
def test_illegal_authentication_requests(script: str, code: int, message: str) -> None:
    connection = play(ConnectionState(), script)
    with pytest.raises(errors.ProtocolError, match=message):
        play(connection, f"<R{code}")
    assert connection.phase == "CLOSED"


@pytest.mark.parametrize("body", [b"", b"\0\0\0"])
def test_an_authentication_request_without_its_code(body: bytes) -> None:
    connection = play(ConnectionState(), "Startup>")
    with pytest.raises(errors.ProtocolError, match='insufficient data in "R" message'):
        connection.received(ord("R"), body, 0, len(body))
    assert connection.phase == "CLOSED"


@pytest.mark.parametrize("body", [b"", b"X", b"II", b"\0"])
def test_ready_for_query_with_another_status(body: bytes) -> None:
    connection = play(ready(), "Q> <C")
    with pytest.raises(errors.ProtocolError):
        connection.received(ord("Z"), body, 0, len(body))
    assert connection.phase == "CLOSED"


BUSY = "another command is already in progress"
ILLEGAL_SENDS = {
    "": ("Q P S d c f F X H Password SASL", "the session has not begun"),
    "SSL>": ("SSL Q", "the session has not begun"),
    "SSL> GSS>": ("SSL GSS", "the session has not begun"),
    "Startup>": ("Startup SSL Password SCRAM Q S", "the session has not begun"),
    "Startup> <R3": ("SCRAM SASL Token Q", "the session has not begun"),
    "Startup> <R10": ("SASL Password Q", "the session has not begun"),
    "Startup> <R10 SCRAM>": ("SASL SCRAM Q", "the session has not begun"),
    "Startup> <R2": ("Password Token SCRAM", "the session has not begun"),
    "Startup> <R0": ("Q P S Password", "the session has not begun"),
    STARTUP: ("Startup Cancel SSL Password SCRAM", "the session has begun"),
    STARTUP + " ": ("d c f", "no COPY in progress"),
    STARTUP + " Q>": ("Q F P B D E C S H", BUSY),
    STARTUP + " Q> <T": ("Q F P S", BUSY),
    STARTUP + " Q> <E": ("Q F P S", BUSY),
    STARTUP + " Q> <C ": ("d c f", "no COPY in progress"),
    STARTUP + " F>": ("Q F P S", BUSY),
    STARTUP + " P>": ("Q F", BUSY),
    STARTUP + " P> <1": ("Q F", BUSY),
    STARTUP + " P> <E": ("Q F", BUSY),
    STARTUP + " S>": ("Q F", BUSY),
    STARTUP + " Q> <G": ("Q F P B D E C S H", "during COPY"),
    STARTUP + " Q> <G c>": ("d c f", "no COPY in progress"),
    STARTUP + " Q> <G d> <E <Z": ("d c f", "no COPY in progress"),
    STARTUP + " Q> <H": ("d c f Q S", "during COPY"),
    STARTUP + " P> B> E> <1 <2 <G": ("Q S H P", "during COPY"),
    STARTUP + " Q> <W": ("f Q S", "during COPY"),
    STARTUP + " Q> <W c>": ("d c", "during COPY"),
    STARTUP + " X>": ("Q X S d Startup", "no connection to the server"),
    "Cancel>": ("Startup X Cancel", "no connection to the server"),
}


@pytest.mark.parametrize(("script", "case"), ILLEGAL_SENDS.items())
def test_illegal_sends_change_nothing(script: str, case: tuple[str, str]) -> None:
    connection = play(ConnectionState(), script)
    before = repr(connection)
    sends, message = case
    for name in sends.split():
        with pytest.raises(errors.InterfaceError, match=message) as caught:
            connection.sent(SENT[name])
        assert type(SENT[name]).__name__ in str(caught.value)
        assert repr(connection) == before


@given(st.lists(st.sampled_from(("P", "B", "D", "DS", "E", "C", "H", "S")), max_size=30), st.data())
def test_there_is_one_ready_for_query_per_sync(sends: list[str], draw: st.DataObject) -> None:
    """A model server answers any pipeline, failing where it likes."""
    connection = ready()
    answers = {"P": "<1", "B": "<2", "D": "<T", "DS": "<t <n", "E": "<D <C", "C": "<3", "S": "<Z"}
    pending: list[str] = []
    skipping = False
    lengths = st.integers(0, 1)

    def answer() -> None:
        nonlocal skipping
        token = pending.pop(0)
        if token == "S":
            skipping = False
        elif skipping or token == "H":
            return
        elif draw.draw(st.booleans()):
            skipping = True
            begun = answers[token].split()[:-1]  # what came before the error
            play(connection, " ".join((*begun[: draw.draw(lengths)], "<E")))
            return
        play(connection, answers[token])

    for name in sends:
        connection.sent(SENT[name])
        pending.append(name)
        while draw.draw(st.booleans()) and pending:
            answer()
        assert connection.outstanding_syncs == pending.count("S")
    connection.sent(SENT["S"])
    pending.append("S")
    while pending:
        answer()
    assert connection.phase == "READY"


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(SENT)), st.just(b""))
        | st.tuples(st.integers(0, 255), st.binary(max_size=5)),
        max_size=30,
    )
)
def test_anything_is_taken_or_refused_with_the_right_error(
    events: list[tuple[object, bytes]],
) -> None:
    connection = ready()
    for event, body in events:
        if isinstance(event, str):
            with contextlib.suppress(errors.InterfaceError):
                connection.sent(SENT[event])
        elif isinstance(event, int):
            try:
                connection.received(event, body, 0, len(body))
            except errors.ProtocolError:
                assert connection.phase == "CLOSED"
        assert connection.phase in state.PHASES


def test_tables_agree_with_each_other() -> None:
    steps = {step for names in state.PHASES.values() for step in names}
    assert len(steps) == sum(map(len, state.PHASES.values()))
    for table in (state.REPLIES, state.REQUESTS, state.SENDS):
        assert set(table) <= steps
        assert {following for row in table.values() for following in row.values()} <= {
            *steps,
            state.END,
        }
    letters = {letter for row in state.REPLIES.values() for letter in row}
    assert {ord(letter) for letter in letters} | set(b"RENAS") == set(backend.BACKEND)


def test_closing_and_showing() -> None:
    connection = play(ready(), "P> B> S> S>")
    assert connection.outstanding_syncs == 2
    assert repr(connection) == "<ConnectionState EXTENDED: parse, bind, sync, sync>"
    connection.close()
    assert connection.phase == "CLOSED"
    assert repr(ready()) == "<ConnectionState READY: idle>"
