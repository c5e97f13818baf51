"""Messages that an engine dies of: found out, set aside, and no burden to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.envelope import Envelope
from common.ids import MessageId
from common.preferences import Preferences
from common.preferences.documents import NOTHING
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.filtering.filter import Mail
from satellite.filtering.inside import GivenInside
from satellite.headers import HeaderBlock
from satellite.judging.examination import ExaminingRooms
from satellite.scanning.asked_engine import DEADLY, NO_TRIAL
from satellite.scanning.clamd.replies import ClamdVersion
from satellite.scanning.clamd.server import ClamdServer
from satellite.scanning.deaths import DeadlyOctets, deaths_of
from satellite.scanning.engine import EngineHealth, Fitted
from satellite.scanning.engines.clamav import Clamav
from satellite.scanning.run import Scanner
from satellite.scanning.sample import Sample
from satellite.scanning.turnstile import Turnstile
from tests.support.judging.looks import given_looks
from tests.support.scanning.messages import sample_of
from tests.support.scanning.scripted_clamd import Close, ScriptedClamd

DEADLINE_S = 60.0
MAIL = Mail(
    envelope=Envelope(client_address="", helo="", sender="", recipients=("x@acme.example",)),
    headers=HeaderBlock.parse(b"Subject: hello\r\n\r\n"),
    size=0,
    preferences=Preferences.from_documents((), position=NOTHING),
    now_us=0,
    inside=GivenInside(data=b""),
)


class NoFilters:
    def at_once(self, mail: Mail) -> tuple[Verdict, ...]:
        return ()

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        return ()


@dataclass
class Node:
    """A scripted clamd, and the rooms that ask it; messages with ``deadly`` in them end it."""

    peer: ScriptedClamd
    scanner: Scanner
    rooms: ExaminingRooms
    registry: CollectorRegistry
    is_down: asyncio.Event
    goes_on: asyncio.Event
    has_read: asyncio.Semaphore  # released for each message that is read and not answered yet
    read: list[bytes]  # all that clamd was shown
    faults: dict[str, Mapping[str, int]] = field(default_factory=dict)

    async def judged(self, content: bytes, number: int = 0) -> Verdict:
        """Return the verdict of one more try of a message; of one content there may be several."""
        name = f"{content.decode()} {number}" if number else content.decode()
        sample: Sample = replace(sample_of(content), id=MessageId(name.replace(" ", "-")))
        found = await self.rooms.examined(
            sample, MAIL, self.faults.get(name, {}), required={}, ages_max_us={}
        )
        self.faults[name] = found.faults
        return found.verdicts[0]

    async def dies(self) -> None:
        """Wait until clamd has died, with all its connections, and begin it anew."""
        await self.is_down.wait()
        await self.peer.__aexit__()
        self.is_down.clear()

    async def begins_anew(self) -> None:
        await self.peer.__aenter__()
        await self.scanner.probe_all()

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"engine": "clamav", **labels})


@asynccontextmanager
async def node(folder: Path, *, whole: bool) -> AsyncIterator[Node]:
    """Give a node whose clamd dies as a whole of a deadly message, or closes its connection."""
    is_down, goes_on = asyncio.Event(), asyncio.Event()
    goes_on.set()
    has_read, read = asyncio.Semaphore(0), list[bytes]()

    async def script(content: bytes) -> bytes:
        read.append(content)
        if content.startswith(b"deadly"):
            if not whole:
                raise Close
            is_down.set()
            await asyncio.Event().wait()
        has_read.release()
        await goes_on.wait()
        return b"stream: OK"

    clock, registry = SystemClock(), CollectorRegistry()
    async with asyncio.timeout(DEADLINE_S), ScriptedClamd(folder / "c", script) as peer:
        engine = Clamav("clamav", [peer.address], clock=clock, sessions_max=100)
        settings = EngineSettings(name="clamav", kind="clamd")
        scanner = Scanner([Fitted(engine=engine, settings=settings)], clock, registry=registry)
        await scanner.probe_all()  # as a node does at its start: else the engine is a new one later
        rooms = ExaminingRooms(scanner, NoFilters(), given_looks(), clock)
        yield Node(peer, scanner, rooms, registry, is_down, goes_on, has_read, read)
        await scanner.close()


async def test_a_message_that_ends_its_connection_twice_is_set_aside_and_seen(
    tmp_path: Path,
) -> None:
    async with node(tmp_path, whole=False) as one:
        first = await one.judged(b"deadly")
        second = await one.judged(b"deadly")

        assert (first.outcome, first.died) == (Outcome.ERROR, True)
        assert second.outcome is Outcome.LIMITS
        assert second.detail == (
            "it died of this message 2 times, but read others: "
            "clamd closed the session without an answer"
        )
        assert one.count("borderscout_scan_set_aside_total", reason="died") == 1
        assert one.scanner.problems() == (
            "engine clamav died of messages, or could not finish them: 1 set aside as "
            "unscannable, the last deadly",
        )


async def test_a_message_that_comes_many_times_ends_the_engine_twice_and_no_oftener(
    tmp_path: Path,
) -> None:
    async with node(tmp_path, whole=True) as one:
        for count in (1, 40):
            async with asyncio.TaskGroup() as group:
                copies = [group.create_task(one.judged(b"deadly", n)) for n in range(count)]
                await one.dies()
            assert Outcome.CLEAN not in {task.result().outcome for task in copies}
            assert sum(task.result().died for task in copies) == 1
            await one.begins_anew()
        was = one.count("borderscout_scan_set_aside_total", reason="died") or 0.0

        one.read.clear()

        verdicts = [await one.judged(b"deadly", number) for number in range(100, 160)]

        assert not one.read
        assert {verdict.outcome for verdict in verdicts} == {Outcome.LIMITS}
        assert {verdict.detail for verdict in verdicts} == {DEADLY}
        assert one.count("borderscout_scan_set_aside_total", reason="died") == was + 60


async def test_who_waits_to_be_alone_with_it_hears_what_was_found_out_meanwhile(
    tmp_path: Path,
) -> None:
    async with node(tmp_path, whole=False) as one:
        await one.judged(b"deadly")

        copies = await asyncio.gather(*(one.judged(b"deadly", n) for n in range(1, 20)))

        assert sum(verdict.died for verdict in copies) == 1
        assert {verdict.outcome for verdict in copies if not verdict.died} == {Outcome.LIMITS}


async def test_another_version_of_the_engine_is_shown_what_the_last_one_died_of(
    tmp_path: Path,
) -> None:
    async with node(tmp_path, whole=False) as one:
        for number in range(2):
            await one.judged(b"deadly", number)
        assert (await one.judged(b"deadly", 2)).detail == DEADLY

        one.scanner.forget("clamav")

        assert (await one.judged(b"deadly", 3)).died


async def test_what_took_longer_than_the_others_wait_is_not_taken_for_deadly_by_its_octets(
    tmp_path: Path,
) -> None:
    """Somebody else was there when it died: it may be their doing."""
    async with node(tmp_path, whole=False) as one:
        await one.judged(b"deadly", 0)
        engine = one.scanner._engines["clamav"]
        engine._turnstile = Turnstile(alone_s=0.0)

        await one.judged(b"deadly", 1)

        assert not one.scanner.died_alone("clamav", sample_of(b"deadly").sha256)
        assert (await one.judged(b"deadly", 2)).died


async def test_what_it_died_of_while_nobody_else_was_there_is_known_for_it(tmp_path: Path) -> None:
    async with node(tmp_path, whole=False) as one:
        await one.judged(b"deadly", 0)
        first = one.scanner.died_alone("clamav", sample_of(b"deadly").sha256)

        await one.judged(b"deadly", 1)

        assert (first, one.scanner.died_alone("clamav", sample_of(b"deadly").sha256)) == (
            False,
            True,
        )


@pytest.mark.parametrize("by", ["a probe", "an answer", "another server's answer"])
async def test_whoever_tells_it_another_version_is_shown_them_and_one_of_before_is_not(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several servers with different definitions one tells this version, and one that."""
    async with node(tmp_path, whole=False) as one:

        def tells(definitions: str) -> None:
            said = ClamdVersion(version="1.4.3", definitions=definitions)
            monkeypatch.setattr(ClamdServer, "version", property(lambda _: said))

        tells("100")
        await one.judged(b"good", 1)
        if by == "another server's answer":
            tells("101")
            await one.judged(b"good", 2)
        tells("100")
        for number in range(2):
            await one.judged(b"deadly", number)
        tells("101")
        if by == "a probe":
            health = EngineHealth(answering=True, version="1.4.3", definitions="101")
            monkeypatch.setattr(ClamdServer, "probe", lambda _: _after(health))
            await one.scanner.probe_all()
        else:
            await one.judged(b"good", 3)

        is_shown = (await one.judged(b"deadly", 3)).died

    assert is_shown is (by != "another server's answer")


