import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.types.array import Array, flatten
from pgwire.types.arraytext import ArrayText
from pgwire.types.context import Context
from pgwire.types.registry import default_registry

CONTEXT = Context()
TEXT = default_registry.by_name("text[]")
INT4 = default_registry.by_name("int4[]")
ELEMENTS = st.none() | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", []),
        ("{1}", ["1"]),
        ('{a,NULL,null,"NULL",""}', ["a", None, None, "NULL", ""]),
        ('{"a\\"b","c\\\\d",e\\,f}', ['a"b', "c\\d", "e,f"]),
        ("{{a,b},{c,d}}", [["a", "b"], ["c", "d"]]),
        ("[0:1]={5,6}", ["5", "6"]),
        ("[2:2][-1:0]={{5,6}}", [["5", "6"]]),
        ("[2]={5,6}", ["5", "6"]),
        (" { a , b c } ", ["a", "b c"]),
        ('{"{}","a,b"}', ["{}", "a,b"]),
        ("{{{{{{x}}}}}}", [[[[[["x"]]]]]]),
        ("{{},{}}", [[], []]),
    ],
)
def test_text(text: str, value: object) -> None:
    assert TEXT.text_decoder(CONTEXT)(text.encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "}", "{}}", "{{}", "a", "{a", "a}", "{a}{b}", "{a,}", "{,a}", "{a,,b}"),
        *('{"a}', '{"a"b}', '{a"b"}', "{a}b", "{{a},b}", "{a,{b}}", "{{a},{b,c}}", "{{},a}"),
        *("{{{{{{{x}}}}}}}", "[1:2]={a}", "[2:1]={}", "[1:1]={{a}}", "{a\\", "{}x", "{{a}{b}}"),
        *("[1:2=", "[1:2]", '{"a" "b"}', "{{a,b},{}}", "{{},{a}}", "{{{a}},{b}}"),
    ],
)
def test_text_that_is_no_array(text: str) -> None:
    with pytest.raises(errors.DataError):
        TEXT.text_decoder(CONTEXT)(text.encode())


def test_an_unfinished_quote_costs_no_time() -> None:
    # With a careless pattern this takes longer than the universe lasts.
    with pytest.raises(errors.DataError):
        TEXT.text_decoder(CONTEXT)(b'{"' + b"a\\b" * 20_000)
    with pytest.raises(errors.DataError):
        TEXT.text_decoder(CONTEXT)(b"{" + b"a " * 20_000 + b"{")
    with pytest.raises(errors.DataError):
        TEXT.text_decoder(CONTEXT)(b'{"' + b'\\"' * 50_000)


@given(
    st.lists(ELEMENTS, max_size=5)
    | st.integers(1, 3).flatmap(
        lambda n: st.lists(st.lists(ELEMENTS, min_size=n, max_size=n), min_size=1, max_size=3)
    ),
    st.sampled_from(["utf-8", "gb18030", "pgwire_sql_ascii"]),
)
def test_quoting_law(value: list[object], encoding: str) -> None:
    context = Context(encoding)
    data = TEXT.text_encoder(context)(value)
    assert TEXT.text_decoder(context)(data) == value
    assert TEXT.binary_encoder is not None
    assert TEXT.binary_decoder(context)(TEXT.binary_encoder(context)(value)) == value


def test_a_backslash_within_a_character_is_none() -> None:
    context = Context("cp932")
    value = ["表", "ソ,", '"']  # their second bytes are 0x5c
    data = TEXT.text_encoder(context)(value)
    assert data == '{"表","ソ,","\\""}'.encode("cp932")
    assert TEXT.text_decoder(context)(data) == value


@given(st.lists(st.binary(max_size=6).filter(lambda item: b"\0" not in item), min_size=1))
def test_rewrite_keeps_what_it_does_not_replace(items: list[bytes]) -> None:
    array = ArrayText("x[]")
    data = b"[3:%d]={" % (2 + len(items)) + b",".join(map(array.quote, items)) + b"}"
    assert array.rewrite(data, lambda item: item) == data


