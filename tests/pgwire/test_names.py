"""The public names: where they live, and that type checkers and the interpreter agree."""

import ast
import copy
import importlib
import pickle
from pathlib import Path

import pytest

import pgwire


def declared() -> dict[str, str]:
    """Public name -> module, as type checkers see it."""
    tree = ast.parse(Path(pgwire.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: statement.module
        for statement in block.body
        if isinstance(statement, ast.ImportFrom) and statement.module is not None
        for alias in statement.names
        if statement.module != "pgwire"
    }


def test_the_three_lists_agree() -> None:
    assert declared() == pgwire._HOMES
    assert sorted(pgwire.__all__) == sorted(pgwire._HOMES)
    assert set(pgwire.__all__) <= set(dir(pgwire))


@pytest.mark.parametrize("name", pgwire.__all__)
def test_each_is_what_its_module_has(name: str) -> None:
    home = importlib.import_module(pgwire._HOMES[name])
    assert getattr(pgwire, name) is getattr(home, name)


def test_rooms_are_attributes() -> None:
    assert pgwire.errors.Error is pgwire.Error
    assert "host" in pgwire.conninfo.OPTIONS
    assert callable(pgwire.conninfo.redact)


@pytest.mark.parametrize("module", [pgwire, pgwire.conninfo])
def test_an_unknown_name_is_an_attribute_error(module: object) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_errors_can_be_pickled_and_copied() -> None:
    error = pgwire.errors.error_class("23505")("twice", detail="a key")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error) and other.detail == "a key"
