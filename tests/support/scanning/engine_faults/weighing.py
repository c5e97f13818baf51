"""What becomes of a message whose engine suffers a fault, under each policy?

Touches a spool and the engines that it is given. Each message is judged by the real stage with the
real scanner: the engine in question, and another one that has read the message and found nothing.
It bears the file that the engine would have named, so that whoever lets it pass lets a virus pass.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.ids import MessageId
from common.preferences import Kind
from common.records import Event
from common.settings.satellite import EngineSettings
from common.states import State
from common.verdict import Outcome, Verdict
from satellite.scanning.engine import EngineHealth, Fitted
from satellite.scanning.run import Scanner
from satellite.scanning.sample import Sample
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import at, document, preferences, route
from tests.support.judging.judging_room import JudgingRoom
from tests.support.scanning.engine_faults import MESSAGE, Fault, FaultBench
from tests.support.spool.open_spool import accept

WAITS = "waits"
TAG = "[marked]"
REQUIRED, OPTIONAL, OTHER = "required", "optional", "other"
GRACE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCase:
    """One column.

    Args:
        words: what the page calls it.
        keys: of the recipient's policy.
        is_required: whether the engine in question must answer.
        other_reads: whether the other engine reads the message, or is silent as well.
    """

    words: str
    keys: Mapping[str, str] = field(default_factory=dict)
    is_required: bool = True
    other_reads: bool = True


CASES = (
    PolicyCase(words="`unavailable: wait`", keys={"unavailable": "wait"}),
    PolicyCase(words="`quarantine`", keys={"unavailable": "quarantine"}),
    PolicyCase(words="`mark`", keys={"unavailable": "mark"}),
    PolicyCase(
        words="`mark`, `unavailable.error: quarantine`",
        keys={"unavailable": "mark", "unavailable.error": "quarantine"},
    ),
    PolicyCase(
        words="`mark`, `unavailable.timeout: quarantine`",
        keys={"unavailable": "mark", "unavailable.timeout": "quarantine"},
    ),
    PolicyCase(words="it need not answer", is_required=False),
    PolicyCase(
        words="`mark`, and no other engine answers",
        keys={"unavailable": "mark"},
        other_reads=False,
    ),
    PolicyCase(words="it need not answer, and no other does", is_required=False, other_reads=False),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What happened to one message.

    Args:
        outcome: the verdict of the engine in question.
        detail: what it said beside; the page has it not.
        happened: in words.
        readers: engines that read the message, as they were asked to.
        later: what became of it once the engine was well again; empty where it had ended before.
    """

    outcome: Outcome
    detail: str
    happened: str
    readers: tuple[str, ...]
    later: str = ""

    @property
    def is_delivered(self) -> bool:
        return self.happened.startswith("delivered")


class OtherEngine:
    """Reads every message and finds nothing; or is away."""

    name = OTHER

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self.read: list[MessageId] = []

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        if not self._reads:
            return Verdict(by=OTHER, outcome=Outcome.UNAVAILABLE, detail="no connection")
        assert sample.read(0, sample.size) == MESSAGE
        self.read.append(sample.id)
        return Verdict(by=OTHER, outcome=Outcome.CLEAN)

    async def probe(self) -> EngineHealth:
        return EngineHealth(answering=self._reads)

    async def close(self) -> None:
        pass


async def row(
    bench: FaultBench, fault: Fault, folder: Path, cases: Sequence[PolicyCase] = CASES
) -> Sequence[Cell]:
    """Return what happened under each policy."""
    async with _spool(folder, cases) as spool:
        messages = [
            await accept(spool, _address(number), body=MESSAGE) for number in range(len(cases))
        ]
        async with bench.arrange(fault) as make:
            judged = await asyncio.gather(
                *(
                    _judged(spool, message, case, make(_name(case)))
                    for message, case in zip(messages, cases, strict=True)
                )
            )
        later = [""] * len(cases)
        async with bench.arrange(None) as make:
            for number, (message, case) in enumerate(zip(messages, cases, strict=True)):
                if judged[number].happened == WAITS:
                    later[number] = (
                        await _judged(spool, message, case, make(_name(case)))
                    ).happened
    return [replace(cell, later=then) for cell, then in zip(judged, later, strict=True)]


def _name(case: PolicyCase) -> str:
    return REQUIRED if case.is_required else OPTIONAL


def _address(number: int) -> str:
    return f"case{number}@acme.example"


async def _judged(spool: Spool, message: MessageId, case: PolicyCase, fitted: Fitted) -> Cell:
    other = OtherEngine(reads=case.other_reads)
    beside = Fitted(engine=other, settings=EngineSettings(name=OTHER, kind="other"))
    scanner = Scanner(
        [fitted, beside], SystemClock(), registry=CollectorRegistry(), grace_s=GRACE_S
    )
    engines = [{"name": one.settings.name, "kind": "yara"} for one in (fitted, beside)]
    room = JudgingRoom(spool, FakeClock(), scanner=scanner, engines=engines)
    try:
        await room.judging.judge(message)
    finally:
        await scanner.close()
    said = _last_verdict(spool, message, fitted.settings.name)
    readers = (OTHER,) if message in other.read else ()
    outcome, detail = Outcome(said["outcome"]), said.get("detail", "")
    return Cell(outcome, detail, _happened(spool, message), readers)


def _happened(spool: Spool, message: MessageId) -> str:
    stored = spool.message(message)
    assert stored is not None
    (recipient,) = stored.recipients
    match recipient.state:
        case State.RECEIVED | State.WAITING:
            return WAITS
        case State.QUEUED:
            is_marked = TAG.encode() in stored.copies[recipient.copy].head
            return "delivered, marked" if is_marked else "delivered"
        case State.QUARANTINED:
            key, _, _ = recipient.reason.partition(":")
            return f"quarantined: {key}"
        case state:
            return str(state)


def _last_verdict(spool: Spool, message: MessageId, name: str) -> dict[str, Any]:
    said = [
        *_records(spool, message, Event.WAITING),
        *_records(spool, message, Event.SCANNED),
    ]
    verdicts: list[dict[str, Any]] = said[-1]["verdicts"]
    return next(one for one in verdicts if one["by"] == name)


def _records(spool: Spool, message: MessageId, event: Event) -> list[dict[str, Any]]:
    return [
        json.loads(record.fields)
        for record in spool.records(after=0, limit=1000)
        if record.event == event and record.message_id == message
    ]


@asynccontextmanager
async def _spool(folder: Path, cases: Sequence[PolicyCase]) -> AsyncIterator[Spool]:
    folder.mkdir(parents=True)
    spool = await Spool.open(folder, node="lon1", shard=0, clock=FakeClock())
    try:
        documents = [
            route("acme.example"),
            document(Kind.ENGINE, OPTIONAL, required=False),
            document(Kind.POLICY, "cluster", subject_tag=TAG),
            *(
                document(Kind.POLICY, f"recipient/{_address(number)}", **case.keys)
                for number, case in enumerate(cases)
                if case.keys
            ),
        ]
        await spool.apply_preferences(
            documents, position=at(1), digest=preferences(*documents).digest, snapshot=True
        )
        yield spool
    finally:
        await spool.close()
