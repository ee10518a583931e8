from __future__ import annotations

import contextlib
import copy
import pickle
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.protocol import backend, frontend
from pgwire.protocol.authentication import AUTHENTICATION
from pgwire.protocol.constants import PROTOCOL_3_0, PROTOCOL_3_2
from pgwire.protocol.message import BackendMessage, Message

text = st.binary(max_size=40).map(lambda b: b.replace(b"\0", b"x"))
name = st.binary(min_size=1, max_size=40).map(lambda b: b.replace(b"\0", b"x"))
data = st.binary(max_size=60)
value = st.none() | data
values = st.lists(value, max_size=5)
uint16, int16 = st.integers(0, 0xFFFF), st.integers(-0x8000, 0x7FFF)
uint32, int32 = st.integers(0, 0xFFFFFFFF), st.integers(-0x80000000, 0x7FFFFFFF)
formats = st.lists(uint16, max_size=4)
kind = st.sampled_from((b"S", b"P"))
fields = st.dictionaries(st.integers(1, 255).map(chr), text, max_size=6)
field = st.builds(backend.FieldDescription, text, uint32, int16, uint32, int16, int32, uint16)

TYPED: dict[type[Message], st.SearchStrategy[Message]] = {
    m: st.builds(m, *arguments)
    for m, arguments in {
        frontend.Query: (text,),
        frontend.Parse: (text, text, st.lists(uint32, max_size=5)),
        frontend.Bind: (text, text, formats, values, formats),
        frontend.Describe: (kind, text),
        frontend.Execute: (text, int32),
        frontend.Close: (kind, text),
        frontend.Flush: (),
        frontend.Sync: (),
        frontend.Terminate: (),
        frontend.FunctionCall: (uint32, formats, values, uint16),
        frontend.PasswordMessage: (text,),
        frontend.SASLInitialResponse: (text, value),
        frontend.SASLResponse: (data,),
        frontend.GSSResponse: (data,),
        frontend.CopyFail: (text,),
        backend.CopyData: (data,),
        backend.CopyDone: (),
        backend.AuthenticationOk: (),
        backend.AuthenticationKerberosV4: (),
        backend.AuthenticationKerberosV5: (),
        backend.AuthenticationCleartextPassword: (),
        backend.AuthenticationCryptPassword: (),
        backend.AuthenticationMD5Password: (st.binary(min_size=4, max_size=4),),
        backend.AuthenticationSCMCredential: (),
        backend.AuthenticationGSS: (),
        backend.AuthenticationGSSContinue: (data,),
        backend.AuthenticationSSPI: (),
        backend.AuthenticationSASL: (st.lists(name, max_size=3),),
        backend.AuthenticationSASLContinue: (data,),
        backend.AuthenticationSASLFinal: (data,),
        backend.BackendKeyData: (int32, data),
        backend.NegotiateProtocolVersion: (uint32, st.lists(text, max_size=3)),
        backend.ParameterStatus: (text, text),
        backend.ReadyForQuery: (st.sampled_from((b"I", b"T", b"E")),),
        backend.ErrorResponse: (fields,),
        backend.NoticeResponse: (fields,),
        backend.NotificationResponse: (int32, text, text),
        backend.RowDescription: (st.lists(field, max_size=4),),
        backend.DataRow: (values,),
        backend.CommandComplete: (text,),
        backend.FunctionCallResponse: (value,),
        backend.EmptyQueryResponse: (),
        backend.ParseComplete: (),
        backend.BindComplete: (),
        backend.CloseComplete: (),
        backend.NoData: (),
        backend.PortalSuspended: (),
        backend.ParameterDescription: (st.lists(uint32, max_size=5),),
        backend.CopyInResponse: (st.integers(0, 255), formats),
        backend.CopyOutResponse: (st.integers(0, 255), formats),
        backend.CopyBothResponse: (st.integers(0, 255), formats),
    }.items()
}
FIRST: dict[type[Message], st.SearchStrategy[Message]] = {
    m: st.builds(m, *arguments)
    for m, arguments in {
        frontend.StartupMessage: (
            st.dictionaries(name, text, max_size=4),
            st.sampled_from((PROTOCOL_3_0, PROTOCOL_3_2)),
        ),
        frontend.SSLRequest: (),
        frontend.GSSENCRequest: (),
        frontend.CancelRequest: (int32, st.binary(min_size=1, max_size=256)),
    }.items()
}
PASSWORD_FAMILY = (
    frontend.PasswordMessage,
    frontend.SASLInitialResponse,
    frontend.SASLResponse,
    frontend.GSSResponse,
)
by_name: Callable[[type], str] = lambda message: message.__name__  # noqa: E731


