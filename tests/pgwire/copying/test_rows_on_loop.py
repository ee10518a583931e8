"""The tests of `test_rows` in the asyncio body."""

import pytest

from tests.pgwire.copying.test_rows import *  # noqa: F403
from tests.pgwire.copying.test_rows import (
    test_every_way_gives_the_same_bytes,
    test_random_tables_go_there_and_back,
    test_the_fast_ways_refuse_what_the_codec_refuses,
)

# They need no connection, or all the time of one run.
del test_the_fast_ways_refuse_what_the_codec_refuses
del test_every_way_gives_the_same_bytes
del test_random_tables_go_there_and_back

pytestmark = pytest.mark.usefixtures("blocking")
