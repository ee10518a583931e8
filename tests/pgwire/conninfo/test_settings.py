from __future__ import annotations

import json
import locale
import random
import warnings
from pathlib import Path
from typing import Any

import pytest

from pgwire.conninfo import OPTIONS, ConninfoError, Settings, resolve, unsupported
from pgwire.conninfo import settings as settings_module
from pgwire.errors import Error
from pgwire.protocol.constants import PROTOCOL_3_0, PROTOCOL_3_2

EFFECTIVE = Path(__file__).parents[2] / "data" / "conninfo_effective.jsonl"
LINES: list[dict[str, Any]] = [
    json.loads(line) for line in EFFECTIVE.read_text(encoding="utf-8").splitlines()
]


def resolved(conninfo: str = "", **environ: str) -> Settings:
    """Settings in an environment that has only `environ`, without any file."""
    return resolve(conninfo, environ=environ, home="/nonexistent")


@pytest.mark.parametrize("line", LINES, ids=map(str, range(len(LINES))))
def test_effective(line: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """227 combinations of string, environment and files, each with what libpq 18 makes of it."""
    monkeypatch.setattr(settings_module, "_user_name", lambda: "root")
    monkeypatch.setattr(locale, "getencoding", lambda: "UTF-8")

    def placed(text: str) -> str:
        return text.replace("$R", str(tmp_path))

    for name, content in line["files"].items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(placed(content).encode("utf-8", "surrogateescape"))
    environ = {
        "HOME": placed("$R/home"),
        "PGSYSCONFDIR": placed("$R/sys"),
        **{name: placed(value) for name, value in line["env"].items()},
    }
    expected: dict[str, str] | str = (
        {keyword: placed(value) for keyword, value in line["effective"].items()}
        if line["ok"]
        else placed(line["error"])
    )
    if "LDAP" in str(expected):
        # The one line that depends on how libpq was built: without LDAP it is any other line.
        expected = f'syntax error in service file "{tmp_path}/home/.pg_service.conf", line 2'
    found: dict[str, str] | str
    try:
        settings = resolve(placed(line["conninfo"]), environ=environ)
        for target in settings.targets:
            target.port_number()
        found = dict(settings)
    except Error as error:
        found = str(error)
    assert found == expected


def test_the_order_is_that_of_the_table() -> None:
    settings = resolved("port=1 host=a user=b")
    assert list(settings) == [keyword for keyword in OPTIONS if keyword in settings]


def test_options_override_the_string() -> None:
    settings = resolve(
        "host=a port=1 dbname=d", {"host": "b", "port": 2, "dbname": ""}, environ={}, home="/n"
    )
    assert (settings["host"], settings["port"], settings["dbname"]) == ("b", "2", "d")
    assert settings.explicit == {"host": "b", "port": "2", "dbname": "d"}


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_option_does_not_hide_the_environment(empty: str | None) -> None:
    options = {"dbname": empty, "no such option": empty}
    settings = resolve(None, options, environ={"PGDATABASE": "d"}, home="/n")
    assert settings["dbname"] == "d"
    assert settings.explicit == {}


def test_dbname_among_the_options_is_a_name() -> None:
    settings = resolve("user=u", {"dbname": "host=a"}, environ={}, home="/n")
    assert settings["dbname"] == "host=a"
    assert "host" not in settings


@pytest.mark.parametrize("keyword", ["hots", "requiressl", "HOST"])
def test_unknown_options(keyword: str) -> None:
    with pytest.raises(ConninfoError, match=f'^invalid connection option "{keyword}"$'):
        resolve(None, {keyword: "1"}, environ={}, home="/n")


def test_nothing_ambient(tmp_path: Path) -> None:
    (tmp_path / ".pg_service.conf").write_text("[s]\nhost=h\n")
    passfile = tmp_path / ".pgpass"
    passfile.write_text("*:*:*:*:from-file\n")
    passfile.chmod(0o600)
    environ = {
        "HOME": str(tmp_path),
        "PGPASSWORD": "from-environment",
        "PGHOST": "h",
        "PGSERVICE": "s",
        "PGTZ": "UTC",
        "PGREQUIRESSL": "1",
    }
    for conninfo in ("user=u", f"user=u passfile={passfile}"):
        settings = resolve(conninfo, environ=environ, home=str(tmp_path), ambient=False)
        assert "password" not in settings
        assert "host" not in settings
        assert settings["sslmode"] == "prefer"
        assert settings.startup_environment == {}
        assert [target.password for target in settings.targets] == [None]
        assert [target.password_source for target in settings.targets] == [None]
    with pytest.raises(ConninfoError, match=r'^definition of service "s" not found$'):
        resolve("service=s", environ=environ, home=str(tmp_path), ambient=False)
    # With it, all of them count.
    assert resolve("user=u", environ=environ)["host"] == "h"


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATABASE", "from-process")
    monkeypatch.delenv("PGSERVICE", raising=False)
    assert resolve("host=h password=p")["dbname"] == "from-process"


def test_the_user_is_that_of_the_operating_system() -> None:
    settings = resolved()
    assert settings["user"] == settings_module._user_name()
    assert settings["dbname"] == settings["user"]


def test_no_secret_in_repr() -> None:
    key = "QUFB" * 10 + "QUE="
    settings = resolve(
        f"host=h user=u password=hunter2 sslpassword=hunter3 oauth_client_secret=hunter4 "
        f"scram_client_key={key} scram_server_key={key}",
        environ={},
        home="/n",
    )
    shown = repr(settings) + repr(settings.targets) + str(settings) + repr(settings.explicit)
    assert "hunter" not in shown
    assert key not in shown
    assert "host='h'" in shown


def test_immutable() -> None:
    settings = resolved("host=h")
    with pytest.raises(AttributeError):
        settings.targets = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.explicit["host"] = "x"  # type: ignore[index]
    with pytest.raises(TypeError):
        settings["host"] = "x"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("-1", -1), ("+7", 7), (" \t\n\v\f\r5 \n", 5), ("2147483647", 2**31 - 1), ("00", 0)],
)
def test_integers(text: str, number: int) -> None:
    assert resolve(None, {"connect_timeout": text}).integer("connect_timeout") == number