def test_every_message_of_both_tables_is_tested_below() -> None:
    listed = {*frontend.FRONTEND.values(), *backend.BACKEND.values(), *AUTHENTICATION.values()}
    assert listed - {backend.Authentication} <= set(TYPED)


@pytest.mark.parametrize("message_class", TYPED, ids=by_name)
@given(st.data())
def test_what_is_encoded_is_decoded(message_class: type[Message], draw: st.DataObject) -> None:
    message = draw.draw(TYPED[message_class])
    encoded = message.encode()
    letter, length = struct.unpack("!ci", encoded[:5])
    assert (letter, length) == (message_class.type, len(encoded) - 1)
    for body in (encoded[5:], bytearray(encoded[5:]), memoryview(encoded)[5:]):
        assert message_class.decode(body) == message
    if message_class in PASSWORD_FAMILY:
        assert frontend.decode(encoded[0], encoded[5:], awaiting=message_class) == message
    if frontend.FRONTEND.get(encoded[0]) is message_class:
        assert frontend.decode(encoded[0], encoded[5:]) == message
    if isinstance(message, BackendMessage):
        assert backend.decode(encoded[0], encoded[5:]) == message


@pytest.mark.parametrize("message_class", FIRST, ids=by_name)
@given(st.data())
def test_first_packets_too(message_class: type[Message], draw: st.DataObject) -> None:
    message = draw.draw(FIRST[message_class])
    encoded = message.encode()
    assert struct.unpack("!i", encoded[:4]) == (len(encoded),)
    assert frontend.decode_first_packet(encoded[4:]) == message


@pytest.mark.parametrize("message_class", TYPED, ids=by_name)
@given(st.data())
def test_a_body_that_is_cut_or_has_a_tail_is_refused_or_another_message(
    message_class: type[Message], draw: st.DataObject
) -> None:
    message = draw.draw(TYPED[message_class])
    body = message.encode()[5:]
    tail = draw.draw(st.binary(min_size=1, max_size=3))
    cut = draw.draw(st.integers(0, max(0, len(body) - 1)))
    for damaged in (body + tail, body[:cut]):
        if damaged == body:
            continue
        try:
            decoded = message_class.decode(damaged)
        except errors.ProtocolError as error:
            assert str(error)
        else:
            assert decoded != message


@given(st.integers(0, 255), st.binary(max_size=60))
def test_any_body_from_the_server_is_decoded_or_a_protocol_error(
    type_byte: int, body: bytes
) -> None:
    try:
        backend.decode(type_byte, body)
    except errors.ProtocolError as error:
        assert error.sqlstate == "08P01"


@given(st.sampled_from(sorted(backend.BACKEND)), st.binary(max_size=60))
def test_any_body_of_a_known_type(type_byte: int, body: bytes) -> None:
    try:
        message = backend.decode(type_byte, body)
    except errors.ProtocolError:
        return
    if type_byte not in b"EN":  # a field code that comes twice is kept once
        assert message.encode()[5:] == body


@given(st.integers(0, 255), st.binary(max_size=60), st.sampled_from(PASSWORD_FAMILY))
def test_any_body_from_a_client(type_byte: int, body: bytes, awaiting: type[Message]) -> None:
    with contextlib.suppress(errors.ProtocolError):
        frontend.decode(type_byte, body, awaiting=awaiting)
    with contextlib.suppress(errors.ProtocolError):
        frontend.decode_first_packet(body)


