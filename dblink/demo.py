"""`dblink demo`: every documented function, called between two databases, then dblink in SQL.

Read it from top to bottom. Each chapter is ordinary use of a `dblink.Session`, here called `db`;
the only thing special about this one is that it tells what is called on it, and what came of it.
The last chapters are ordinary use of the link catalogue, and of psql, through a gateway.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Any, Final, TextIO

import pgwire
from dblink import gateway, shells
from dblink.functions import FUNCTIONS
from dblink.links import LinkCatalogue, Target
from dblink.result import Result
from dblink.session import Session
from dblink.tables import print_table
from pgwire.testing.binaries import BinariesNotFoundError, find_program
from pgwire.testing.cluster import Cluster


def connect(db: Narrator, warehouse: str) -> None:
    """Connect: unnamed, by name, without the password rule, and by a foreign server"""
    db.dblink_connect(warehouse)
    db.dblink_connect("stock", warehouse)
    db.dblink_connect_u("trusted", warehouse)
    db.dblink_connect("clerk", "warehouse_server")  # its user mapping knows user and password
    db.dblink_get_connections()


def query(db: Narrator, warehouse: str) -> None:
    """Query: with a column list, without one, with parameters"""
    db.dblink("SELECT item, price FROM stock", columns="item text, price numeric(6,1)")
    db.dblink("stock", "SELECT * FROM stock ORDER BY arrived")
    db.dblink("stock", "SELECT item, amount FROM stock WHERE amount < $1", params=[100])
    db.dblink("clerk", "SELECT current_user, current_database()")


def execute(db: Narrator, warehouse: str) -> None:
    """Execute a command"""
    db.dblink_exec("stock", "UPDATE stock SET amount = amount - 10 WHERE item = 'lamp'")


def fetch(db: Narrator, warehouse: str) -> None:
    """Read through a cursor"""
    db.dblink_open("stock", "cheapest", "SELECT item, price FROM stock ORDER BY price")
    db.dblink_fetch("stock", "cheapest", 2)
    db.dblink_fetch("stock", "cheapest", 2)
    db.dblink_close("stock", "cheapest")


def run_two_at_once(db: Narrator, warehouse: str) -> None:
    """Run two queries at once, and take their results as they come"""
    db.dblink_send_query("stock", "SELECT 'slow' AS query FROM pg_sleep(0.4)")
    db.dblink_send_query("trusted", "SELECT 'quick' AS query FROM pg_sleep(0.2)")
    waiting = ["stock", "trusted"]
    while waiting:
        for name in db.dblink_wait_any(waiting):
            db.dblink_get_result(name)
            db.dblink_get_result(name)  # no rows: the query has no more results
            waiting.remove(name)


def cancel(db: Narrator, warehouse: str) -> None:
    """Cancel a query"""
    db.dblink_send_query("stock", "SELECT pg_sleep(60)")
    db.dblink_is_busy("stock")
    while not db.dblink_wait_any(["stock"], timeout=0.2):
        db.dblink_cancel_query("stock")  # too early for a query that has not begun, hence the loop
    db.dblink_get_result("stock", fail=False)
    db.dblink_get_result("stock")


def notify(db: Narrator, warehouse: str) -> None:
    """Be notified"""
    db.dblink_exec("stock", "LISTEN deliveries")
    db.dblink_exec("stock", "NOTIFY deliveries, '20 chairs'")
    db.dblink_get_notify("stock")


def copy_a_row(db: Narrator, warehouse: str) -> None:
    """Make statements for the remote database of rows in the local one"""
    db.dblink_get_pkey("stock")
    insert = db.dblink_build_sql_insert("stock", "1", 1, ["desk"], ["standing desk"])
    db.dblink_exec("stock", insert)
    update = db.dblink_build_sql_update("stock", "1", 1, ["desk"], ["table"])
    db.dblink_exec("stock", update)
    delete = db.dblink_build_sql_delete("stock", "1", 1, ["lamp"])
    db.dblink_exec("stock", delete)
    db.dblink("stock", "SELECT item, amount FROM stock ORDER BY item")


def fail(db: Narrator, warehouse: str) -> None:
    """Have an error as a notice, and ask for it later"""
    db.dblink("stock", "SELECT * FROM basement", fail=False)
    db.dblink_error_message("stock")


def disconnect(db: Narrator, warehouse: str) -> None:
    """Disconnect"""
    db.dblink_disconnect()
    for name in ("stock", "trusted", "clerk"):
        db.dblink_disconnect(name)


CHAPTERS: Final[Sequence[Callable[[Narrator, str], None]]] = (
    connect,
    query,
    execute,
    fetch,
    run_two_at_once,
    cancel,
    notify,
    copy_a_row,
    fail,
    disconnect,
)


#: What is typed into psql in the end.
STATEMENTS: Final = """\
SELECT dblink_connect('stock', 'warehouse_server');

