"""The tests of `test_rogue_copy` in the asyncio body."""

import pytest

from tests.pgwire.copying.test_rogue_copy import *  # noqa: F403

pytestmark = pytest.mark.usefixtures("blocking")
