"""The tests of `test_in` in the asyncio body."""

import pytest

from tests.pgwire.copying.test_in import *  # noqa: F403
from tests.pgwire.copying.test_in import (
    test_an_interrupt_in_the_source,
)

# An event loop ends when one of its tasks raises what is no Exception.
del test_an_interrupt_in_the_source

pytestmark = pytest.mark.usefixtures("blocking")
