"""A link shows the certificate that its files hold, or the one before while they are replaced."""

from __future__ import annotations

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from satellite.link.own_certificate import RENEWAL_S, OwnCertificate
from tests.support.clock import FakeClock
from tests.support.network.link import Certificates


async def test_a_link_without_a_certificate_waits_for_one(tmp_path: Path) -> None:
    clock, files = FakeClock(), Certificates(tmp_path).issue("satellite", "lon1")
    text = files.key.read_bytes()
    files.key.unlink()
    own = OwnCertificate(files, clock)

    waiting = asyncio.create_task(own.usable())
    await clock.settle()
    assert (own.status, bool(own.problem)) == (None, True)
    files.key.write_bytes(text)
    await clock.advance(RENEWAL_S)

    assert (await waiting).key == text
    assert own.problem == ""


async def test_a_renewal_that_is_half_done_keeps_no_link_from_another_address(
    tmp_path: Path,
) -> None:
    clock, files = FakeClock(), Certificates(tmp_path).issue("satellite", "lon1")
    own = OwnCertificate(files, clock)
    shown = await own.usable()
    files.key.write_bytes(Certificates(tmp_path / "other").issue("satellite", "x").key.read_bytes())

    with capture_logs() as said:
        asked = [asyncio.create_task(own.usable(shown)) for _ in range(3)]
        await clock.settle()

    assert [each.done() and each.result() for each in asked] == [shown] * 3
    assert [line["event"] for line in said] == ["link.certificate_unusable"], "said once"
    assert own.status is not None
    assert own.status.problem == own.problem != ""
