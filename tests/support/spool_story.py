"""What happens to a spool in its life, and what was said meanwhile?

One message goes each of the ways that there are. The ledger holds what was acknowledged, and what
was merely begun; ``findings`` holds a recovered spool against it. Times stand still, so that each
run asks the same of the disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from common.envelope import Envelope
from common.errors import EnvironmentFailure
from common.ids import MessageId
from common.preferences import Document, Epoch, Position, Preferences
from common.records import Event, LogRecord
from common.states import OUTCOMES, State
from satellite.spool.messages import (
    Copy,
    Disposition,
    HoldMark,
    Judged,
    Judgement,
    NewMessage,
    Origin,
    Settled,
)
from satellite.spool.store import Spool

SMALL = b"Subject: small\r\n\r\n" + b"x" * 1500 + b"\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 4200
COPY = Copy(head=b"X-BorderScout: id=1\r\n")
RELEASE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
QUARANTINED = MessageId("01BX5ZZKBKACTAV9WEVGEMMVRZ")
POSITION = Position(Epoch(1, "e"), 1)
ROUTE = Document("route", "acme.example", 1, b'{"customer":"acme","deliver_to":["m.example:25"]}')
TRIES = 3  # of a step that the disk refused


@dataclass(slots=True)
class Ledger:
    """What was begun, and what was acknowledged."""

    is_off: Callable[[], bool] = lambda: False  # nothing is said any more
    begun: dict[MessageId, bytes] = field(default_factory=dict)
    accepted: dict[MessageId, int] = field(default_factory=dict)  # and at which step
    ended: dict[tuple[str, str], State] = field(default_factory=dict)
    marked: set[str] = field(default_factory=set)
    uploads: set[str] = field(default_factory=set)  # begun
    preferences: bool = False
    released: bool = False
    records: list[LogRecord] = field(default_factory=list)  # which the core has
    failures: list[str] = field(default_factory=list)
    said: list[tuple[str, str, int]] = field(default_factory=list)  # what, of which, at which step
    step: Callable[[], int] = lambda: 0

    def say(self, what: str, name: str = "") -> bool:
        """Acknowledge; False: the power has gone."""
        if self.is_off():
            return False
        self.said.append((what, name, self.step()))
        return True


def envelope(*recipients: str, sender: str = "a@sender.example") -> Envelope:
    return Envelope(
        client_address="192.0.2.7", helo="client.example", sender=sender, recipients=recipients
    )


def judgement(*dispositions: Disposition, sending: bool = False) -> Judgement:
    return Judgement(
        revision=1,
        subject="hi",
        message_id_header="<1@sender.example>",
        recipients=tuple(
            Judged(number=n, disposition=one, reason="because", copy=COPY, sending=sending)
            for n, one in enumerate(dispositions)
        ),
        verdicts=({"by": "yara", "outcome": "clean"},),
        score=0.5,
        quarantine_reason="virus" if Disposition.QUARANTINE in dispositions else "",
    )


class Story:
    """The life of one spool; ``tick`` moves its clock on, so that ids are in order."""

    def __init__(self, spool: Spool, ledger: Ledger, tick: Callable[[], None]) -> None:
        self._spool = spool
        self._ledger = ledger
        self._tick = tick

    async def tell(self) -> None:
        """Let everything happen, one after the other.

        Raises:
            EnvironmentFailure: the spool is broken.
        """
        await self._preferences()
        await self._delivered(SMALL, sending=True)
        await self._quarantined()
        await self._waited_and_dropped()
        await self._delivered(LARGE, sending=False)
        await self._acknowledged()
        await self._bounced()
        await self._released()
        await self._held_and_frozen()
        await self._damaged()
        await self._accepted(LARGE)
        await self._accepted(SMALL)

    async def _do(self, step: Callable[[], Awaitable[object]]) -> bool:
        """Do what a stage does: try again, since it may work later; say whether it did."""
        for _ in range(TRIES):
            try:
                await step()
            except EnvironmentFailure as error:
                self._ledger.failures.append(error.what)
                if self._spool.is_broken or self._ledger.is_off():
                    raise
            else:
                return True
        return False

    async def _accepted(self, body: bytes, *recipients: str) -> MessageId | None:
        for _ in range(TRIES):
            self._tick()
            entry = self._spool.begin()
            self._ledger.begun[entry.id] = body
            try:
                for start in range(0, len(body), 30_000):
                    entry.write(body[start : start + 30_000])
                await entry.commit(
                    envelope=envelope(*(recipients or ("x@acme.example",))),
                    trace=b"Received: t\r\n",
                )
            except EnvironmentFailure as error:
                entry.abandon()
                self._ledger.failures.append(error.what)
                if self._spool.is_broken or self._ledger.is_off():
                    raise
            else:
                if self._ledger.say("accepted", entry.id):
                    self._ledger.accepted[entry.id] = self._ledger.step()
                return entry.id
        return None

    async def _judged(self, message: MessageId, judged: Judgement) -> bool:
        return await self._do(lambda: self._spool.judge(message, judged))

    async def _settled(self, message: MessageId, *results: Settled) -> bool:
        stored = self._spool.message(message)
        if stored is None or not await self._do(lambda: self._spool.settle(message, results)):
            return False
        if self._ledger.say("settled", message):
            for result in results:
                if result.state in OUTCOMES:
                    address = stored.recipients[result.number].address
                    self._ledger.ended[message, address] = result.state
        return True

    async def _preferences(self) -> None:
        made = Preferences.from_documents([ROUTE], position=POSITION)
        done = await self._do(
            lambda: self._spool.apply_preferences(
                [ROUTE], position=POSITION, digest=made.digest, snapshot=True
            )
        )
        self._ledger.preferences = done and self._ledger.say("applied")

    async def _delivered(self, body: bytes, *, sending: bool) -> None:
        message = await self._accepted(body, "x@acme.example", "y@acme.example")
        deliver = Disposition.DELIVER
        if message is None or not await self._judged(
            message, judgement(deliver, deliver, sending=sending)
        ):
            return
        if not sending and not await self._do(lambda: self._spool.mark_sending(message, [0, 1])):
            return
        if self._ledger.say("marked", message):
            self._ledger.marked.add(message)
        delivered = Settled(number=0, state=State.DELIVERED, reason="250", reply="250 ok")
        deferred = Settled(number=1, state=State.DEFERRED, reason="450", next_us=5)
        if not await self._settled(message, delivered, deferred):
            return
        if await self._do(lambda: self._spool.mark_sending(message, [1])):
            await self._settled(message, Settled(number=1, state=State.DELIVERED, reason="250"))

    async def _quarantined(self) -> None:
        message = await self._accepted(LARGE)
        if message is None or not await self._judged(message, judgement(Disposition.QUARANTINE)):
            return
        if self._ledger.say("judged", message):
            self._ledger.ended[message, "x@acme.example"] = State.QUARANTINED
        self._ledger.uploads.add(message)
        if await self._do(lambda: self._spool.upload_taken(message)):
            self._ledger.say("handed over", message)

    async def _waited_and_dropped(self) -> None:
        message = await self._accepted(SMALL)
        if message is None:
            return
        for due_us in (7, 8):
            await self._do(
                lambda due_us=due_us: self._spool.wait(  # type: ignore[misc]
                    message, next_us=due_us, reason="clamav unavailable", verdicts=[]
                )
            )
        if await self._judged(message, judgement(Disposition.DROP)) and self._ledger.say(
            "judged", message
        ):
            self._ledger.ended[message, "x@acme.example"] = State.DROPPED

    async def _acknowledged(self) -> None:
        """The core takes the first half of what it has not seen."""
        seen = len(self._ledger.records)
        records = self._spool.records(after=seen, limit=1000)
        half = records[: len(records) // 2]
        self._ledger.records += half
        await self._do(lambda: self._spool.acknowledge_records(half[-1].sequence if half else 0))

    async def _bounced(self) -> None:
        message = await self._accepted(SMALL)
        if message is None or not await self._judged(message, judgement(Disposition.DELIVER)):
            return
        bounce = NewMessage(
            id=MessageId("01ARZ3NDEKTSV4RRFFQ69G5FAW"),
            origin=Origin.BOUNCE,
            envelope=envelope("a@sender.example", sender=""),
            body=b"Subject: failed\r\n\r\n",
            copy=Copy(head=b""),
        )
        self._ledger.begun[bounce.id] = bounce.body
        result = Settled(number=0, state=State.BOUNCED, reason="550")
        if await self._do(lambda: self._spool.settle(message, [result], bounces=[bounce])) and (
            self._ledger.say("settled", message)
        ):
            self._ledger.ended[message, "x@acme.example"] = State.BOUNCED

    async def _released(self) -> None:
        async def take() -> None:
            if self._spool.release_is_known(RELEASE):
                return
            self._tick()
            entry = self._spool.begin()
            self._ledger.begun[entry.id] = LARGE
            try:
                entry.write(LARGE)
                await entry.commit_release(
                    release_id=RELEASE,
                    envelope=envelope("x@acme.example"),
                    copy=COPY,
                    subject="hi",
                    released_from=QUARANTINED,
                )
            except BaseException:
                entry.abandon()
                raise

        if await self._do(take) and self._ledger.say("released"):
            self._ledger.released = True

    async def _held_and_frozen(self) -> None:
        message = await self._accepted(SMALL)
        if message is None or not await self._judged(message, judgement(Disposition.DELIVER)):
            return
        mark = HoldMark(destination="m.example:25", since_us=1, reason="timed out")
        await self._do(lambda: self._spool.mark_away(mark))
        await self._settled(message, Settled(number=0, state=State.HELD, reason="timed out"))
        await self._do(lambda: self._spool.freeze(message, "an operator asked"))
        await self._do(lambda: self._spool.resume(message))
        await self._do(lambda: self._spool.freeze(message, "an operator asked"))
        await self._do(lambda: self._spool.mark_back("m.example:25"))

    async def _damaged(self) -> None:
        message = await self._accepted(LARGE)
        if message is not None:
            await self._do(lambda: self._spool.damage(message, "its file cannot be read"))


def findings(spool: Spool, ledger: Ledger) -> list[str]:
    """Return what is wrong with a spool that was recovered; nothing is wrong when it is empty."""
    kept = spool.records(after=len(ledger.records), limit=100_000)
    records = [*ledger.records, *kept]
    told = replayed(records)
    return [
        *_holes(records),
        *_states(spool, ledger, told),
        *_acknowledged(spool, ledger, told),
        *_bodies(spool, ledger),
    ]


def replayed(records: list[LogRecord]) -> dict[tuple[str, str], State]:
    """Return the state of each recipient as the records alone tell it."""
    told: dict[tuple[str, str], State] = {}
    simple = {
        Event.DEFERRED: State.DEFERRED,
        Event.HELD: State.HELD,
        Event.FROZEN: State.FROZEN,
        Event.RESUMED: State.DEFERRED,
        Event.POSSIBLY_DELIVERED: State.DEFERRED,
        Event.DAMAGED: State.DAMAGED,
    }
    disposed = {"deliver": State.QUEUED, "drop": State.DROPPED, "quarantine": State.QUARANTINED}
    for record in records:
        fields = record.decoded()
        message = record.message_id
        match record.event:
            case Event.ACCEPTED:
                first = State.RECEIVED if fields["origin"] == "smtp" else State.QUEUED
                told.update({(message, one): first for one in fields["recipients"]})
            case Event.WAITING:
                told.update({key: State.WAITING for key in told if key[0] == message})
            case Event.JUDGED:
                for one in fields["recipients"]:
                    told[message, one["address"]] = disposed[one["disposition"]]
            case Event.ENDED:
                for one in fields["recipients"]:
                    told[message, one["address"]] = State(one["outcome"])
            case event if event in simple:
                for one in fields["recipients"]:
                    address = one if isinstance(one, str) else one["address"]
                    told[message, address] = simple[Event(event)]
            case _:
                pass
    return told


def _holes(records: list[LogRecord]) -> list[str]:
    found = [record.sequence for record in records]
    wanted = list(range(1, len(records) + 1))
    return [] if found == wanted else [f"the records are numbered {found}"]


def _states(spool: Spool, ledger: Ledger, told: dict[tuple[str, str], State]) -> list[str]:
    wrong = []
    there = {stored.id: stored for stored in spool.unfinished(limit=100_000)}
    untold = there.keys() - {message for message, _ in told}
    wrong += [f"{message} has no record" for message in untold]
    for (message, address), state in told.items():
        stored = there.get(MessageId(message))
        if stored is not None:
            found = [r.state for r in stored.recipients if r.address == address]
            if found != [state]:
                wrong.append(f"{message} {address} is {found}, its records say {state}")
        elif state not in OUTCOMES:
            wrong.append(f"{message} {address} is gone, its records say {state}")
        elif state is State.QUARANTINED and message not in ledger.uploads:
            wrong.append(f"{message} is quarantined and gone, and nobody has it")
    for stored in there.values():
        states = {recipient.state for recipient in stored.recipients}
        if states <= OUTCOMES - {State.QUARANTINED}:
            wrong.append(f"{stored.id} has ended and is still there")
    return wrong


def _acknowledged(spool: Spool, ledger: Ledger, told: dict[tuple[str, str], State]) -> list[str]:
    known = {message for message, _ in told}
    wrong = [f"{message} was accepted and is lost" for message in ledger.accepted.keys() - known]
    wrong += [f"{message} was never sent to us" for message in known - ledger.begun.keys()]
    wrong += [
        f"{key} had ended as {state}, and is {told.get(key)}"
        for key, state in ledger.ended.items()
        if told.get(key) is not state
    ]
    wrong += [
        f"{message} had its sending mark, and is {state}"
        for (message, _), state in told.items()
        if message in ledger.marked and state in {State.RECEIVED, State.QUEUED}
    ]
    if spool.preferences.position.revision != 1 and ledger.preferences:
        wrong.append("the preferences were applied and are lost")
    if ledger.released and not spool.release_is_known(RELEASE):
        wrong.append("the release was taken and is not known")
    return wrong


def _bodies(spool: Spool, ledger: Ledger) -> list[str]:
    wrong = []
    files = set()
    for stored in spool.unfinished(limit=100_000):
        body = ledger.begun.get(stored.id, b"")
        files |= {stored.id} if stored.in_file else set()
        with spool.open_body(stored) as opened:
            found = opened.read(0, stored.size)
        if found != body or hashlib.sha256(body).digest() != stored.sha256:
            wrong.append(f"{stored.id} has another body")
    there = {path.name for path in (spool.folder / "bodies").iterdir()}
    if there != files:
        wrong.append(f"body files that nobody needs: {sorted(there - files)}")
    return wrong
