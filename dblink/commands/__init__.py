"""The commands of the command line, a file for each: its options, and what it runs.

Each module has a function `add(commands)`, which adds the command's parser and sets its `run`:
a function of the parsed options that does the work, and raises `CommandError` where it cannot.
What a command needs is imported when it runs, so that `dblink --help` stays quick.
"""

from __future__ import annotations

from dblink.commands import api, cluster, demo, install, key, link, remote, serve, setup

COMMANDS = (demo, remote, setup, serve, install, cluster, link, key, api)
"""The modules, in the order in which the help lists their commands."""
