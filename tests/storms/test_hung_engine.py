"""An engine that never answers costs a customer who does not insist on it nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.inventories import YARA
from tests.support.network.silent_host import SilentHost
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.storm("hung engine")
async def test_mail_goes_on_beside_an_engine_that_is_silent(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    # Until it is known to be silent, each mail waits as long as the engine may take.
    mails, timeout_s = (800, 60.0) if thorough else (150, 2.0)
    async with SilentHost() as hung:
        address = f"127.0.0.1:{hung.port}"
        engine = {"name": "clam", "kind": "clamd", "address": address, "timeout_s": timeout_s}
        async with (
            weather(tmp_path, policy={"unavailable": "mark"}, engines=[YARA, engine]) as node,
        ):
            async with node.healthy_mail() as healthy:
                await healthy.more(mails, deadline_s=60 + mails)
            one = await node.measure("one engine of two takes every message and never answers")

    measured(one)
    assert hung.connections > 0, "it was never asked"
    assert one.p50_s < 2.0
