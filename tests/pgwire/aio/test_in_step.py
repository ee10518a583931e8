"""Invariant I1 in the asyncio body. What the blocking tests do to its socket and its waiting,
`test_cancelling` does to tasks."""

import pytest

from tests.pgwire.hardening.test_i1_in_step import *  # noqa: F403
from tests.pgwire.hardening.test_i1_in_step import (
    test_an_interrupt_in_the_middle_of_input_and_output,
    test_an_interrupt_while_waiting,
)

del test_an_interrupt_in_the_middle_of_input_and_output
del test_an_interrupt_while_waiting

pytestmark = pytest.mark.usefixtures("on_loop")
