"""Policies, tokens and passwords in the asyncio body."""

from __future__ import annotations

import asyncio

import pytest

import pgwire
from pgwire.flows.oauth import TokenRequest
from pgwire.testing.script import ScriptedServer
from tests.pgwire.authentication import test_oauth as oauth
from tests.pgwire.authentication.test_oauth import *  # noqa: F403
from tests.pgwire.authentication.test_oauth import test_a_coroutine_function_is_for_the_other_body
from tests.pgwire.authentication.test_passwords import *  # noqa: F403
from tests.pgwire.authentication.test_policy import *  # noqa: F403
from tests.pgwire.authentication.test_preset import *  # noqa: F403

del test_a_coroutine_function_is_for_the_other_body

pytestmark = pytest.mark.usefixtures("on_loop")


@pytest.mark.parametrize("wrapped", [False, True], ids=["function", "lambda"])
def test_a_coroutine_function_gives_the_token(runner: asyncio.Runner, wrapped: bool) -> None:
    async def get(request: TokenRequest) -> str:
        await asyncio.sleep(0)
        assert request.issuer == oauth.ISSUER
        return oauth.TOKEN

    async def main(conninfo: str) -> None:
        callback = (lambda request: get(request)) if wrapped else get
        connection = await pgwire.connect_async(conninfo, environ={}, oauth_token=callback)
        await connection.close()

    with ScriptedServer(oauth.refuse(oauth.says()), oauth.LET_IN) as server:
        runner.run(main(server.conninfo(**oauth.OPTIONS)))
        assert oauth.TOKEN.encode() in server.peers[1].input
