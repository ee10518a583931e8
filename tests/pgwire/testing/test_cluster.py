"""Throw-away servers, asked through nothing but startup packets: the kit leans on no client."""

from __future__ import annotations

import os
import signal
import socket
import stat
import struct
from pathlib import Path

import pytest

from pgwire.testing import cluster as module
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster, ClusterError


def connect(
    cluster: Cluster, *, tcp: bool = False, user: str | None = None
) -> tuple[str, dict[str, str]]:
    """Send a startup packet; return the SQLSTATE ("" for a welcome) and the ParameterStatus."""
    family = socket.AF_INET if tcp else socket.AF_UNIX
    path = f"{cluster.host}/.s.PGSQL.{cluster.port}"
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect((cluster.tcp_host, cluster.port) if tcp else path)
        body = b"user\0%b\0database\0postgres\0\0" % (user or cluster.superuser).encode()
        client.sendall(struct.pack("!ii", len(body) + 8, 3 << 16) + body)
        parameters = {}
        with client.makefile("rb") as stream:
            while True:
                kind, length = struct.unpack("!ci", stream.read(5))
                body = stream.read(length - 4)
                if kind == b"S":
                    name, value, _ = body.decode().split("\0")
                    parameters[name] = value
                elif kind == b"E":
                    fields = {f[:1]: f[1:] for f in body.decode().split("\0") if f}
                    return fields["C"], parameters
                elif kind == b"Z":
                    return "", parameters


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("tcp", [False, True])
def test_accepts_connections(cluster: Cluster, tcp: bool) -> None:
    sqlstate, parameters = connect(cluster, tcp=tcp)
    assert sqlstate == ""
    assert parameters["server_encoding"] == "UTF8"
    assert parameters["TimeZone"] == "UTC"
    assert parameters["is_superuser"] == "on"
    assert parameters["server_version"].split(".")[0] == str(cluster.binaries.major)


def test_whole_life(binaries: Binaries) -> None:
    cluster = Cluster(binaries)
    assert not cluster.running
    assert "not started" in repr(cluster)
    with cluster:
        assert cluster.running
        folder, port, pid = Path(cluster.host), cluster.port, cluster.pid
        assert cluster.data.parent == folder
        assert (cluster.data / "PG_VERSION").read_text().strip() == str(binaries.major)

        cluster.write_file("kept", "kept")
        cluster.restart()
        assert cluster.port == port
        assert cluster.pid != pid
        assert not is_there(pid)
        assert (cluster.data / "kept").read_text() == "kept"
        assert connect(cluster)[0] == ""

        pid = cluster.pid
        cluster.stop("immediate")
        cluster.stop()  # nothing to do
        assert not is_there(pid)
        assert "stopped" in repr(cluster)
        assert "was not properly shut down" not in cluster.log()
        cluster.start()
        assert "was not properly shut down" in cluster.log()
        assert connect(cluster)[0] == ""
        with pytest.raises(ClusterError, match="already running"):
            cluster.start()
        pid = cluster.pid
    assert not is_there(pid)
    assert not folder.exists()
    assert not cluster.running
    cluster.close()  # nothing to do


def test_starts_anew_after_close(binaries: Binaries) -> None:
    cluster = Cluster(binaries)
    for _ in range(2):
        with cluster:
            assert not (cluster.data / "mark").exists()
            cluster.write_file("mark", b"")


@pytest.mark.parametrize("name", ["host", "port", "data", "pid"])
def test_nothing_to_know_before_the_start(binaries: Binaries, name: str) -> None:
    with pytest.raises(ClusterError, match="not"):
        getattr(Cluster(binaries), name)


def test_choices_of_initdb(binaries: Binaries) -> None:
    with Cluster(binaries, superuser="Ann Lee", encoding="LATIN1") as cluster:
        sqlstate, parameters = connect(cluster)
        assert sqlstate == ""
        assert parameters["server_encoding"] == "LATIN1"
        assert parameters["session_authorization"] == "Ann Lee"
        assert connect(cluster, user="postgres")[0] == "28000"


