"""docs/connecting.md: its table is today's, and its examples are accepted."""

from __future__ import annotations

import doctest
import inspect
import ipaddress
import re
import ssl
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import pgwire
from pgwire.conninfo import OPTIONS
from pgwire.flows.attempts import Hooks, Wish
from pgwire.net.opened import wish

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "connecting.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
DIALOGUES = re.findall(r"```pycon\n(.*?)```", TEXT, re.DOTALL)


def test_the_table_is_that_of_the_code() -> None:
    tool = str(ROOT / "tools" / "document_options.py")
    done = subprocess.run(
        [sys.executable, tool, "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_option_has_its_line() -> None:
    for keyword in OPTIONS:
        assert TEXT.count(f"\n| `{keyword}`") == (2 if keyword == "sslmode" else 1), keyword


def test_the_first_lines_tell_what_is_not_safe() -> None:
    assert "What the defaults do not protect you against" in "".join(TEXT.splitlines()[:4])
    assert TEXT.index("secure=True") < TEXT.index("## ")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example(number: int, tmp_path: Path) -> None:
    """It runs, but for the network: every call's arguments are taken as `connect` takes them."""
    services = tmp_path / "services"
    services.write_text("[reports]\nhost=localhost\n")
    signature = inspect.signature(pgwire.connect)
    wishes: list[Wish] = []

    def connect(*args: object, **kwargs: object) -> None:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        wishes.append(
            wish(
                given["conninfo"],
                given["options"],
                environ={"PGSERVICEFILE": str(services)},
                scram_iterations=(given["scram_min_iterations"], given["scram_max_iterations"]),
                ssl_context=given["ssl_context"],
                oauth_token=given["oauth_token"],
                secure=given["secure"],
                ambient=given["ambient"],
                hooks=Hooks(**{name: given[name] for name in ("dial", "resolve", "vet", "sock")}),
            )
        )

    names = {
        "pgwire": SimpleNamespace(
            connect=connect,
            TokenRequest=pgwire.TokenRequest,
            OperationalError=pgwire.OperationalError,
        ),
        "ipaddress": ipaddress,
        "ssl": SimpleNamespace(create_default_context=lambda cafile: ssl.create_default_context()),
        "tunnel": SimpleNamespace(open=lambda host, port: None),
        "connected": object(),
        "fetch_json": lambda address: {"issuer": address},
        "device_flow": lambda metadata, client, secret, scope: f"{client}-{scope}",
    }
    exec(EXAMPLES[number], names)  # our own page
    assert len(wishes) == EXAMPLES[number].count("pgwire.connect(")
    for wanted in wishes:
        if wanted.oauth.callback is not None:
            request = pgwire.TokenRequest("https://i", "https://i/.well-known/x", "app", None, "s")
            assert wanted.oauth.callback(request) == "app-s"


@pytest.mark.parametrize("number", range(len(DIALOGUES)))
def test_a_dialogue(number: int) -> None:
    test = doctest.DocTestParser().get_doctest(
        DIALOGUES[number], {"pgwire": pgwire}, PAGE.name, str(PAGE), 0
    )
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize(verbose=False) == (0, len(test.examples))


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6
    assert DIALOGUES
