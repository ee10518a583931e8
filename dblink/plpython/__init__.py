"""dblink inside a server: the documented functions in PL/Python. Manual: "PL/Python".

`install` creates them in a database. The server's Python then imports `dblink.plpython.runtime`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dblink.plpython.installer import install, installed, uninstall
    from dblink.plpython.probe import InstallError

__all__ = ["InstallError", "install", "installed", "uninstall"]


def __getattr__(name: str) -> Any:
    # Within a server nobody installs anything, and each session imports anew.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dblink.plpython import installer, probe

    return getattr(probe if name == "InstallError" else installer, name)
