"""`test_pipeline` in the asyncio body."""

import pytest

from tests.pgwire.pipelines.test_pipeline import *  # noqa: F403

pytestmark = pytest.mark.usefixtures("on_loop")