PIECES = st.lists(
    st.sampled_from(
        (b"{", b"}", b'"', b'"a"', b'""', b"\\", b'\\"', b",", b"NULL", b"b", b" ", b'"NULL"', b";")
    ),
    max_size=9,
).map(lambda pieces: b"{" + b"".join(pieces) + b"}")


@given(PIECES)
def test_the_fast_ways_agree_with_the_slow_one(data: bytes) -> None:
    def outcome(text: bytes) -> object:
        try:
            return ArrayText("x[]").parse(text, bytes)
        except errors.DataError as error:
            return error.sqlstate

    # With its bounds in front of it an array is scanned token by token.
    value = outcome(data)
    if isinstance(value, list) and value:
        assert outcome(b"[1:%d]" % len(value) + _depth(value) + b"=" + data) == value
    elif value == "22P02":
        assert outcome(b"[1:1]=" + data) == value


def _depth(value: list[object]) -> bytes:
    inner = value[0]
    return b"[1:%d]" % len(inner) + _depth(inner) if isinstance(inner, list) else b""


def test_a_delimiter_of_its_own() -> None:
    boxes = ArrayText("box[]", ";")
    assert boxes.parse(b"{(1,1),(0,0);(2,2),(1,1)}", bytes) == [b"(1,1),(0,0)", b"(2,2),(1,1)"]
    assert boxes.parse(b'{"a;b";c}', bytes) == [b"a;b", b"c"]
    assert boxes.quote(b"a;b") == b'"a;b"' and boxes.quote(b"a,b") == b"a,b"


def header(*numbers: int) -> bytes:
    return struct.pack(f"!{len(numbers)}i", *numbers)


@pytest.mark.parametrize(
    "data",
    [
        header(1, 0, 23, 2**31 - 1, 1),
        header(6, 0, 23, *(65536, 1) * 6),
        header(2, 0, 23, 2**31 - 1, 1, 2**31 - 1, 1),
        header(7, 0, 23, *(1, 1) * 7, 4, 1),
        header(-1, 0, 23),
        header(1, 2, 23, 1, 1, 4, 1),
        header(1, 0, 25, 1, 1, 4, 1),
        header(1, 0, 23, -1, 1),
        header(1, 0, 23, 1, 1, 4),
        header(1, 0, 23, 1, 1, -2),
        header(1, 0, 23, 1, 1, 4, 1, 0),
        header(0, 0, 23, 0),
        header(1, 0, 23, 1, 1, 2**31 - 1, 1),
        b"",
    ],
)
def test_binary_that_is_no_array(data: bytes) -> None:
    with pytest.raises(errors.DataError):
        INT4.binary_decoder(CONTEXT)(data)


def test_huge_empty_dimensions_take_no_memory() -> None:
    assert INT4.binary_decoder(CONTEXT)(header(2, 0, 23, 2**31 - 1, 1, 0, 1)) == []


@pytest.mark.parametrize(
    "value", [[[1], [2, 3]], [[1], 2], [1, [2]], [[[1]], [2]], [[[[[[[1]]]]]]], [[], [1]]]
)
def test_ragged_lists(value: list[object]) -> None:
    with pytest.raises(errors.DataError):
        flatten(value)


def test_a_list_within_itself_ends() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(errors.DataError):
        flatten(endless)


def test_flatten() -> None:
    assert flatten([]) == flatten([[], []]) == ([], [])
    assert flatten([[1, 2], [3, None]]) == ([(2, 1), (2, 1)], [1, 2, 3, None])
    assert flatten([(1, 2), (3,)]) == ([(2, 1)], [(1, 2), (3,)])  # a tuple is an element
    bounded = Array([[1], [2]], (0, -3))
    assert flatten(bounded) == ([(2, 0), (1, -3)], [1, 2])
