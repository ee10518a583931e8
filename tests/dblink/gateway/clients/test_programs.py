"""psql, pg_dump, pg_restore and pgbench do through the gateway what they do without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pgwire
from pgwire.testing.cluster import Cluster
from tests.dblink.gateway.clients.kit import Place
from tests.programs import run

pytestmark = pytest.mark.clients


def psql(place: Place, script: str, *options: str, server: int | None = None) -> str:
    """What psql prints: tables, tags, notices and errors. `server`: as of `programs.program`."""
    said = run("psql", "-X", *options, stdin=script, server=server, **place.programs())
    return said.stdout + said.stderr


# psql

DESCRIBING = r"""
\d
\d+ orders
\dt+ *.*
\df dblink*
\df+ dblink_connect_u
\dn+
\des+
\dew+
\du
\l
\dp
\dconfig work_mem
\sf dblink_is_busy
"""


def test_psql_describes_the_same(place: Place, direct: Place) -> None:
    told = psql(place, DESCRIBING)
    assert "dblink_build_sql_insert" in told and "orders_pkey" in told
    assert told == psql(direct, DESCRIBING)


def test_psql_queries(place: Place) -> None:
    told = psql(
        place,
        rf"""
{place.connect};
SELECT o.id, s.* FROM orders o JOIN dblink('far', 'SELECT item, amount FROM stock')
    AS s(item text, amount int) USING (item) ORDER BY id;
SELECT * FROM dblink('far', 'SELECT item, price, tags FROM stock ORDER BY item')
    AS s(item varchar(9), price numeric(6,1), tags text[]) \gdesc
SELECT count(*) AS kinds FROM dblink('far', 'SELECT item FROM stock') AS s(item text) \gset
\echo :kinds kinds
\set FETCH_COUNT 2
SELECT item FROM dblink('far', 'SELECT item FROM stock ORDER BY item') AS s(item text);
BEGIN; SELECT dblink_exec('far', 'UPDATE stock SET amount = amount'); COMMIT;
""",
        "-At",
    )
    assert told.splitlines() == [
        "OK",
        "1|lamp|35",
        "2|chair|120",
        "item|character varying(9)",
        "price|numeric(6,1)",
        "tags|text[]",
        "3 kinds",
        "chair",
        "lamp",
        "table",
        "BEGIN",
        "UPDATE 3",
        "COMMIT",
    ]


def test_psql_binds(place: Place) -> None:
    script = r"""
\bind far 'SELECT item FROM stock WHERE amount > 100'
SELECT * FROM dblink($1, $2) AS s(item text) \g
"""
    told = psql(place, f"{place.connect};\n{script}", "-At", server=16)  # none before has it
    assert told == "OK\nchair\n"


def test_psql_tells_errors_and_where(place: Place) -> None:
    script = rf"""
\set VERBOSITY verbose
{place.connect};
SELECT * FROM dblink('far', 'SELECT * FROM nowhere') AS t(a int);
SELECT 'still here';
"""
    told = psql(place, script, "-At")
    assert re.sub(r"^LOCATION:.*\n", "", told, flags=re.MULTILINE).splitlines() == [
        "OK",
        "still here",
        'ERROR:  42P01: relation "nowhere" does not exist',
        'CONTEXT:  while executing query on dblink connection named "far"',
    ]


def test_psql_copies(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "stock.csv"
    told = psql(
        place,
        rf"""
{place.connect};
CREATE TEMP VIEW far AS SELECT * FROM dblink('far', 'SELECT item, amount FROM stock ORDER BY 1')
    AS s(item text, amount int);
