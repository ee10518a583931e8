from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pgwire.conninfo import OPTIONS


def test_the_options_of_18() -> None:
    assert len(OPTIONS) == 50
    assert all(keyword == option.keyword for keyword, option in OPTIONS.items())
    assert not {"servicefile", "oauth_ca_file", "tty", "requiressl"} & OPTIONS.keys()


def test_every_secret_that_libpq_hides_is_one() -> None:
    assert {keyword for keyword, option in OPTIONS.items() if option.secret} == {
        "password",
        "sslpassword",
        "oauth_client_secret",
        "scram_client_key",
        "scram_server_key",
    }
    assert all(option.secret for option in OPTIONS.values() if option.display == "*")


def test_everything_is_told() -> None:
    for option in OPTIONS.values():
        assert option.description.endswith("."), option.keyword
        assert option.honoured, option.keyword
        if option.default is not None and option.values is not None:
            assert option.default in option.values, option.keyword


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        OPTIONS["x"] = OPTIONS["host"]  # type: ignore[index]


def test_the_import_is_cheap() -> None:
    code = "import sys, pgwire.conninfo; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    loaded = set(done.stdout.split())
    assert "pgwire.conninfo" in loaded
    assert not loaded & {"asyncio", "decimal", "ssl"}
