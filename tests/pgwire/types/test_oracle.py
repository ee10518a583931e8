"""Every value of types_oracle.jsonl: written by a PostgreSQL 15 server in both formats."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from pgwire.types.context import Context
from pgwire.types.registry import default_registry

CONTEXT = Context()
ORACLE = Path(__file__).resolve().parents[2] / "data" / "types_oracle.jsonl"
LINES: list[dict[str, Any]] = [
    json.loads(line) for line in ORACLE.read_text(encoding="utf-8").splitlines()
]
KNOWN = [line for line in LINES if default_registry.by_oid(line["oid"]).name != "unknown"]


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    return repr(one) == repr(other)  # Decimal("1.0") is not Decimal("1.00") here


def ids(line: dict[str, Any]) -> str:
    return f"{line['type']}-{line['text'][:30]}"


def test_the_oracle_covers_the_supported_types() -> None:
    assert len(LINES) > 240 and len(KNOWN) > 110
    assert {default_registry.by_oid(line["oid"]).name for line in KNOWN} >= {
        *("bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric", "text", "bytea"),
        *("date", "time", "timetz", "timestamp", "timestamptz", "interval", "uuid", "jsonb"),
        *("int4[]", "text[]", "numeric[]", "timestamptz[]", "bytea[]", "char", "name", "json"),
    }


@pytest.mark.parametrize("line", KNOWN, ids=ids)
def test_both_formats_give_the_same_value(line: dict[str, Any]) -> None:
    codec = default_registry.by_oid(line["oid"])
    from_text = codec.text_decoder(CONTEXT)(line["text"].encode())
    assert same(from_text, codec.binary_decoder(CONTEXT)(bytes.fromhex(line["binary"])))


@pytest.mark.parametrize("line", KNOWN, ids=ids)
def test_what_is_encoded_decodes_to_the_same_value(line: dict[str, Any]) -> None:
    codec = default_registry.by_oid(line["oid"])
    value = codec.text_decoder(CONTEXT)(line["text"].encode())
    if codec.name in ("json", "jsonb") and isinstance(value, str):
        value = json.dumps(value)  # a str is JSON text
        assert codec.text_encoder(CONTEXT)(value) == line["text"].encode()
        return
    assert value is not None or codec.name in ("json", "jsonb")
    assert same(value, codec.text_decoder(CONTEXT)(codec.text_encoder(CONTEXT)(value)))
    assert codec.binary_encoder is not None
    assert same(value, codec.binary_decoder(CONTEXT)(codec.binary_encoder(CONTEXT)(value)))


@pytest.mark.parametrize(
    "line", [line for line in LINES if line not in KNOWN], ids=lambda line: ids(line)
)
def test_any_other_type_arrives_as_the_text_it_is(line: dict[str, Any]) -> None:
    codec = default_registry.by_oid(line["oid"])
    assert codec.text_decoder(CONTEXT)(line["text"].encode()) == line["text"]
    assert codec.text_encoder(CONTEXT)(line["text"]) == line["text"].encode()
    assert codec.binary_encoder is None
    if line["binary"] is not None:
        data = bytes.fromhex(line["binary"])
        assert codec.binary_decoder(CONTEXT)(data) == data


EXACT = ("int2", "int4", "int8", "date", "time", "timestamp", "uuid", "bytea", "text", "bool")


@pytest.mark.parametrize("line", [line for line in KNOWN if line["type"] in EXACT], ids=ids)
def test_the_bytes_are_the_servers(line: dict[str, Any]) -> None:
    codec = default_registry.by_oid(line["oid"])
    value = codec.text_decoder(CONTEXT)(line["text"].encode())
    assert codec.text_encoder(CONTEXT)(value).decode() == line["text"]
    assert codec.binary_encoder is not None
    assert codec.binary_encoder(CONTEXT)(value).hex() == line["binary"]
