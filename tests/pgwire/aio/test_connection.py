"""The tests of the blocking connection, in the asyncio body."""

import pytest

from tests.pgwire.test_connection import *  # noqa: F403
from tests.pgwire.test_connection import (
    test_cancel_from_another_thread,
    test_wait_any_tells_who_has_answered,
)

del test_cancel_from_another_thread  # `test_cancelling` has tasks instead
del test_wait_any_tells_who_has_answered  # and asyncio better ways to wait

pytestmark = pytest.mark.usefixtures("on_loop")
