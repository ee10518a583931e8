"""`test_executemany` in the asyncio body."""

import pytest

from tests.pgwire.pipelines.test_executemany import *  # noqa: F403

pytestmark = pytest.mark.usefixtures("on_loop")
