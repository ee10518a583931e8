"""The tests of `test_out` in the asyncio body."""

import pytest

from tests.pgwire.copying.test_out import *  # noqa: F403
from tests.pgwire.copying.test_out import (
    test_a_target_that_raises,
    test_chunks_left_early,
)

# An event loop ends when one of its tasks raises what is no Exception.
del test_a_target_that_raises
del test_chunks_left_early

pytestmark = pytest.mark.usefixtures("blocking")
