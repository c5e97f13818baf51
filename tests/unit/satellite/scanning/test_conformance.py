"""The suite of engines comes to an end, whatever an engine or its peer does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from common.verdict import Outcome, Verdict
from satellite.scanning import conformance
from satellite.scanning.conformance import CHECKS, Arranged, Condition, Nonconformity
from satellite.scanning.engine import EngineHealth
from satellite.scanning.sample import Sample
from tests.support.scanning.messages import numbered_sample, plain, sample_of

(CANCELLING,) = (
    check for check in CHECKS if str(check) == "a cancelled scan leaves nothing behind"
)


class HidingEngine:
    """Shows its peer nothing; its scan ends at once, or never."""

    name = "hiding"

    def __init__(self, *, ends: bool) -> None:
        self._ends = ends

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        if not self._ends:
            await asyncio.Event().wait()
        return Verdict(by=self.name, outcome=Outcome.UNAVAILABLE)

    async def probe(self) -> EngineHealth:
        return EngineHealth(answering=False, detail="it hides")

    async def close(self) -> None:
        pass


class HidingBench:
    impossible: Mapping[Condition, str] = {}

    def __init__(self, *, ends: bool) -> None:
        self._ends = ends

    @asynccontextmanager
    async def arrange(self, condition: Condition) -> AsyncIterator[Arranged]:
        yield Arranged(
            engine=HidingEngine(ends=self._ends),
            sample=sample_of(plain(b"x")),
            reached=asyncio.Event().wait,
        )

    def sample(self, number: int, *, infected: bool) -> Sample:
        return numbered_sample(number, infected=infected)


@pytest.mark.parametrize(
    ("ends", "complaint"), [(True, "a scan ended"), (False, "receives nothing")]
)
async def test_a_scan_that_shows_its_peer_nothing_is_not_awaited_for_ever(
    monkeypatch: pytest.MonkeyPatch, ends: bool, complaint: str
) -> None:
    for seconds in ("DEADLINE_S", "LATE_S"):
        monkeypatch.setattr(conformance, seconds, 0.1)

    async with asyncio.timeout(20):
        with pytest.raises(Nonconformity, match=complaint):
            await CANCELLING.run(HidingBench(ends=ends))
