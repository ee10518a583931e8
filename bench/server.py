"""The server that everything is measured on.

    python -m bench.server [--scale F]

starts one with its tables and prints what `--server` of `python -m bench` and `bench.profile`
takes; it lives until Enter or Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pgwire
from bench.address import Server
from bench.relays import DATABASE
from bench.sizes import Sizes
from dblink import shells
from pgwire import conninfo as strings
from pgwire.testing.cluster import Cluster

#: Besides the defaults of `pgwire.testing` (fsync, synchronous_commit and full_page_writes off,
#: time zone UTC): nothing that runs now and then, and everything in memory.
SETTINGS: dict[str, str | int | bool] = {
    "autovacuum": False,
    "jit": False,
    "max_parallel_workers_per_gather": 0,
    "shared_buffers": "2GB",
}
#: TCP on loop-back with SCRAM, for everybody the same.
HBA = ("local all all trust", "host all all 127.0.0.1/32 scram-sha-256")

_SETUP = Path(__file__).with_name("setup.sql")


@contextlib.contextmanager
def started(sizes: Sizes, *, small: bool = False) -> Iterator[Server]:
    """A server with the tables of setup.sql, for as long as the context lasts.

    Args:
        sizes: of the tables.
        small: little memory, for a run whose figures do not matter.
    """
    settings = SETTINGS | ({"shared_buffers": "16MB"} if small else {})
    with Cluster(settings=settings, hba=HBA) as cluster:
        with pgwire.connect(cluster.conninfo()) as connection:
            connection.execute("CREATE ROLE bench SUPERUSER LOGIN PASSWORD 'bench'")
            if cluster.binaries.has_contrib("dblink"):
                connection.execute("CREATE EXTENSION dblink")
            for statement in statements(sizes):
                connection.execute(statement)
            connection.execute(f"CREATE DATABASE {DATABASE}")
        # Beside the extension, not with it: of these functions a database has one set.
        with pgwire.connect(cluster.conninfo(DATABASE)) as connection:
            connection.execute(
                "CREATE TABLE fixed1m_copy (a int4, b int8, c float8, d bool, e timestamp)"
                " WITH (autovacuum_enabled = false)"
            )
            shells.setup(connection)
        yield Server(cluster.port)


def statements(sizes: Sizes) -> list[str]:
    """The statements of setup.sql with the sizes filled in.

    Raises KeyError for a name that is no size.
    """
    values = sizes._asdict()
    text = re.sub(r"--.*", "", _SETUP.read_text("utf-8"))
    # A name begins with a letter: neither `::int4` nor `00:00Z` is meant.
    text = re.sub(r"(?<!:):([a-z_]+)", lambda match: str(values[match[1]]), text)
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def named(conninfo: str) -> Server:
    """The server of a connection string with `port`, and what differs from the usual.

    Raises ConninfoError for a wrong string, ValueError for a keyword that has no place here.
    """
    said = strings.parse(conninfo)
    if "port" not in said or set(said) - set(Server._fields):
        raise ValueError(f"a server is named by port and {Server._fields[1:]}, not by {conninfo}")
    return Server(int(said.pop("port")), **said)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.server", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    with started(Sizes().scaled(options.scale)) as server, contextlib.suppress(KeyboardInterrupt):
        print(f"--server '{server.conninfo()}' --scale {options.scale:g}", flush=True)
        input()


if __name__ == "__main__":
    main()
