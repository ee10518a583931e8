"""TLS in the asyncio body: the same servers that lie, the same certificates, stuffed bytes."""

import pytest

from tests.pgwire.tls.test_channel_binding import *  # noqa: F403
from tests.pgwire.tls.test_own_context import *  # noqa: F403
from tests.pgwire.tls.test_rogue_tls import *  # noqa: F403

pytestmark = pytest.mark.usefixtures("on_loop")
