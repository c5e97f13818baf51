"""What a scan before the answer makes of a message, from the verdicts to what is on disk."""

from __future__ import annotations

import asyncio

import pytest

from common.envelope import Envelope
from common.ids import MessageId
from common.preferences import Document, Kind
from common.records import Event
from common.states import State
from common.verdict import Outcome, Verdict
from satellite.spool.intake import SpoolEntry
from satellite.spool.model.messages import Judgement
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, route
from tests.support.judging.judging_room import INFECTED, LARGE, SILENT, JudgingRoom
from tests.support.spool.listening import listen
from tests.support.spool.open_spool import SMALL, TRACE, OpenSpool

X, Y = "x@acme.example", "y@acme.example"


@pytest.fixture
async def room(spool: Spool, clock: FakeClock) -> JudgingRoom:
    made = JudgingRoom(spool, clock)
    await made.prefer(*with_policies())
    return made


def with_policies(**recipients: dict[str, str]) -> list[Document]:
    """Return preferences that reject a virus, but for recipients that say otherwise."""
    return [
        route("acme.example"),
        document(Kind.POLICY, "cluster", virus="reject", scan="before"),
        *(
            document(Kind.POLICY, f"recipient/{name}@acme.example", **keys)
            for name, keys in recipients.items()
        ),
    ]


class Offer:
    """A message that came and is not answered yet."""

    def __init__(self, room: JudgingRoom, *recipients: str, body: bytes = SMALL) -> None:
        self._room = room
        self.entry: SpoolEntry = room.spool.begin()
        self.entry.write(body)
        self.envelope = Envelope(
            client_address="192.0.2.7",
            helo="client.example",
            sender="a@sender.example",
            recipients=recipients or (X,),
        )

    async def judged_before(self) -> Judgement | None:
        stored, body = self.entry.offered(envelope=self.envelope, trace=TRACE)
        with body:
            return await self._room.judging.judge_before_answer(stored, body)

    async def taken(self, judgement: Judgement | None) -> MessageId:
        await self.entry.commit(envelope=self.envelope, trace=TRACE, judgement=judgement)
        return self.entry.id


def told(room: JudgingRoom, message: MessageId) -> list[str]:
    records = room.spool.records(after=0, limit=1000)
    return [record.event for record in records if record.message_id == message]


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["in memory", "in a file"])
async def test_a_virus_that_all_reject_is_rejected_and_nothing_stays_but_its_records(
    room: JudgingRoom, body: bytes
) -> None:
    offer = Offer(room, X, Y, body=body)
    room.engines.verdicts = (INFECTED,)

    judgement = await offer.judged_before()
    assert judgement is not None
    assert judgement.rejected_for == "virus"
    assert room.engines.seen == [(offer.entry.id, body)]
    await offer.entry.reject(envelope=offer.envelope, trace=TRACE, judgement=judgement)
    offer.entry.abandon()

    message = offer.entry.id
    assert room.spool.message(message) is None
    assert not any(room.spool.counts().values())
    assert room.spool.stored_bytes == 0
    assert told(room, message) == ["rejected", "scanned", "judged", "ended"]
    (rejected,) = room.records(Event.REJECTED, message)
    assert (rejected["sender"], rejected["recipients"]) == ("a@sender.example", [X, Y])
    (ended,) = room.records(Event.ENDED, message)
    assert [(one["address"], one["outcome"]) for one in ended["recipients"]] == [
        (X, "rejected"),
        (Y, "rejected"),
    ]
    assert "Eicar-Test" in ended["recipients"][0]["reason"]


async def test_one_recipient_that_does_not_reject_makes_it_a_quarantine_for_the_others(
    room: JudgingRoom,
) -> None:
    await room.prefer(*with_policies(y={"virus": "mark"}), revision=2)
    room.engines.verdicts = (INFECTED,)
    room.free = {Y}
    offer = Offer(room, X, Y)

    judgement = await offer.judged_before()
    assert judgement is not None
    assert judgement.rejected_for == ""
    offered: list[MessageId] = []
    listen(room.spool, queued=offered.append)
    message = await offer.taken(judgement)

    states = {one.address: one.state for one in room.recipients(message).values()}
    assert states == {X: State.QUARANTINED, Y: State.SENDING}
    assert offered == [message]
    assert told(room, message) == ["accepted", "scanned", "judged", "ended"]
    (upload,) = room.spool.uploads(limit=10)
    assert upload.recipients == (X,)
    assert "acts as quarantine" in upload.detail


async def test_clean_mail_is_accepted_and_judged_in_one_commit_and_not_scanned_again(
    room: JudgingRoom, open_spool: OpenSpool
) -> None:
    offer = Offer(room, X, body=LARGE)
    received: list[MessageId] = []
    listen(room.spool, received=received.append)

    message = await offer.taken(await offer.judged_before())

    assert room.states(message) == {State.QUEUED}
    assert "disposition=deliver" in room.head(message, X)
    assert received == []
    again = await open_spool()
    assert again.backlog.scan == []
    assert again.counts()[State.QUEUED] == 1
    stored = again.message(message)
    assert stored is not None
    with again.open_body(stored) as body:
        assert body.read(0, body.size) == LARGE


async def test_what_is_dropped_for_all_leaves_nothing_behind(room: JudgingRoom) -> None:
    await room.prefer(*with_policies(x={"virus": "drop"}), revision=2)
    room.engines.verdicts = (INFECTED,)
    offer = Offer(room, X, body=LARGE)
    queued: list[MessageId] = []
    listen(room.spool, queued=queued.append, received=queued.append)

    message = await offer.taken(await offer.judged_before())

    assert room.spool.message(message) is None
    assert room.spool.stored_bytes == 0
    assert queued == []
    assert told(room, message)[-1] == "ended"


@pytest.mark.parametrize("silent", [SILENT, Verdict(by="yara", outcome=Outcome.TIMEOUT)])
async def test_a_silent_engine_rejects_nothing_and_the_message_is_judged_later(
    room: JudgingRoom, silent: Verdict
) -> None:
    room.engines.verdicts = (silent,)
    offer = Offer(room)

    assert await offer.judged_before() is None
    message = await offer.taken(None)

    assert room.states(message) == {State.RECEIVED}


async def test_a_virus_in_accepted_mail_is_never_rejected(room: JudgingRoom) -> None:
    room.engines.verdicts = (INFECTED,)
    offer = Offer(room)
    message = await offer.taken(None)

    await room.judging.judge(message)

    (ended,) = room.records(Event.ENDED, message)
    assert ended["recipients"][0]["outcome"] == "quarantined"


async def test_a_scan_that_nobody_waits_for_leaves_its_place_to_others(room: JudgingRoom) -> None:
    holding = asyncio.Event()

    async def hold() -> None:
        holding.set()
        await asyncio.Event().wait()

    room.engines.meanwhile = hold
    for _ in range(20):
        holding.clear()
        scan = asyncio.create_task(Offer(room).judged_before())
        await holding.wait()
        scan.cancel()
        await asyncio.gather(scan, return_exceptions=True)
    room.engines.meanwhile = None

    assert await Offer(room).judged_before() is not None
