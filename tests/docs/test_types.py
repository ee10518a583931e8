"""docs/types.md names every built-in type that has a codec, and the format it is asked for in."""

import re
from pathlib import Path

from pgwire.types.registry import _FAMILIES, default_registry

PAGE = Path(__file__).resolve().parents[2] / "docs" / "types.md"


def test_the_table_is_that_of_the_codecs() -> None:
    told = {}
    for types, form in re.findall(
        r"^\| (`.*?`) \| .* \| (text|binary) \|$", PAGE.read_text(), re.M
    ):
        for name in re.findall(r"`(\w+)`", types):
            assert name not in told
            told[name] = form
    names = [name for names in _FAMILIES.values() for name in names]
    forms = ("text", "binary")
    assert told == {name: forms[default_registry.by_name(name).preferred or 0] for name in names}