@pytest.mark.parametrize(
    "text",
    ["x", "1x", "1 2", "1.0", "0x1", "1_0", "٣", "\xa01", "\x1c1", "2147483648", "9" * 5000, "- 1"],
)
def test_what_is_no_integer(text: str) -> None:
    settings = resolve(None, {"connect_timeout": text})
    with pytest.raises(ConninfoError) as caught:
        settings.integer("connect_timeout")
    message = f'invalid integer value "{text}" for connection option "connect_timeout"'
    assert str(caught.value) == message


def test_an_empty_integer_is_none_and_an_unset_one_is_no_error() -> None:
    assert resolved().integer("keepalives") is None
    with pytest.raises(ConninfoError, match=r'^invalid integer value "" for'):
        resolved("keepalives=''").integer("keepalives")


@pytest.mark.parametrize(
    ("conninfo", "versions"),
    [
        ("", (PROTOCOL_3_0, PROTOCOL_3_0)),
        ("max_protocol_version=latest", (PROTOCOL_3_0, PROTOCOL_3_2)),
        ("min_protocol_version=3.2", (PROTOCOL_3_2, PROTOCOL_3_2)),
        ("min_protocol_version=3.0 max_protocol_version=3.2", (PROTOCOL_3_0, PROTOCOL_3_2)),
    ],
)
def test_protocol_versions(conninfo: str, versions: tuple[int, int]) -> None:
    assert resolved(conninfo).protocol_versions == versions


def test_scram_keys() -> None:
    assert resolved().scram_client_key is None
    settings = resolved(f"scram_client_key={'A' * 43}= scram_server_key={'/' * 42}8=")
    assert settings.scram_client_key == bytes(32)
    assert settings.scram_server_key == b"\xff" * 32


@pytest.mark.parametrize("text", ["A" * 44 + "=", "=" * 44, "A" * 42 + " =", "é" * 44])
def test_scram_keys_are_base64(text: str) -> None:
    with pytest.raises(ConninfoError, match=r"^invalid SCRAM client key$"):
        resolve(None, {"scram_client_key": text}, environ={}, home="/n")