BYTES = {
    b"Q\0\0\0\x0dselect 1\0": frontend.Query(b"select 1"),
    b"P\0\0\0\x16s\0select $1\0\0\1\0\0\0\x17": frontend.Parse(b"s", b"select $1", (23,)),
    b"B\0\0\0\x19p\0s\0\0\1\0\1\0\2\0\0\0\1x\xff\xff\xff\xff\0\0": frontend.Bind(
        b"p", b"s", (1,), (b"x", None), ()
    ),
    b"D\0\0\0\x06S\0": frontend.Describe(b"S", b""),
    b"E\0\0\0\x09\0\0\0\0\2": frontend.Execute(b"", 2),
    b"C\0\0\0\x07Px\0": frontend.Close(b"P", b"x"),
    b"S\0\0\0\4": frontend.Sync(),
    b"\0\0\0\x08\x04\xd2\x16\x2f": frontend.SSLRequest(),
    b"\0\0\0\x08\x04\xd2\x16\x30": frontend.GSSENCRequest(),
    b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07abcd": frontend.CancelRequest(7, b"abcd"),
    b"\0\0\0\x10\0\3\0\0user\0u\0\0": frontend.StartupMessage({b"user": b"u"}),
    b"R\0\0\0\x0c\0\0\0\5salt": backend.AuthenticationMD5Password(b"salt"),
    b"R\0\0\0\x0b\0\0\0\x0aA\0\0": backend.AuthenticationSASL((b"A",)),
    b"Z\0\0\0\5I": backend.ReadyForQuery(b"I"),
    b"D\0\0\0\x0f\0\2\0\0\0\1x\xff\xff\xff\xff": backend.DataRow((b"x", None)),
    b"v\0\0\0\x13\0\3\0\0\0\0\0\1_pq_.x\0": backend.NegotiateProtocolVersion(
        PROTOCOL_3_0, (b"_pq_.x",)
    ),
}


@pytest.mark.parametrize("encoded", BYTES, ids=lambda b: repr(BYTES[b]))
def test_bytes_as_the_manual_has_them(encoded: bytes) -> None:
    assert BYTES[encoded].encode() == encoded


def test_row_description_has_oids_beyond_two_thousand_million() -> None:
    body = b"\0\1a\0" + struct.pack("!IhIhih", 4_000_000_000, -7, 3_000_000_000, -2, -1, 1)
    (column,) = backend.RowDescription.decode(body).fields
    assert column == backend.FieldDescription(b"a", 4_000_000_000, -7, 3_000_000_000, -2, -1, 1)


def test_sixty_five_thousand_parameters_are_described() -> None:
    types = tuple(range(65_535))
    body = backend.ParameterDescription(types).encode()[5:]
    assert backend.ParameterDescription.decode(body).types == types


@pytest.mark.parametrize(
    ("type_byte", "body", "message"),
    [
        (b"R", struct.pack("!I", 13), "authentication method 13 not supported"),
        (b"R", struct.pack("!I", 0xFFFFFFFF), "authentication method 4294967295 not supported"),
        (b"R", struct.pack("!I", 10) + b"SCRAM", "invalid list of authentication mechanisms"),
        (b"R", struct.pack("!I", 3) + b"x", "message contents do not agree with length"),
        (b"E", b"SERROR\0C42601\0", 'insufficient data in "E" message'),
        (b"E", b"SERROR", 'insufficient data in "E" message'),
        (b"Z", b"X", "invalid transaction status b'X'"),
        (b"Z", b"", 'insufficient data in "Z" message'),
        (b"D", b"\0\1\xff\xff\xff\xfe", 'insufficient data in "D" message'),
        (b"D", b"\0\1\x7f\xff\xff\xff", 'insufficient data in "D" message'),
        (b"D", b"\0\1\0\0\0\1xy", "message contents do not agree with length"),
        (b"t", b"\xff\xff\0\0", 'insufficient data in "t" message'),
        (b"T", b"\xff\xff", 'insufficient data in "T" message'),
        (b"v", b"\0\3\0\0\xff\xff\xff\xff", "negative number of unsupported parameters"),
        (b"v", b"\0\3\0\0\x7f\xff\xff\xff", "negotiation message: message too short"),
        (b"v", b"\0\3", "negotiation message: message too short"),
        (b"!", b"", 'first received character was "!"'),
        (b"\0", b"", r'first received character was "\\x00"'),
    ],
)
def test_refusals_of_the_peers_bytes(type_byte: bytes, body: bytes, message: str) -> None:
    with pytest.raises(errors.ProtocolError, match=message):
        backend.decode(type_byte[0], body)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0\3\0\0user\0u\0",  # no terminator
        b"\0\3\0\0user\0u\0\0x",  # something after it
        b"\0\4\0\0\0",
        b"\0\2\0\0\0",
        struct.pack("!I", frontend.SSLRequest.code) + b"x",
        struct.pack("!II", frontend.CancelRequest.code, 7),
        struct.pack("!II", frontend.CancelRequest.code, 7) + b"k" * 257,
        b"\0\3\0\0" + b"x" * 9_997,
    ],
)
def test_refusals_of_first_packets(packet: bytes) -> None:
    with pytest.raises(errors.ProtocolError):
        frontend.decode_first_packet(packet)


