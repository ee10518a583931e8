from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire.conninfo import make, resolve, targets
from pgwire.conninfo.passfile import find_password, read_passfile

ORACLE = Path(__file__).parents[2] / "data" / "passfile_oracle.jsonl"
LINES: list[dict[str, Any]] = [
    json.loads(line) for line in ORACLE.read_text(encoding="utf-8").splitlines()
]


@pytest.mark.skipif(os.name == "nt", reason="files have no mode there")
@pytest.mark.parametrize("line", LINES, ids=map(str, range(len(LINES))))
def test_oracle(line: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """94 files and connections, each with the password that libpq 18 found."""
    monkeypatch.setattr(targets, "default_host", lambda: "/var/run/postgresql")
    passfile = tmp_path / "pgpass"
    passfile.write_bytes(line["passfile"].encode("utf-8", "surrogateescape"))
    mode = int(line["mode"], 8)
    passfile.chmod(mode)
    warned: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    if mode & 0o077:
        warned = pytest.warns(RuntimeWarning, match="has group or world access; permissions")
    with warned:
        settings = resolve(make(**line["conn"], passfile=passfile), environ={}, home="/nonexistent")
    (target,) = settings.targets
    assert (target.password or "") == line["password"]
    if target.password:
        given_password = line["conn"].get("password")
        assert target.password_source == ("conninfo" if given_password else str(passfile))
        assert target.passfile == (None if given_password else str(passfile))


def test_a_password_for_each_host(tmp_path: Path) -> None:
    passfile = tmp_path / ".pgpass"
    passfile.write_text("a:*:*:*:pa\nb:2:*:*:pb\n")
    passfile.chmod(0o600)
    settings = resolve("host=a,b,c,b port=1,2,3,4 user=u", environ={}, home=str(tmp_path))
    assert [target.password for target in settings.targets] == ["pa", "pb", None, None]
    sources = [target.password_source for target in settings.targets]
    assert sources == [str(passfile), str(passfile), None, None]
    assert "password" not in settings
    assert settings["passfile"] == str(passfile)


def test_an_empty_path_stands_for_the_default(tmp_path: Path) -> None:
    passfile = tmp_path / ".pgpass"
    passfile.write_text("*:*:*:*:p\n")
    passfile.chmod(0o600)
    settings = resolve("host=a passfile=''", environ={"HOME": str(tmp_path)})
    assert settings.targets[0].password == "p"


def test_what_is_no_plain_file(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match=f'^password file "{tmp_path}" is not a plain file$'):
        assert read_passfile(str(tmp_path)) is None


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.warns(RuntimeWarning, match="is not a plain file"):
        assert read_passfile(str(pipe)) is None


def test_what_does_not_exist(tmp_path: Path) -> None:
    assert read_passfile(str(tmp_path / "none")) is None


def test_no_password_in_warnings(tmp_path: Path) -> None:
    passfile = tmp_path / "p"
    passfile.write_text("*:*:*:*:hunter2\n")
    passfile.chmod(0o644)
    with pytest.warns(RuntimeWarning) as caught:
        assert read_passfile(str(passfile)) is None
    assert "hunter2" not in str(caught[0].message)


def _escaped(token: str) -> str:
    return token.replace("\\", "\\\\").replace(":", "\\:")


_TOKENS = st.text("ab:\\*é #", min_size=1)


@given(st.tuples(_TOKENS, _TOKENS, _TOKENS, _TOKENS), _TOKENS, st.integers(0, 3))
def test_escaped_fields_match_only_themselves(
    tokens: tuple[str, str, str, str], password: str, changed: int
) -> None:
    host, port, dbname, user = tokens
    # A lone asterisk has to be written otherwise, and so has a comment's sign in front.
    fields = ["\\" + _escaped(t) if t[0] in "*#" else _escaped(t) for t in tokens]
    content = ":".join([*fields, _escaped(password)]).encode()
    found = find_password(content, host=host, port=port, dbname=dbname, user=user)
    assert found == password
    others = list(tokens)
    others[changed] += "x"
    host, port, dbname, user = others
    assert find_password(content, host=host, port=port, dbname=dbname, user=user) is None


@given(st.binary(), _TOKENS)
def test_any_content(content: bytes, token: str) -> None:
    found = find_password(content, host=token, port="1", dbname=token, user=token)
    assert found is None or "\0" not in found
