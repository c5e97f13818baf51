"""The guard: messages that an engine cannot finish do not make it silent to others."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.breaker import SILENCES_MAX
from satellite.guard import LeftAlone
from satellite.judging.own_faults import FAULTS_MAX, blamed
from satellite.scanning.engine import EngineHealth, Fitted
from satellite.scanning.engine_guard import EngineGuard
from satellite.scanning.run import Scanner
from satellite.scanning.sample import Sample
from tests.support.scanning.messages import sample_of


class Choking:
    """An engine that never ends on messages that begin with ``bad``, nor, once dead, on any."""

    keeps_its_time = True
    name = "choking"

    def __init__(self) -> None:
        self.is_dead = False
        self.bytes_max = float("inf")
        self.seen: list[bytes] = []

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        data = sample.read(0, sample.size)
        self.seen.append(data)
        if self.is_dead or len(data) > self.bytes_max or data.startswith(b"bad"):
            await asyncio.wait_for(asyncio.Event().wait(), deadline_s)
        return Verdict(by=self.name, outcome=Outcome.CLEAN)

    async def probe(self) -> EngineHealth:
        return EngineHealth(answering=True)

    async def close(self) -> None:
        """Do nothing."""

    @property
    def trials(self) -> list[bytes]:
        return [data for data in self.seen if data.startswith(b"Subject: trial")]


def scanner_of(engine: Choking, clock: SystemClock | None = None) -> Scanner:
    settings = EngineSettings(name=engine.name, kind="puppet", timeout_s=0.02)
    fitted = Fitted(engine=engine, settings=settings)
    return Scanner([fitted], clock or SystemClock(), registry=CollectorRegistry(), grace_s=0.05)


LARGE = b"x" * 300 * 1024


async def outcomes(scanner: Scanner, *contents: bytes) -> list[Outcome]:
    scans = [scanner.scan(sample_of(content)) for content in contents]
    return [verdicts[0].outcome for verdicts in await asyncio.gather(*scans)]


async def test_messages_that_an_engine_cannot_finish_keep_no_other_from_it() -> None:
    """A quiet node, on which nobody else was answered while the crafted ones lasted."""
    engine = Choking()
    scanner = scanner_of(engine)

    for number in range(3):
        crafted = [b"bad %d %d" % (number, each) for each in range(4)]
        assert await outcomes(scanner, *crafted) == [Outcome.TIMEOUT] * 4

        assert await outcomes(scanner, b"one", b"two") == [Outcome.CLEAN] * 2


async def test_no_trial_is_like_another_and_those_who_ask_at_once_share_one() -> None:
    engine = Choking()
    scanner = scanner_of(engine)

    await outcomes(scanner, *(b"bad %d" % each for each in range(20)))
    await outcomes(scanner, b"bad again")

    assert len(engine.trials) == len(set(engine.trials)) == 2


async def test_mail_that_is_answered_needs_no_trial() -> None:
    engine = Choking()

    await outcomes(scanner_of(engine), *(b"%d" % each for each in range(20)))

    assert not engine.trials


async def test_silence_on_a_quiet_node_is_the_messages_own_fault_and_has_an_end() -> None:
    engine, clock = Choking(), SystemClock()
    scanner = scanner_of(engine, clock)
    faults: dict[str, int] = {}

    for _ in range(FAULTS_MAX):
        began_s = clock.monotonic_s()
        verdicts = await scanner.scan(sample_of(b"bad"), known=faults)
        verdicts, faults = blamed(
            verdicts, faults, scanner=scanner, began_s=began_s, size=3, sha256=b""
        )

    assert [verdict.outcome for verdict in verdicts] == [Outcome.LIMITS]


async def test_an_engine_that_is_silent_on_trials_too_is_left_alone_until_it_scans_one() -> None:
    engine = Choking()
    scanner = scanner_of(engine)
    engine.is_dead = True
    await outcomes(scanner, b"one", b"two", b"three")

    assert await outcomes(scanner, b"four") == [Outcome.UNAVAILABLE]
    told = (await scanner.probe_all())[engine.name]  # PING is answered, nothing is scanned
    assert (told.answering, "its probe is answered" in told.detail) == (False, True)
    assert await outcomes(scanner, b"five") == [Outcome.UNAVAILABLE]

    engine.is_dead = False
    assert (await scanner.probe_all())[engine.name].answering
    assert await outcomes(scanner, *(b"%d" % each for each in range(9))) == [Outcome.CLEAN] * 9


async def test_a_message_that_is_cancelled_during_its_trial_says_nothing_of_its_engine() -> None:
    engine = Choking()
    engine.is_dead = True
    scanner = scanner_of(engine)
    for number in range(5):
        scan = asyncio.create_task(scanner.scan(sample_of(b"%d" % number)))
        async with asyncio.timeout(10):
            while len(engine.trials) <= number:
                await asyncio.sleep(0)
        scan.cancel()
        await asyncio.wait([scan])
        async with asyncio.timeout(10):  # the trial goes on, for others, and ends
            while any(task.get_name() == "trial.choking" for task in asyncio.all_tasks()):
                await asyncio.sleep(0.001)
    engine.is_dead = False

    assert await outcomes(scanner, b"one") == [Outcome.CLEAN]


async def test_who_waits_as_the_breaker_opens_is_told_and_who_is_cancelled_stays_so() -> None:
    async def scans_no_trial() -> bool:
        return False

    guard = EngineGuard("choking", SystemClock(), trial=scans_no_trial)
    waits = [asyncio.create_task(guard.asked(asyncio.Event().wait())) for _ in range(2)]
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    answered = asyncio.create_task(guard.asked(answer))
    await asyncio.sleep(0)

    waits[1].cancel()
    began_s = 1e12  # nobody was answered since
    for _ in range(SILENCES_MAX):
        assert guard.admits(is_known=False)
        guard.heard(Outcome.TIMEOUT, began_s=began_s, is_known=False)
    ended = await asyncio.gather(*waits, answered, return_exceptions=True)

    assert [type(one) for one in ended] == [LeftAlone, asyncio.CancelledError, LeftAlone]
    assert not (guard._waiting or guard._told)


async def test_an_engine_that_scans_small_mail_alone_is_left_alone_with_the_rest() -> None:
    engine = Choking()
    scanner = scanner_of(engine)
    engine.bytes_max = 20 * 1024

    assert await outcomes(scanner, *(LARGE + b"%d" % each for each in range(3)), b"small") == [
        *[Outcome.TIMEOUT] * 3,
        Outcome.CLEAN,
    ]

    assert await outcomes(scanner, LARGE, b"small") == [Outcome.UNAVAILABLE, Outcome.CLEAN]
    told = (await scanner.probe_all())[engine.name]
    assert not told.answering
    assert "it scans nothing of more than 256 KiB" in told.detail
    assert await outcomes(scanner, LARGE, b"small") == [Outcome.UNAVAILABLE, Outcome.CLEAN]

    engine.bytes_max = float("inf")
    assert (await scanner.probe_all())[engine.name].answering
    assert await outcomes(scanner, LARGE) == [Outcome.CLEAN]


async def test_a_way_that_loses_full_packets_is_no_fault_of_any_message() -> None:
    """Small probes pass, and no mail: each message would have become ``limits`` after its tries."""
    engine, clock = Choking(), SystemClock()
    scanner = scanner_of(engine, clock)
    engine.bytes_max = 1_400
    faults: dict[str, int] = {}
    message = sample_of(b"x" * 5_000)

    for _ in range(FAULTS_MAX + 1):
        began_s = clock.monotonic_s()
        verdicts = await scanner.scan(message, known=faults)
        verdicts, faults = blamed(
            verdicts, faults, scanner=scanner, began_s=began_s, size=message.size, sha256=b""
        )

    assert [verdict.outcome for verdict in verdicts] == [Outcome.TIMEOUT]


async def test_crafted_large_mail_keeps_no_other_large_mail_from_its_engine() -> None:
    scanner = scanner_of(Choking())

    for number in range(3):
        crafted = [b"bad %d %d" % (number, each) + LARGE for each in range(4)]
        assert await outcomes(scanner, *crafted) == [Outcome.TIMEOUT] * 4

        assert await outcomes(scanner, LARGE) == [Outcome.CLEAN]


async def test_no_trial_is_larger_than_what_its_engine_may_be_shown() -> None:
    engine = Choking()
    settings = EngineSettings(name=engine.name, kind="puppet", timeout_s=0.02, bytes_max=1_000)
    fitted = Fitted(engine=engine, settings=settings)
    scanner = Scanner([fitted], SystemClock(), registry=CollectorRegistry(), grace_s=0.05)

    await outcomes(scanner, b"bad")

    assert [len(trial) <= 1_000 for trial in engine.trials] == [True]
