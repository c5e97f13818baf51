"""What happens to a spool in its life, and what was said meanwhile?

One message goes each of the ways that there are. The ledger holds what was acknowledged, and what
was merely begun; ``spool_findings`` holds a recovered spool against it. Times stand still, so that
each run asks the same of the disk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from common.envelope import Envelope
from common.errors import EnvironmentFailure
from common.ids import MessageId
from common.preferences import Document, Epoch, Position, Preferences
from common.records import LogRecord
from common.states import OUTCOMES, State
from common.verdict import Outcome, Verdict
from satellite.spool.model.messages import (
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
    notices: dict[str, str] = field(default_factory=dict)  # of what was sent back
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
        verdicts=(Verdict(by="yara", outcome=Outcome.CLEAN),),
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
        await self._given_back()
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
        bounce = self._notice("01ARZ3NDEKTSV4RRFFQ69G5FAW")
        result = Settled(number=0, state=State.BOUNCED, reason="550")
        if await self._do(lambda: self._spool.settle(message, [result], bounces=[bounce])) and (
            self._ledger.say("settled", message)
        ):
            self._ledger.ended[message, "x@acme.example"] = State.BOUNCED

    def _notice(self, name: str) -> NewMessage:
        bounce = NewMessage(
            id=MessageId(name),
            origin=Origin.BOUNCE,
            envelope=envelope("a@sender.example", sender=""),
            body=b"Subject: failed\r\n\r\n",
            copy=Copy(head=b""),
        )
        self._ledger.begun[bounce.id] = bounce.body
        return bounce

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
                    suspect=False,
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

    async def _given_back(self) -> None:
        """An operator sends back what is damaged of a message, and in a file."""
        message = await self._accepted(LARGE)
        if message is None or not await self._do(
            lambda: self._spool.damage(message, "its file cannot be read")
        ):
            return
        bounce = self._notice("01ARZ3NDEKTSV4RRFFQ69G5FAX")
        self._ledger.notices[message] = bounce.id
        if await self._do(
            lambda: self._spool.bounce(message, [0], "by an operator", bounces=[bounce])
        ) and self._ledger.say("settled", message):
            self._ledger.ended[message, "x@acme.example"] = State.BOUNCED