def test_settings(binaries: Binaries) -> None:
    value = "it's a \\n 'quoted' \\ value"
    with Cluster(binaries, settings={"application_name": value, "TimeZone": "Asia/Tokyo"}) as c:
        parameters = connect(c)[1]
        assert parameters["application_name"] == value
        assert parameters["TimeZone"] == "Asia/Tokyo"

        c.settings["TimeZone"] = "America/Lima"
        assert connect(c)[1]["TimeZone"] == "Asia/Tokyo"
        c.reload()
        assert connect(c)[1]["TimeZone"] == "America/Lima"

        c.settings["TimeZone"] = "Mars/Olympus"
        with pytest.raises(ClusterError, match="Mars/Olympus"):
            c.reload()
        assert connect(c)[1]["TimeZone"] == "America/Lima"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"port": 1}, "port is decided"),
        ({"Unix_Socket_Directories": "/tmp"}, "is decided"),
        ({"work mem": "1MB"}, "not the name"),
        ({"work_mem\n": "1MB"}, "not the name"),
        ({"application_name": "a\0b"}, "NUL"),
    ],
)
def test_refused_settings(binaries: Binaries, settings: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Cluster(binaries, settings=settings)


def test_hba(binaries: Binaries) -> None:
    with Cluster(binaries, hba=["local all postgres trust"]) as cluster:
        assert connect(cluster)[0] == ""
        assert connect(cluster, tcp=True)[0] == "28000"
        cluster.write_hba(["local all all reject", "host all all 127.0.0.1/32 trust"])
        assert connect(cluster)[0] == "28000"
        assert connect(cluster, tcp=True)[0] == ""
        with pytest.raises(ClusterError, match="no_such_method"):
            cluster.write_hba(["local all all no_such_method"])
        assert connect(cluster, tcp=True)[0] == ""


def test_hba_of_a_stopped_cluster(binaries: Binaries) -> None:
    cluster = Cluster(binaries)
    cluster.write_hba(["local all all reject"])
    with cluster:
        assert connect(cluster)[0] == "28000"
        cluster.stop()
        cluster.write_hba(["local all all trust"])
        cluster.start()
        assert connect(cluster)[0] == ""


def test_a_failed_start_tells_why_and_leaves_nothing(binaries: Binaries) -> None:
    cluster = Cluster(binaries, settings={"max_connections": -1})
    with pytest.raises(ClusterError, match="max_connections"):
        cluster.start()
    assert not cluster.running
    assert "not started" in repr(cluster)


def test_no_time_to_start(binaries: Binaries) -> None:
    cluster = Cluster(binaries, timeout=0)
    with pytest.raises(ClusterError, match="did not get ready in 0 s"):
        cluster.start()
    assert not cluster.running


def test_a_taken_port(binaries: Binaries, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = module._free_port
        choices = [taken.getsockname()[1]]
        monkeypatch.setattr(module, "_free_port", lambda: choices.pop() if choices else free())
        with Cluster(binaries) as cluster:
            assert not choices
            assert cluster.port != taken.getsockname()[1]
            assert "Address already in use" in cluster.log()
            assert connect(cluster, tcp=True)[0] == ""

            # The clients know the port by now: a restart takes the same one or fails.
            cluster.stop()
            with (
                socket.create_server(("127.0.0.1", cluster.port)),
                pytest.raises(ClusterError, match="Address already in use"),
            ):
                cluster.start()
            cluster.start()
            assert connect(cluster, tcp=True)[0] == ""


def test_a_dead_server_is_noticed(binaries: Binaries) -> None:
    with Cluster(binaries) as cluster:
        process = cluster._server
        assert process is not None
        os.kill(cluster.pid, signal.SIGQUIT)
        process.wait(20)
        assert not cluster.running
        with pytest.raises(ClusterError, match="not running"):
            cluster.reload()
        cluster.start()
        assert connect(cluster)[0] == ""


def test_a_client_that_stays_makes_a_smart_shutdown_late(binaries: Binaries) -> None:
    with Cluster(binaries, timeout=5) as cluster:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(f"{cluster.host}/.s.PGSQL.{cluster.port}")
            body = b"user\0postgres\0\0"
            client.sendall(struct.pack("!ii", len(body) + 8, 3 << 16) + body)
            assert client.recv(1) == b"R"
            cluster.timeout = 0.2
            with pytest.raises(ClusterError, match="smart shutdown took longer"):
                cluster.stop("smart")
        assert not cluster.running


def test_files_belong_to_the_server(cluster: Cluster) -> None:
    path = cluster.write_file("key.pem", b"\0\xff", 0o600)
    status = path.stat()
    assert path.read_bytes() == b"\0\xff"
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == cluster.data.stat().st_uid
    assert cluster.write_file("key.pem", "text", 0o640).read_text() == "text"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.unlink()


def test_conninfo(cluster: Cluster) -> None:
    where = f"host={cluster.host} port={cluster.port}"
    assert cluster.conninfo() == f"{where} dbname=postgres user=postgres"
    assert cluster.conninfo(tcp=True) == (
        f"host=127.0.0.1 port={cluster.port} dbname=postgres user=postgres"
    )
    assert cluster.conninfo("a b", "O'Dell", "", connect_timeout=5, sslmode=None, host="") == (
        f"host='' port={cluster.port} dbname='a b' user='O\\'Dell' password='' connect_timeout=5"
    )
    assert cluster.conninfo(password="back\\slash").endswith(r" password='back\\slash'")


def test_socket_path_fits(cluster: Cluster) -> None:
    assert len(os.fsencode(f"{cluster.host}/.s.PGSQL.65535")) <= 103
