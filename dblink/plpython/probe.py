"""Whether a server's Python can run the functions, and what to do if it cannot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pgwire
from dblink.plpython.functions import dollar_quoted

OLDEST: Final = (3, 11)
"""The oldest Python that runs this package."""

DISTRIBUTION: Final = "pgwire-dblink"

# It runs in whatever Python the server has, however old.
_PROBE = """
import json, os, pwd, sys
folders = {folders!r}
found = dict(python=list(sys.version_info[:3]), prefix=sys.prefix,
             account=pwd.getpwuid(os.geteuid()).pw_name,
             closed=[folder for folder in folders if not os.access(folder, os.R_OK | os.X_OK)])
if sys.version_info >= {oldest!r}:
    sys.path += [folder for folder in folders if folder not in sys.path]
    try:
        import pgwire
        found.update(version=pgwire.__version__, file=pgwire.__file__)
        import dblink.plpython.runtime
    except Exception as error:
        found.update(error="%s: %s" % (type(error).__name__, error))
return json.dumps(found)
"""


class InstallError(Exception):
    """The functions cannot be installed, or removed; the message says why and what would help."""


def probe(connection: pgwire.Connection, folders: Sequence[str]) -> str:
    """Ask the server's Python to import this package; it must do so in a new session.

    Args:
        connection: a superuser's, to a database that has plpython3u.
        folders: added to the module search path, as by the functions.

    Returns what was found, in a few words. Raises InstallError if the functions could not run.
    """
    body = _PROBE.format(folders=list(folders), oldest=OLDEST)
    connection.execute(
        "CREATE FUNCTION pg_temp.dblink_probe() RETURNS pg_catalog.text"
        f" LANGUAGE plpython3u AS {dollar_quoted(body)}"
    )
    ((answer,),) = connection.query_text("SELECT pg_temp.dblink_probe()")
    connection.execute("DROP FUNCTION pg_temp.dblink_probe()")
    found: dict[str, Any] = json.loads(answer or "{}")
    python = ".".join(map(str, found["python"]))
    if tuple(found["python"]) < OLDEST:
        raise InstallError(
            f"the server's Python is {python}; {'.'.join(map(str, OLDEST))} or newer is needed: "
            "which one it is depends on how the server's package with PL/Python was built"
        )
    if found["closed"]:
        raise InstallError(
            f"the server, which runs as {found['account']}, cannot read "
            + ", ".join(found["closed"])
        )
    if "error" in found or found.get("version") != pgwire.__version__:
        raise InstallError(_what_to_do(found, python))
    return f"Python {python}, {DISTRIBUTION} {found['version']} in {found['file']}"


def _what_to_do(found: dict[str, Any], python: str) -> str:
    wanted = f"{DISTRIBUTION}=={pgwire.__version__}"
    if "error" in found:
        reason = f"cannot import {DISTRIBUTION} ({found['error']})"
    else:
        reason = f"has {DISTRIBUTION} {found['version']} in {found['file']}, not the same version"
    return (
        f"the server's Python {python} (prefix {found['prefix']}) {reason}.\n"
        f"On the server's machine, either install {wanted} for this Python, or into a folder of "
        f"its own that {found['account']} can read, and name that folder by --path:\n"
        f"    pip install --target /usr/local/lib/dblink {wanted}\n"
        "    dblink install … --path /usr/local/lib/dblink"
    )
