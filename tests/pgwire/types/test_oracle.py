"""Every value of types_oracle.jsonl: written by a PostgreSQL 15 server in both formats."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from pgwire.types.codec import BINARY, TEXT, Codec
from pgwire.types.composite import derived_composite
from pgwire.types.context import Context
from pgwire.types.enumeration import enum_codec
from pgwire.types.hstore import hstore_codec
from pgwire.types.registry import Registry

CONTEXT = Context(unrepresentable="text")
ORACLE = Path(__file__).resolve().parents[2] / "data" / "types_oracle.jsonl"
LINES: list[dict[str, Any]] = [
    json.loads(line) for line in ORACLE.read_text(encoding="utf-8").splitlines()
]
# What load_types would have found on that server.
REGISTRY = Registry([hstore_codec("hstore", 16385, 0), enum_codec("mood", 16552, 0)])
REGISTRY.derive([derived_composite("comp", 16562, 16561, [("a", 23), ("b", 25)])])

# Types whose binary format is another thing than their text: a number that only the server can
# make a name or an amount of.
NUMBERS_IN_BINARY = ("money", "regclass", "regtype", "regproc")
# A record's text does not tell the types of its fields, which arrive as str.
RECORDS = ("record", "record[]")
# The server has neither a binary format nor anything but str could be made of it.
TEXT_ONLY = ("aclitem",)


def codec_of(line: dict[str, Any]) -> Codec:
    return REGISTRY.by_oid(line["oid"])


def ids(line: dict[str, Any]) -> str:
    return f"{line['type']}-{line['text'][:30]}"


ALIKE = [
    line for line in LINES
    if codec_of(line).name not in (*NUMBERS_IN_BINARY, *RECORDS) and line["type"] not in TEXT_ONLY
]  # fmt: skip


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    return repr(one) == repr(other)  # Decimal("1.0") is not Decimal("1.00") here


def test_every_type_but_one_is_known() -> None:
    unknown = {line["type"] for line in LINES if codec_of(line).name == "unknown"}
    assert unknown == set(TEXT_ONLY)
    assert len(LINES) > 240


@pytest.mark.parametrize("line", ALIKE, ids=ids)
def test_both_formats_give_the_same_value(line: dict[str, Any]) -> None:
    codec = codec_of(line)
    from_text = codec.text_decoder(CONTEXT)(line["text"].encode())
    assert same(from_text, codec.binary_decoder(CONTEXT)(bytes.fromhex(line["binary"])))


@pytest.mark.parametrize("line", ALIKE, ids=ids)
def test_what_is_encoded_decodes_to_the_same_value(line: dict[str, Any]) -> None:
    codec = codec_of(line)
    value = codec.text_decoder(CONTEXT)(line["text"].encode())
    if codec.name in ("json", "jsonb") and isinstance(value, str):
        value = json.dumps(value)  # a str is JSON text
        assert codec.text_encoder(CONTEXT)(value) == line["text"].encode()
        return
    assert value is not None or codec.name in ("json", "jsonb")
    assert same(value, codec.text_decoder(CONTEXT)(codec.text_encoder(CONTEXT)(value)))
    assert codec.binary_encoder is not None
    assert same(value, codec.binary_decoder(CONTEXT)(codec.binary_encoder(CONTEXT)(value)))


# What the text does not tell: the spaces of json, the days of a timedelta, and that a numeric
# Infinity has decimals to show.
INEXACT = ("json", "jsonb", "interval", "numeric")


@pytest.mark.parametrize("line", [line for line in ALIKE if line["type"] not in INEXACT], ids=ids)
def test_the_bytes_are_the_servers(line: dict[str, Any]) -> None:
    codec = codec_of(line)
    value = codec.text_decoder(CONTEXT)(line["text"].encode())
    assert codec.binary_encoder is not None
    assert codec.binary_encoder(CONTEXT)(value).hex() == line["binary"]


@pytest.mark.parametrize("name", [*NUMBERS_IN_BINARY, *RECORDS])
def test_what_differs_between_the_formats(name: str) -> None:
    lines = [line for line in LINES if codec_of(line).name == name]
    assert lines
    for line in lines:
        codec = codec_of(line)
        text, data = line["text"], bytes.fromhex(line["binary"])
        from_text = codec.text_decoder(CONTEXT)(text.encode())
        value = codec.binary_decoder(CONTEXT)(data)
        if name in RECORDS:
            assert from_text == as_text(value)
            assert codec.preferred == BINARY
            continue
        assert from_text == text and value == int.from_bytes(data, "big", signed=True)
        assert codec.text_encoder(CONTEXT)(text) == text.encode()
        assert codec.binary_encoder is not None and codec.binary_encoder(CONTEXT)(value) == data
        assert codec.preferred == TEXT


def as_text(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(as_text, value))
    return None if value is None else str(value)


@pytest.mark.parametrize(
    "line", [line for line in LINES if line["type"] in TEXT_ONLY], ids=lambda line: ids(line)
)
def test_any_other_type_arrives_as_the_text_it_is(line: dict[str, Any]) -> None:
    codec = codec_of(line)
    assert codec.text_decoder(CONTEXT)(line["text"].encode()) == line["text"]
    assert codec.text_encoder(CONTEXT)(line["text"]) == line["text"].encode()
    assert codec.binary_encoder is None and line["binary"] is None and not codec.preferred
