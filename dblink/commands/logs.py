"""How the commands that serve write their log: on standard error, a line for each entry."""

from __future__ import annotations

import logging

from dblink.tables import printable


class Lines(logging.Formatter):
    """Indents what is not the first line of an entry: with what servers and clients have said in
    it, none can pass itself off as another."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        return printable(super().format(record)).replace("\n", "\n    ")


def log_to_stderr(*, verbose: bool) -> None:
    """Log warnings, or with `verbose` everything but details for debugging."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO if verbose else logging.WARNING)
