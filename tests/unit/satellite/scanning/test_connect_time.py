"""How long a server may take to accept a connection is a setting of each engine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from common.verdict import Outcome
from satellite.scanning.engine import EngineContext, build_engines
from satellite.scanning.helper import Helper
from tests.support.scanning.messages import sample_of


@pytest.fixture
def full() -> Iterator[str]:
    """Listen where no further connection is accepted, and none refused."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = opened.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["clamd", "icap"])
async def test_an_engine_waits_for_its_connection_as_its_settings_say(full: str, kind: str) -> None:
    clock = SystemClock()
    settings = EngineSettings(name="e", kind=kind, address=full, connect_timeout_s=0.05)
    context = EngineContext(clock=clock, helper=Helper(clock=clock))
    (fitted,) = build_engines([settings], context)

    verdict = await fitted.engine.scan(sample_of(b"x"), deadline_s=30.0)
    await fitted.engine.close()

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert verdict.detail == f"no connection to {full} within 0.05 s"