\copy (SELECT * FROM far) TO '{file}' (FORMAT csv)
CREATE TEMP TABLE copied (item text, amount int);
\copy copied FROM '{file}' (FORMAT csv)
COPY copied FROM STDIN;
desk	5
\.
SELECT * FROM copied ORDER BY item;
COPY (SELECT sum(amount) FROM copied) TO STDOUT;
""",
        "-At",
    )
    assert file.read_text() == "chair,120\nlamp,35\ntable,18\n"
    assert told.splitlines() == [
        *("OK", "CREATE VIEW", "COPY 3", "CREATE TABLE", "COPY 3", "COPY 1"),
        *("chair|120", "desk|5", "lamp|35", "table|18", "178"),
    ]


def test_psql_is_notified(place: Place) -> None:
    told = psql(place, "LISTEN deliveries;\nNOTIFY deliveries, '20 chairs';\n", "-At")
    assert '"deliveries" with payload "20 chairs" received from server process' in told


# pg_dump and pg_restore


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_a_dump_can_be_restored(
    cluster: Cluster, place: Place, direct: Place, form: str, tmp_path: Path
) -> None:
    archive = str(tmp_path / "archive")
    jobs = ["-j2"] if form == "directory" else []
    server = cluster.binaries.major  # pg_restore says what a newer server knows
    options = [f"--format={form}", f"--file={archive}", *jobs]
    run("pg_dump", *options, server=server, **place.programs())
    restored = f"restored_{form}"
    with pgwire.connect(cluster.conninfo()) as admin:
        admin.execute(f"CREATE DATABASE {restored}")
        try:
            there = place._replace(dbname=restored)
            options = [f"--dbname={restored}", "--exit-on-error", "-j2"]
            run("pg_restore", *options, archive, server=server, **there.programs())
            again = direct._replace(dbname=restored)
            assert dumped(again) == dumped(direct)
            told = psql(there, f"{place.connect};\nSELECT dblink_disconnect('far')", "-At")
            assert told == "OK\nOK\n"
        finally:
            admin.execute(f"DROP DATABASE {restored} WITH (FORCE)")


_OF_THIS_ONE = re.compile(
    r"^(\\(un)?restrict .*|ALTER TABLE ONLY .* SET \(pg_attver=\d+\);)$", re.MULTILINE
)
"""What no other database's script has: the key that makes each script another one; and an option
that Debian's 15.20 gives each column, with a value of each table's own."""


def dumped(place: Place) -> str:
    """The database as a script, without what is of this one only.

    Of unlogged tables the definition: one holds the sessions of the moment.
    """
    script = run("pg_dump", "--no-unlogged-table-data", **place.programs()).stdout
    assert "CREATE TABLE public.orders" in script and "2026-05-19" in script
    return _OF_THIS_ONE.sub("", script)


# pgbench


@pytest.fixture(scope="module")
def benched(place: Place) -> Place:
    """The place with pgbench's tables in it, made through the gateway."""
    run("pgbench", "-i", "-q", "-s", "1", "-I", "dtgvpf", **place.programs())
    return place


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench(benched: Place, mode: str, tmp_path: Path) -> None:
    ours = tmp_path / "dblink.sql"
    ours.write_text(
        f"""\\set least random(1, 100)
SELECT dblink_connect('far', '{benched.far}')
    WHERE 'far' = ANY (coalesce(dblink_get_connections(), '{{}}')) IS FALSE;
SELECT count(*)
    FROM dblink('far', 'SELECT amount FROM stock WHERE amount > ' || :least) AS s(amount int);
"""
    )
    built_in = ["-btpcb-like", "-bsimple-update", "-bselect-only"]
    for scripts in built_in, ["-f", str(ours)]:
        options = ["-n", f"-M{mode}", "-c2", "-j1", "-t20", *scripts]
        done = run("pgbench", *options, **benched.programs())
        assert "number of transactions actually processed: 40/40" in done.stdout
        assert "number of failed transactions: 0 (0.000%)" in done.stdout


def test_pgbench_pipelines(benched: Place, tmp_path: Path) -> None:
    script = tmp_path / "pipeline.sql"
    script.write_text("\\startpipeline\n" + "SELECT 1;\n" * 20 + "\\endpipeline\n")
    done = run("pgbench", "-n", "-Mextended", "-c2", "-t5", "-f", str(script), **benched.programs())
    assert "number of failed transactions: 0 (0.000%)" in done.stdout
