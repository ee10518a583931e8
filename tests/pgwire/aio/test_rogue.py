"""The servers that lie, stall or break off, against the asyncio body."""

import pytest

from tests.pgwire.test_rogue import *  # noqa: F403

pytestmark = pytest.mark.usefixtures("on_loop")
