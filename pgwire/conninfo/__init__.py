"""Connection strings, service and password files, environment: from them to settings and targets.

`resolve` does all of it, as libpq 18 does; the rest is for those who only want to look at a
connection string.
"""

from typing import TYPE_CHECKING

from pgwire.conninfo.options import OPTIONS, Option
from pgwire.conninfo.settings import Settings, resolve, unsupported
from pgwire.conninfo.strings import make, parse
from pgwire.conninfo.targets import Target
from pgwire.errors import ConninfoError

if TYPE_CHECKING:
    from pgwire.conninfo.redaction import redact

__all__ = [
    "OPTIONS",
    "ConninfoError",
    "Option",
    "Settings",
    "Target",
    "make",
    "parse",
    "redact",
    "resolve",
    "unsupported",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # Connecting needs it only for the errors that quote what they stumble over.
        if name == "redact":
            from pgwire.conninfo.redaction import redact

            return redact
        raise AttributeError(f"module 'pgwire.conninfo' has no attribute {name!r}")
