"""A primary that takes connections and says nothing does not stop its customer's mail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.network.silent_host import SilentHost
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.storm("silent primary")
async def test_a_silent_primary_is_remembered_for_as_long_as_it_is_silent(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    # In the long form nothing is set: a greeting is waited for as long as by default.
    settings = {} if thorough else {"delivery": {"reply_timeout_s": 2.0}}
    mails = 4_000 if thorough else 100
    async with (
        SilentHost() as primary,
        weather(
            tmp_path, before_her_server=[f"127.0.0.1:{primary.port}"], settings=settings
        ) as node,
    ):
        async with node.healthy_mail() as healthy:
            await healthy.more(mails, deadline_s=60 + mails)
        one = await node.measure("a customer's first server of two is silent")

    measured(one)
    assert primary.connections > 0, "it was never asked"
    assert one.p99_s < (2.0 if thorough else 10.0)