def test_startup_parameters() -> None:
    assert resolved("user=u").startup_parameters() == {"user": "u", "database": "u"}
    settings = resolved(
        "user=u dbname=d replication=database options='-c a=b' client_encoding=LATIN1 "
        "application_name=a fallback_application_name=f",
        PGDATESTYLE="ISO",
        PGTZ="Default",
        PGGEQO="",
    )
    assert settings.startup_environment == {"datestyle": "ISO", "geqo": ""}
    assert settings.startup_parameters() == {
        "user": "u",
        "database": "d",
        "replication": "database",
        "options": "-c a=b",
        "application_name": "a",
        "client_encoding": "LATIN1",
        "datestyle": "ISO",
        "geqo": "",
    }


@pytest.mark.parametrize(
    ("conninfo", "environ", "name"),
    [
        ("fallback_application_name=f", {}, "f"),
        ("fallback_application_name=f", {"PGAPPNAME": "e"}, "e"),
        ("fallback_application_name=f application_name=''", {}, None),
        ("fallback_application_name=f", {"PGAPPNAME": ""}, None),
    ],
)
def test_application_name(conninfo: str, environ: dict[str, str], name: str | None) -> None:
    parameters = resolved(conninfo, **environ).startup_parameters()
    assert parameters.get("application_name") == name


@pytest.mark.parametrize(
    ("codeset", "encoding"),
    [
        ("UTF-8", "UTF8"),
        ("ISO-8859-1", "LATIN1"),
        ("ISO-8859-15", "LATIN9"),
        ("ISO-8859-5", "ISO_8859_5"),
        ("KOI8-R", "KOI8R"),
        ("CP1252", "WIN1252"),
        ("EUC-JP", "EUC_JP"),
        ("ANSI_X3.4-1968", "SQL_ASCII"),
        ("no such codeset", "SQL_ASCII"),
    ],
)
def test_client_encoding_auto(codeset: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "getencoding", lambda: codeset)
    assert resolved("client_encoding=auto")["client_encoding"] == encoding
    assert resolved("client_encoding=AUTO")["client_encoding"] == "AUTO"


def test_gssencmode_require_is_an_error() -> None:
    message = 'gssencmode value "require" invalid when GSSAPI support is not compiled in'
    with pytest.raises(ConninfoError, match=f"^{message}$"):
        resolved("gssencmode=require")


@pytest.mark.parametrize(
    "conninfo",
    [
        "",
        "sslmode=disable",
        "sslmode=allow",
        "sslcert=/c sslkey=/k sslcertmode=allow sslrootcert=/r channel_binding=disable",
        "gssencmode=prefer oauth_issuer=https://i oauth_client_id=c",
        "target_session_attrs=any load_balance_hosts=random",
        "require_auth=scram-sha-256 min_protocol_version=3.2",
        # Unix-domain sockets are never encrypted, whatever is asked for.
        "host=/tmp sslmode=require",
        "host=/tmp,@a sslmode=verify-full sslnegotiation=direct",
        "host=h sslmode=verify-full channel_binding=require sslrootcert=system",
        "host=h,i target_session_attrs=prefer-standby load_balance_hosts=random",
    ],
)
def test_supported(conninfo: str) -> None:
    assert unsupported(resolved(conninfo)) is None


def test_unsupported() -> None:
    message = unsupported(resolved("host=/tmp sslcertmode=require"))
    assert message is not None
    assert message.startswith("sslcertmode=require is not supported: ")


def test_refused_values_are_allowed_values() -> None:
    for option in OPTIONS.values():
        assert set(option.refused) <= set(option.values or ()), option.keyword
        assert option.default not in option.refused, option.keyword


def test_load_balancing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "shuffle", lambda targets: targets.reverse())
    conninfo = "host=a,b,c port=1,2,3"
    hosts = [(t.host, t.port) for t in resolved(conninfo).targets]
    assert hosts == [("a", "1"), ("b", "2"), ("c", "3")]
    balanced = resolved(conninfo + " load_balance_hosts=random").targets
    assert [(target.host, target.port) for target in balanced] == hosts[::-1]


def test_no_warning_for_a_password_file_that_is_not_needed(tmp_path: Path) -> None:
    passfile = tmp_path / "p"
    passfile.write_text("*:*:*:*:x\n")
    passfile.chmod(0o644)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings = resolve(
            "host=h password=given", {"passfile": passfile}, environ={}, home=str(tmp_path)
        )
    assert settings.targets[0].password == "given"