async def _after(health: EngineHealth) -> EngineHealth:
    return health


def test_octets_are_remembered_for_an_hour_and_a_thousand_others() -> None:
    deadly = DeadlyOctets()
    deadly.died(b"1", is_alone=True, now_s=0.0)
    deadly.died(b"1", is_alone=False, now_s=1.0)
    deadly.died(b"2", is_alone=False, now_s=1.0)

    def state(sha256: bytes, now_s: float) -> tuple[bool, bool]:
        return (
            deadly.is_suspect(sha256, now_s=now_s),
            deadly.is_deadly(sha256, now_s=now_s),
        )

    assert (state(b"1", 3600.9), state(b"2", 3600.9)) == ((True, True), (True, False))
    assert state(b"1", 3601.0) == (False, False)
    deadly.survived(b"2")
    assert state(b"2", 2.0) == (False, False)
    for number in range(1024):
        deadly.died(b"%d other" % number, is_alone=False, now_s=2.0)
    assert (len(deadly.seen), state(b"1", 2.0)) == (1024, (False, False))


async def test_a_flood_of_them_keeps_no_other_mail_from_the_engine(tmp_path: Path) -> None:
    async with node(tmp_path, whole=False) as one:
        others: list[Verdict] = []
        for wave in range(4):  # as fresh mail and again, with other mail among them
            async with asyncio.TaskGroup() as group:
                bad = [group.create_task(one.judged(b"deadly %d" % n)) for n in range(25)]
                good = [group.create_task(one.judged(b"good %d %d" % (wave, n))) for n in range(25)]
            others += [task.result() for task in good]
            assert one.count("borderscout_engine_breaker_open") == 0
            if wave == 1:
                assert {task.result().outcome for task in bad} == {Outcome.LIMITS}

        assert {verdict.outcome for verdict in others} == {Outcome.CLEAN}
        assert not any(faults for name, faults in one.faults.items() if name.startswith("good"))


