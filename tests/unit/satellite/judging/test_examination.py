"""Examination: who waits for our own reader holds up nobody who needs none."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.envelope import Envelope
from common.preferences import Preferences
from common.preferences.documents import NOTHING
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.filtering.filter import Mail
from satellite.filtering.inside import GivenInside
from satellite.headers import HeaderBlock
from satellite.judging.examination import ExaminingRooms
from satellite.scanning.engine import Engine, EngineHealth, Fitted
from satellite.scanning.run import Scanner
from satellite.scanning.sample import Sample
from tests.support.judging.looks import given_looks
from tests.support.scanning.messages import sample_of

DEADLINE_S = 10.0
MAIL = Mail(
    envelope=Envelope(client_address="", helo="", sender="", recipients=("x@acme.example",)),
    headers=HeaderBlock.parse(b"Subject: hello\r\n\r\n"),
    size=0,
    preferences=Preferences.from_documents((), position=NOTHING),
    now_us=0,
    inside=GivenInside(data=b""),
)


class Away:
    """An engine elsewhere, that is quick."""

    name = "away"

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        return Verdict(by=self.name, outcome=Outcome.CLEAN)

    async def probe(self) -> EngineHealth:
        return EngineHealth(answering=True)

    async def close(self) -> None:
        """Do nothing."""


class Reader(Away):
    """Our own reader: what is plain it reads at once, and the others wait for their turn."""

    name = "reader"
    works_here = True
    keeps_its_time = True

    def __init__(self) -> None:
        self.waiting = 0
        self.goes_on = asyncio.Event()

    def scan_at_once(self, sample: Sample) -> Verdict | None:
        if sample.read(0, sample.size).startswith(b"long"):
            return None
        return Verdict(by=self.name, outcome=Outcome.CLEAN)

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        self.waiting += 1
        await self.goes_on.wait()
        return Verdict(by=self.name, outcome=Outcome.CLEAN)


class NoFilters:
    def at_once(self, mail: Mail) -> tuple[Verdict, ...]:
        return ()

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        return ()


@pytest.mark.parametrize("others", [[], [Away()]], ids=["alone", "beside another engine"])
async def test_plain_mail_does_not_wait_behind_mail_that_waits_for_our_reader(
    others: list[Engine],
) -> None:
    reader, clock = Reader(), SystemClock()
    fitted = [
        Fitted(engine=engine, settings=EngineSettings(name=engine.name, kind="puppet"))
        for engine in (reader, *others)
    ]
    scanner = Scanner(fitted, clock, registry=CollectorRegistry())
    rooms = ExaminingRooms(scanner, NoFilters(), given_looks(), clock)

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for number in range(400):  # at a quarter of a second for four of them: half a minute
            group.create_task(
                rooms.examined(
                    sample_of(b"long %d" % number), MAIL, {}, required={}, ages_max_us={}
                )
            )
        await asyncio.sleep(0)

        plain = await rooms.examined(sample_of(b"plain"), MAIL, {}, required={}, ages_max_us={})

        assert {verdict.outcome for verdict in plain.verdicts} == {Outcome.CLEAN}
        reader.goes_on.set()
    assert reader.waiting == 400
