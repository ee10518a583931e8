"""The documents say what is: their examples run, their tables are complete, their links lead on."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgwire
from dblink.functions import FUNCTIONS, Function
from pgwire.testing.cluster import Cluster

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
REFERENCE = (ROOT / "docs" / "dblink.md").read_text()

EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What the examples find: the databases that they name, with the tables that they use.
_ORDERS = """
    CREATE TABLE orders (id int PRIMARY KEY, item text, ordered date);
    INSERT INTO orders VALUES (17, 'chair', '2026-03-02');
"""
DATABASES = {
    "sales": _ORDERS
    + """
    CREATE TABLE customer (name text PRIMARY KEY, total numeric(12,2));
    INSERT INTO customer VALUES ('Ada', 12.5), ('O''Hara', 99);
    """,
    "archive": _ORDERS,
    "shop": _ORDERS
    + """
    CREATE FOREIGN DATA WRAPPER dblink_fdw VALIDATOR postgresql_fdw_validator;
    CREATE SERVER archive_server FOREIGN DATA WRAPPER dblink_fdw OPTIONS (dbname 'archive');
    CREATE USER MAPPING FOR CURRENT_USER SERVER archive_server;
    """,
}


@pytest.fixture
def environment(cluster: Cluster) -> Iterator[dict[str, str]]:
    """Environment variables under which `dbname=sales` leads to a database for the examples."""
    with pgwire.connect(cluster.conninfo()) as admin:
        for name in DATABASES:
            admin.execute(f"CREATE DATABASE {name}")
        for name, statements in DATABASES.items():
            with pgwire.connect(cluster.conninfo(name)) as connection:
                connection.execute(statements)
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            "PGHOST": cluster.host,
            "PGPORT": str(cluster.port),
            "PGUSER": cluster.superuser,
            "PYTHONPATH": str(ROOT),
            "PGWIRE_PG_BIN": str(cluster.binaries.path),
        }
        for name in DATABASES:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def script(page: str) -> str:
    """The examples of a page, each on the lines where it stands, so that a traceback fits."""
    lines = [""] * page.count("\n")
    for example in EXAMPLE.finditer(page):
        first = page.count("\n", 0, example.start(1))
        code = example[1].splitlines()
        lines[first : first + len(code)] = code
    return "\n".join(lines)


# Pages whose examples need more than databases, and have tests of their own in tests/docs.
OWN_TESTS = {"api.md", "bodies.md", "connecting.md"}


def pages_with_examples() -> list[Path]:
    pages = [page for page in PAGES if page.name not in OWN_TESTS]
    return [page for page in pages if EXAMPLE.search(page.read_text())]


def test_there_are_examples() -> None:
    assert {page.name for page in pages_with_examples()} >= {"README.md", "dblink.md"}


@pytest.mark.parametrize("page", pages_with_examples(), ids=lambda page: page.name)
def test_the_examples_run(page: Path, environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "examples.py"
    file.write_text(script(page.read_text()))
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(file)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    # What an example says that it prints, it prints: the rest of the line after a print's "# ".
    for promised in re.findall(r"^ *print\(.*\)  # (.*?)(?: …)?$", page.read_text(), re.MULTILINE):
        assert promised in done.stdout


# The catalogue is the truth about the functions.


def test_the_readme_lists_every_function() -> None:
    rows = [
        f"| [`{name}`](docs/dblink.md#{name}) | {function.summary} |"
        for name, function in FUNCTIONS.items()
    ]
    table = "\n".join(["| function | what it does |", "|---|---|", *rows])
    assert f"\n\n{table}\n\n" in PAGES[0].read_text()


def test_the_reference_has_a_section_per_function_in_the_order_of_the_manual() -> None:
    assert re.findall(r"^## (.*)$", REFERENCE, re.MULTILINE) == list(FUNCTIONS)


def synopsis(function: Function) -> str:
    returns = function.returns
    if function.columns:
        returns = f"({', '.join(f'{n} {t}' for n, t in function.columns.items())})"
    if function.returns_set:
        returns = f"setof {returns}"
    return "".join(
        f"{function.name}({overload!r}) returns {returns}\n" for overload in function.overloads
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_reference_has_every_overload(name: str) -> None:
    function = FUNCTIONS[name]
    section = re.split(rf"^## {name}$", REFERENCE, maxsplit=1, flags=re.MULTILINE)[1]
    section = section.split("\n## ")[0]
    summary = function.summary[0].upper() + function.summary[1:]
    assert section.startswith(f"\n\n{summary}.\n\n```sql\n{synopsis(function)}```\n")
    assert f"{name}(" in "".join(EXAMPLE.findall(section)), "it has no example"


# The table of floors is the truth about imports.

FLOORS = {
    room: int(floor)
    for floor, room in re.findall(
        r"^\| (\d+) \| `(\S+)` \|",
        (ROOT / "docs" / "architecture.md").read_text(),
        re.MULTILINE,
    )
}


def modules() -> dict[str, Path]:
    found = {}
    for package in ("pgwire", "dblink"):
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def room_of(module: str) -> str:
    """The room that a module is in: its package below the top, or the module itself."""
    return ".".join(module.split(".")[:2])


def imports(tree: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                member = f"{node.module}.{alias.name}"
                yield member if member in known else node.module
        yield from imports(node, known)


def test_rooms_lean_only_on_lower_floors() -> None:
    known = modules()
    assert FLOORS.keys() == {room_of(module) for module in known}
    wrong = []
    for module, path in known.items():
        room = room_of(module)
        for other in map(room_of, imports(ast.parse(path.read_text()), known)):
            if other != room and FLOORS[other] >= FLOORS[room]:
                wrong.append(f"{module} (floor {FLOORS[room]}) imports {other} ({FLOORS[other]})")
    assert wrong == []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        if not other.exists() or (anchor and anchor not in anchors(other)):
            broken.append(target)
    assert broken == []
