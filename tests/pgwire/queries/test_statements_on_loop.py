"""The same in the asyncio body."""

import pytest

from tests.pgwire.queries.test_statements import *  # noqa: F403

pytestmark = pytest.mark.usefixtures("on_loop")