def test_an_error_without_the_fields_that_always_come_is_an_error_still() -> None:
    assert backend.decode(b"E"[0], b"\0") == backend.ErrorResponse({})
    assert backend.decode(b"E"[0], b"Dd\0\xe9x\0\0") == backend.ErrorResponse(
        {"D": b"d", "é": b"x"}
    )


SECRETS = [
    frontend.PasswordMessage(b"hunter2"),
    frontend.SASLInitialResponse(b"SCRAM-SHA-256", b"hunter2"),
    frontend.SASLResponse(b"hunter2"),
    frontend.GSSResponse(b"hunter2"),
    frontend.CancelRequest(1, b"hunter2"),
    backend.BackendKeyData(1, b"hunter2"),
    backend.AuthenticationSASLContinue(b"hunter2"),
    backend.AuthenticationSASLFinal(b"hunter2"),
    backend.AuthenticationGSSContinue(b"hunter2"),
]


@pytest.mark.parametrize("message", SECRETS, ids=lambda m: type(m).__name__)
def test_no_secret_is_shown(message: Message) -> None:
    assert "hunter2" not in repr(message) + str(message)
    assert "…" in repr(message)


def test_messages_show_compare_and_copy_by_their_fields() -> None:
    message = frontend.Execute(b"p", 3)
    assert repr(message) == "Execute(max_rows=3, portal=b'p')"
    assert message != frontend.Execute(b"p", 4)
    assert message != frontend.Close(b"P", b"p")
    assert backend.ParseComplete() != backend.BindComplete()
    for twin in (copy.copy(message), copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert twin == message
    with pytest.raises(TypeError):
        hash(message)


QUICK = [
    backend.ReadyForQuery,
    backend.CommandComplete,
    backend.RowDescription,
    backend.ParseComplete,
    backend.CopyDone,
]


def decoded(decode: Callable[[], object]) -> object:
    try:
        return decode()
    except errors.ProtocolError as error:
        return str(error)


@pytest.mark.parametrize("message", QUICK)
@given(
    st.one_of(
        st.binary(max_size=64),
        st.sampled_from([b"I", b"T", b"E", b"IT", b"SELECT 1\0", b"\0", b"\0\0", b"a\0b\0"]),
        st.lists(st.text("ab", max_size=3), max_size=3).map(
            lambda names: backend.RowDescription(
                [backend.FieldDescription(name.encode()) for name in names]
            ).encode()[5:]
        ),
    ),
    st.integers(0, 3),
    st.binary(max_size=2),
)
def test_quick_decoding_is_the_plain_one(
    message: type[Message], body: bytes, cut: int, more: bytes
) -> None:
    body = body[: len(body) - cut] + more
    plain = decoded(lambda: Message.decode.__func__(message, body))  # type: ignore[attr-defined]
    for made in (body, bytearray(body), memoryview(body)):
        assert decoded(lambda made=made: message.decode(made)) == plain  # type: ignore[misc]