async def test_who_was_there_when_the_engine_died_is_told_from_who_did_it(tmp_path: Path) -> None:
    async with node(tmp_path, whole=True) as one:
        one.goes_on.clear()  # the others are in the middle as it dies
        async with asyncio.TaskGroup() as group:
            there = [group.create_task(one.judged(b"good %d" % number)) for number in range(3)]
            for _ in there:
                await one.has_read.acquire()
            deadly = group.create_task(one.judged(b"deadly"))
            await one.dies()
        one.goes_on.set()
        assert all(task.result().died for task in (*there, deadly))
        assert {faults[deaths_of("clamav")] for faults in one.faults.values()} == {1}

        await one.begins_anew()
        async with asyncio.TaskGroup() as group:
            again = group.create_task(one.judged(b"deadly"))
            while not one.is_down.is_set():
                await asyncio.sleep(0)
            fresh = [group.create_task(one.judged(b"fresh %d" % number)) for number in range(3)]
            await asyncio.sleep(0)
            await one.dies()
        assert again.result().outcome is Outcome.LIMITS
        assert {task.result().outcome for task in fresh} == {Outcome.UNAVAILABLE}
        assert not any(task.result().died for task in fresh)  # they waited outside

        await one.begins_anew()
        for number in range(3):
            for kind in (b"good", b"fresh"):
                verdict = await one.judged(b"%s %d" % (kind, number))
                assert verdict.outcome is Outcome.CLEAN


async def test_while_the_engine_scans_no_trial_nothing_is_shown_to_it_again(
    tmp_path: Path,
) -> None:
    async with node(tmp_path, whole=True) as one:
        async with asyncio.TaskGroup() as group:
            group.create_task(one.judged(b"deadly"))
            await one.dies()

        verdicts = [await one.judged(b"deadly") for _ in range(2)]

        assert {verdict.outcome for verdict in verdicts} == {Outcome.UNAVAILABLE}
        assert {verdict.detail for verdict in verdicts} == {NO_TRIAL}
        assert one.faults["deadly"][deaths_of("clamav")] == 1


@pytest.mark.parametrize("whole", [True, False])
async def test_a_message_on_which_the_engine_is_well_again_has_its_verdict(
    tmp_path: Path, whole: bool
) -> None:
    async with node(tmp_path, whole=whole) as one:
        one.faults["good"] = {"clamav": 0, deaths_of("clamav"): 1}

        assert (await one.judged(b"good")).outcome is Outcome.CLEAN
