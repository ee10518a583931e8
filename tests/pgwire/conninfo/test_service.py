"""What the oracle of the settings does not reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire.conninfo import OPTIONS, ConninfoError, service
from pgwire.conninfo.service import service_settings


def test_the_system_file_is_found_without_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "pg_service.conf").write_text("[s]\nhost=b\n")
    monkeypatch.setattr(service, "SYSTEM_DIRECTORIES", (f"{tmp_path}/a", f"{tmp_path}/b"))
    assert service_settings("s", {}, None) == {"host": "b"}
    assert service_settings("s", {}, str(tmp_path)) == {"host": "b"}
    with pytest.raises(ConninfoError, match=r'^definition of service "s" not found$'):
        service_settings("s", {"PGSYSCONFDIR": f"{tmp_path}/a"}, None)


def test_a_directory_has_no_section(tmp_path: Path) -> None:
    environ = {"PGSERVICEFILE": str(tmp_path), "PGSYSCONFDIR": str(tmp_path / "none")}
    with pytest.raises(ConninfoError, match=r'^definition of service "s" not found$'):
        service_settings("s", environ, None)


def test_the_message_does_not_show_the_line(tmp_path: Path) -> None:
    (tmp_path / ".pg_service.conf").write_text("[s]\npassword hunter2\n")
    with pytest.raises(ConninfoError) as caught:
        service_settings("s", {}, str(tmp_path))
    assert "hunter2" not in str(caught.value)


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / ".pg_service.conf").write_bytes(b"[s\xff]\nuser=\xe9\n")
    assert service_settings("s\udcff", {}, str(tmp_path)) == {"user": "\udce9"}


@given(st.binary())
def test_any_content(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any_service_file"
    path.write_bytes(b"[s]\n" + content)
    environ = {"PGSERVICEFILE": str(path)}
    try:
        settings = service_settings("s", environ, None)
    except ConninfoError:
        return
    assert settings.keys() <= OPTIONS.keys() - {"service"}
