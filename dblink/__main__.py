"""`python -m dblink`: the command `dblink`."""

import sys

from dblink.cli import main

if __name__ == "__main__":
    sys.exit(main())
