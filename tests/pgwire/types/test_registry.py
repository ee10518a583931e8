import datetime
import enum
import subprocess
import sys
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from pgwire import errors
from pgwire.types.codec import Codec, always
from pgwire.types.context import Context
from pgwire.types.interval import Interval
from pgwire.types.registry import Registry, default_registry
from pgwire.types.text import UNKNOWN

UTC = datetime.timezone.utc  # noqa: UP017
NOON = datetime.time(12)


class Colour(enum.IntEnum):
    RED = 7


class Name(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "oid", "text"),
    [
        (True, 16, "t"),
        (1, 23, "1"),
        (-(2**31), 23, "-2147483648"),
        (2**31, 20, "2147483648"),
        (-(2**63), 20, "-9223372036854775808"),
        (2**63, 1700, "9223372036854775808"),
        (Colour.RED, 23, "7"),
        (1.5, 701, "1.5"),
        (Decimal("1.50"), 1700, "1.50"),
        ("é", 0, "é"),
        (Name("n"), 0, "n"),
        (b"\x01", 17, "\\x01"),
        (bytearray(b"\x01"), 17, "\\x01"),
        (memoryview(b"\x01"), 17, "\\x01"),
        (datetime.date(2024, 2, 29), 1082, "2024-02-29"),
        (NOON, 1083, "12:00:00"),
        (NOON.replace(tzinfo=UTC), 1266, "12:00:00+00"),
        (datetime.datetime(2024, 2, 29, 1), 1114, "2024-02-29 01:00:00"),
        (
            datetime.datetime(2024, 2, 29, 1, tzinfo=ZoneInfo("Asia/Kolkata")),
            1184,
            "2024-02-28 19:30:00+00",
        ),
        (datetime.timedelta(seconds=-1), 1186, "-00:00:01"),
        (datetime.timedelta(-1, 5), 1186, "-23:59:55"),
        (Interval(1, -1, 1), 1186, "1 mon -1 days +00:00:00.000001"),
        (uuid.UUID(int=1), 2950, "00000000-0000-0000-0000-000000000001"),
        ({"a": [1, "é", None]}, 3802, '{"a": [1, "é", null]}'),
        ([1, None, 2**40], 1016, "{1,NULL,1099511627776}"),
        ([1, 2**70], 1231, "{1,1180591620717411303424}"),
        ([1, 1.5], 1022, "{1,1.5}"),
        ([2**40, 1.5], 1022, "{1099511627776,1.5}"),
        ([1, Decimal("0.1")], 1231, "{1,0.1}"),
        ([[True], [False]], 1000, "{{t},{f}}"),
        (["a", None, "b c"], 0, '{a,NULL,"b c"}'),
        ([None], 0, "{NULL}"),
        ([], 0, "{}"),
        ([b"\x01", bytearray(b"")], 1001, '{"\\\\x01","\\\\x"}'),
        ([{"a": 1}], 3807, '{"{\\"a\\": 1}"}'),
        ([datetime.timedelta(1), Interval(1)], 1187, '{"1 day","1 mon"}'),
    ],
)
def test_for_value(value: object, oid: int, text: str) -> None:
    found, codec = default_registry.for_value(value)
    assert found == oid
    assert codec.text_encoder(Context())(value) == text.encode()
    # Without a type nobody knows the binary form.
    assert (codec.binary_encoder is None) == (oid == 0)


@pytest.mark.parametrize(
    "value",
    [
        [1, "a"],
        [True, 1],
        [1.5, Decimal(1)],
        [datetime.date(2000, 1, 1), datetime.datetime(2000, 1, 1)],
        [datetime.datetime(2000, 1, 1), datetime.datetime(2000, 1, 1, tzinfo=UTC)],
        [[1], [2, 3]],
        [[1], 2],
    ],
)
def test_lists_that_are_no_array(value: object) -> None:
    with pytest.raises(errors.DataError):
        default_registry.for_value(value)


@pytest.mark.parametrize("value", [object(), 1j, {1}, range(3), [object()], Context()])
def test_a_class_that_no_codec_takes(value: object) -> None:
    kind = type(value[0] if isinstance(value, list) else value)
    with pytest.raises(errors.ProgrammingError, match=f"{kind.__module__}.{kind.__qualname__}"):
        default_registry.for_value(value)


def test_by_oid_and_by_name_agree() -> None:
    registry = Registry()
    assert registry.by_oid(1007) is registry.by_name("int4[]")
    assert registry.by_oid(23) is registry.by_name("int4")
    assert registry.by_oid(1231).oid == 1231
    assert registry.by_oid(2281) is registry.by_oid(12345678) is registry.by_oid(0) is UNKNOWN
    with pytest.raises(LookupError):
        registry.by_name("nothing")


def upper(oid: int = 25, array_oid: int = 1009) -> Codec:
    return Codec(
        "shout",
        oid,
        array_oid,
        text_decoder=always(lambda data: data.decode().upper()),
        text_encoder=always(lambda value: str(value).encode()),
    )


@pytest.mark.parametrize("used_before", [True, False])
def test_a_registered_codec_replaces_the_builtin_one(used_before: bool) -> None:
    registry = Registry()
    if used_before:
        registry.by_oid(25), registry.by_oid(1009)
    copied = registry.copy()
    registry.register(upper())
    assert registry.by_oid(25).text_decoder(Context())(b"a") == "A"
    assert registry.by_oid(1009).text_decoder(Context())(b"{a,NULL}") == ["A", None]
    # Loading the family afterwards changes nothing, and neither does the copy know of it.
    assert registry.by_name("varchar").oid == 1043
    assert registry.by_oid(25).name == "shout"
    assert copied.by_oid(25).name == "text"
    assert copied.by_oid(1009).text_decoder(Context())(b"{a}") == ["a"]
    assert default_registry.by_oid(25).name == "text"


@pytest.mark.parametrize("oid", [0, -1, 2**32])
def test_a_codec_without_the_oid_of_its_type(oid: int) -> None:
    with pytest.raises(errors.ProgrammingError, match=f"not {oid}"):
        Registry([upper(oid)])


def test_a_new_type_brings_its_arrays() -> None:
    registry = Registry([upper(70000, 70001)])
    assert registry.by_oid(70001).text_decoder(Context())(b"{{a}}") == [["A"]]
    assert registry.by_oid(70000).binary_decoder(Context())(b"\1") == b"\1"
    assert registry.by_oid(70001).binary_encoder is None
    assert registry.copy().by_oid(70001).name == "shout[]"


def test_families_are_imported_when_needed() -> None:
    code = (
        "import sys, pgwire.types.registry as r\n"
        "heavy = {'decimal', 'uuid', 'json', 'datetime', 'zoneinfo'}\n"
        "r.default_registry.for_value([1, 'a'][0]); r.default_registry.by_oid(23)\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "r.default_registry.by_oid(1700)\n"
        "assert 'decimal' in sys.modules and 'uuid' not in sys.modules\n"
    )
    root = str(__import__("pathlib").Path(__file__).resolve().parents[3])
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {root!r})\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