CREATE VIEW warehouse AS
    SELECT * FROM dblink('stock', 'SELECT item, amount, price FROM stock')
        AS stock(item text, amount int, price numeric(10,2));

SELECT item, shop.amount AS here, warehouse.amount AS there
    FROM stock AS shop FULL JOIN warehouse USING (item) ORDER BY item;

INSERT INTO stock SELECT item, 1, price * 2 FROM warehouse WHERE price < 100;

SELECT count(*) FROM dblink('warehouse_link', 'SELECT item FROM stock') AS stock(item text);

SELECT item, dblink_exec('stock', format('DELETE FROM stock WHERE item = %L', item)) AS done
    FROM stock WHERE amount = 1 ORDER BY item;

SELECT * FROM dblink('stock', 'SELECT * FROM basement') AS b(item text);
"""


def run(out: TextIO) -> set[str]:
    """Start a server with two databases, run all chapters on it, and print them to `out`.

    Returns the names of what was called. Raises RuntimeError if no server can be started here.
    """
    print("Starting a PostgreSQL server with two databases: shop (here) and warehouse", file=out)
    with two_databases() as cluster:
        with (
            pgwire.connect(cluster.conninfo("shop")) as local,
            closing(Narrator(local, out)) as db,
        ):
            for chapter in CHAPTERS:
                db.begin(str(chapter.__doc__))
                chapter(db, cluster.conninfo("warehouse"))
        with a_link(cluster, out):
            in_sql(cluster, out)
    called = set(db.calls)
    print(
        f"\n{len(FUNCTIONS.keys() & called)} of {len(FUNCTIONS)} documented functions, "
        f"{len(db.calls)} calls between two databases, "
        f"{STATEMENTS.count(';')} statements in SQL: all answered.",
        file=out,
    )
    return called


@contextmanager
def a_link(cluster: Cluster, out: TextIO) -> Iterator[None]:
    """A link of the catalogue, whose name is then a connection name in `shop`."""
    print(
        "\n=== The link catalogue: make a link, which every session can use by its name\n", file=out
    )
    with TemporaryDirectory() as folder, LinkCatalogue(Path(folder, "links.db")) as catalogue:
        where = cluster.conninfo()
        catalogue.add_cluster("here", region="cn-hangzhou", account="demo", conninfo=where)
        link = catalogue.create_link(
            "here",
            "warehouse_link",
            database="shop",
            target=Target("warehouse", "clerk", cluster="here"),
            password=PASSWORD,
        )
        print(f"create_link('here', {link.name!r}, database={link.database!r}, ...)", file=out)
        assert link.health is not None and link.health.latency is not None
        print(f" {link.state}, answers in {link.health.latency * 1000:.1f} ms", file=out)
        yield
        catalogue.delete_link("here", link.name)


def in_sql(cluster: Cluster, out: TextIO) -> None:
    """The same as SQL: create the functions in `shop`, put a gateway in front, and type."""
    print("\n=== The same in SQL, through a gateway that psql knows nothing of\n", file=out)
    with pgwire.connect(cluster.conninfo("shop")) as local:
        shells.setup(local)
    with gateway.running(cluster.conninfo("shop"), listen=["127.0.0.1:0"]) as relay:
        where = relay.conninfo(dbname="shop", user=cluster.superuser)
        try:
            psql = find_program("psql")
        except BinariesNotFoundError:
            type_by_hand(where, out)
            return
        print("$ psql shop", file=out, flush=True)
        done = subprocess.run(
            [psql, "--no-psqlrc", "--echo-all", where],
            input=STATEMENTS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        print(done.stdout.rstrip(), file=out)


def type_by_hand(where: str, out: TextIO) -> None:
    """The statements without psql, on a machine that has none."""
    with pgwire.connect(where) as connection:
        for statement in STATEMENTS.strip().split("\n\n"):
            print(f"\n{statement}", file=out)
            try:
                result = connection.query(statement)
            except pgwire.Error as error:
                print(error.diagnostics.render(), file=out)
                continue
            if result.columns:
                rows = [[None if v is None else str(v) for v in row] for row in result.rows]
                print_table([column.name for column in result.columns], rows, out)
            else:
                print(result.tag, file=out)


@contextmanager
def two_databases() -> Iterator[Cluster]:
    """A throw-away server. In its database `shop` we are at home, `warehouse` is far away."""
    # clerk has to give a password, everybody else is let in.
    with Cluster(hba=["local all clerk scram-sha-256", "local all all trust"]) as cluster:
        for database, statements in DATABASES.items():
            with pgwire.connect(cluster.conninfo()) as admin:
                admin.execute(f"CREATE DATABASE {database}")
            with pgwire.connect(cluster.conninfo(database)) as admin:
                admin.execute(
                    statements.format(host=cluster.host, port=cluster.port, password=PASSWORD)
                )
        yield cluster


PASSWORD: Final = "keys to the warehouse"

DATABASES: Final = {
    "warehouse": """
        CREATE ROLE clerk LOGIN PASSWORD '{password}';
        CREATE TABLE stock (item text PRIMARY KEY, amount int, price numeric(10,2), arrived date);
        INSERT INTO stock VALUES
            ('chair', 120, 49.90, '2026-03-02'),
            ('lamp', 35, 24.50, '2026-05-19'),
            ('table', 18, 199, NULL);
        GRANT ALL ON stock TO clerk;
    """,
    # A foreign server needs no extension: any wrapper will do, even one without a handler.
    "shop": """
        CREATE FOREIGN DATA WRAPPER dblink_fdw VALIDATOR postgresql_fdw_validator;
        CREATE SERVER warehouse_server FOREIGN DATA WRAPPER dblink_fdw
            OPTIONS (host '{host}', port '{port}', dbname 'warehouse');
        CREATE USER MAPPING FOR CURRENT_USER SERVER warehouse_server
            OPTIONS (user 'clerk', password '{password}');
        CREATE TABLE stock (item text PRIMARY KEY, amount int, price numeric(10,2), arrived date);
        INSERT INTO stock VALUES ('desk', 5, 320, '2026-06-30');
    """,
}


class Narrator:
    """A session that prints each call on it, and its result. `calls`: the names, in order."""

    def __init__(self, local: pgwire.Connection, out: TextIO) -> None:
        self.calls: list[str] = []
        self._notices: list[pgwire.Diagnostics] = []
        self._session = Session(local, on_notice=self._notices.append)
        self._out = out

    def begin(self, chapter: str) -> None:
        """Print the heading of a chapter."""
        print(f"\n=== {chapter}", file=self._out)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._session, name)

        def call(*args: object, **options: object) -> object:
            given = [_written(value) for value in args]
            given += [f"{option}={_written(value)}" for option, value in options.items()]
            print(f"\n{name}({', '.join(given)})", flush=True, file=self._out)
            self.calls.append(name)
            result = function(*args, **options)
            self._tell(name, result)
            return result

        return call

    def _tell(self, name: str, result: object) -> None:
        while self._notices:
            print(self._notices.pop(0).render(), file=self._out)
        if isinstance(result, Result | list):
            self._table(name, result)
        else:
            print(indent(str(result), " "), file=self._out)

    def _table(self, name: str, result: Result | list[Any]) -> None:
        if isinstance(result, Result):
            columns = [column.name for column in result.columns]
        else:
            columns = list(FUNCTIONS[name].columns if name in FUNCTIONS else ()) or [name]
        rows = [row if isinstance(row, tuple) else (row,) for row in result]
        print_table(
            columns,
            [[None if value is None else str(value) for value in row] for row in rows],
            self._out,
            right={n for row in rows for n, value in enumerate(row) if isinstance(value, _NUMBER)},
        )

    def close(self) -> None:
        """End the session."""
        self._session.close()


_NUMBER = (int, float, Decimal)


def _written(value: object) -> str:
    """An argument as it is written, without the place where the throw-away server happens to be."""
    return re.sub(r"host=\S+ port=\S+", "host=...", repr(value))
