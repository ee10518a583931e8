"""Connection strings, service and password files, environment: from them to settings and targets.

`resolve` does all of it, as libpq 18 does; the rest is for those who only want to look at a
connection string.
"""

from pgwire.conninfo.options import OPTIONS, Option
from pgwire.conninfo.redaction import redact
from pgwire.conninfo.settings import Settings, resolve, unsupported
from pgwire.conninfo.strings import make, parse
from pgwire.conninfo.targets import Target
from pgwire.errors import ConninfoError

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
