"""The tests of `test_between` in the asyncio body."""

import pytest

from tests.pgwire.copying.test_between import *  # noqa: F403
from tests.pgwire.copying.test_between import (
    test_a_progress_function_that_raises,
)

# An event loop ends when one of its tasks raises what is no Exception.
del test_a_progress_function_that_raises

pytestmark = pytest.mark.usefixtures("blocking")
