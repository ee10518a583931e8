"""The same in the asyncio body."""

import pytest

from tests.pgwire.queries.test_stream import *  # noqa: F403
from tests.pgwire.queries.test_stream import test_memory_is_bounded

del test_memory_is_bounded  # of both bodies already

pytestmark = pytest.mark.usefixtures("on_loop")
