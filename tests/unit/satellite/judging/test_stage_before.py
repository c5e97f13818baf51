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
from tests.support.node.shard import SMALL, TRACE, OpenSpool
from tests.support.spool.listening import listen
from tests.unit.satellite.judging.test_stage import INFECTED, LARGE, SILENT, House

X, Y = "x@acme.example", "y@acme.example"


@pytest.fixture
async def house(spool: Spool, clock: FakeClock) -> House:
    made = House(spool, clock)
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

    def __init__(self, house: House, *recipients: str, body: bytes = SMALL) -> None:
        self._house = house
        self.entry: SpoolEntry = house.spool.begin()
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
            return await self._house.judging.judge_before_answer(stored, body)

    async def taken(self, judgement: Judgement | None) -> MessageId:
        await self.entry.commit(envelope=self.envelope, trace=TRACE, judgement=judgement)
        return self.entry.id


def told(house: House, message: MessageId) -> list[str]:
    records = house.spool.records(after=0, limit=1000)
    return [record.event for record in records if record.message_id == message]


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["in memory", "in a file"])
async def test_a_virus_that_all_reject_is_rejected_and_nothing_stays_but_its_records(
    house: House, body: bytes
) -> None:
    offer = Offer(house, X, Y, body=body)
    house.engines.verdicts = (INFECTED,)

    judgement = await offer.judged_before()
    assert judgement is not None
    assert judgement.rejected_for == "virus"
    assert house.engines.seen == [(offer.entry.id, body)]
    await offer.entry.reject(envelope=offer.envelope, trace=TRACE, judgement=judgement)
    offer.entry.abandon()

    message = offer.entry.id
    assert house.spool.message(message) is None
    assert not any(house.spool.counts().values())
    assert house.spool.stored_bytes == 0
    assert told(house, message) == ["rejected", "scanned", "judged", "ended"]
    (rejected,) = house.records(Event.REJECTED, message)
    assert (rejected["sender"], rejected["recipients"]) == ("a@sender.example", [X, Y])
    (ended,) = house.records(Event.ENDED, message)
    assert [(one["address"], one["outcome"]) for one in ended["recipients"]] == [
        (X, "rejected"),
        (Y, "rejected"),
    ]
    assert "Eicar-Test" in ended["recipients"][0]["reason"]


async def test_one_recipient_that_does_not_reject_makes_it_a_quarantine_for_the_others(
    house: House,
) -> None:
    await house.prefer(*with_policies(y={"virus": "mark"}), revision=2)
    house.engines.verdicts = (INFECTED,)
    house.free = {Y}
    offer = Offer(house, X, Y)

    judgement = await offer.judged_before()
    assert judgement is not None
    assert judgement.rejected_for == ""
    offered: list[MessageId] = []
    listen(house.spool, queued=offered.append)
    message = await offer.taken(judgement)

    states = {one.address: one.state for one in house.recipients(message).values()}
    assert states == {X: State.QUARANTINED, Y: State.SENDING}
    assert offered == [message]
    assert told(house, message) == ["accepted", "scanned", "judged", "ended"]
    (upload,) = house.spool.uploads(limit=10)
    assert upload.recipients == (X,)
    assert "acts as quarantine" in upload.detail


async def test_clean_mail_is_accepted_and_judged_in_one_commit_and_not_scanned_again(
    house: House, open_spool: OpenSpool
) -> None:
    offer = Offer(house, X, body=LARGE)
    received: list[MessageId] = []
    listen(house.spool, received=received.append)

    message = await offer.taken(await offer.judged_before())

    assert house.states(message) == {State.QUEUED}
    assert "disposition=deliver" in house.head(message, X)
    assert received == []
    again = await open_spool()
    assert again.backlog.scan == []
    assert again.counts()[State.QUEUED] == 1
    stored = again.message(message)
    assert stored is not None
    with again.open_body(stored) as body:
        assert body.read(0, body.size) == LARGE


async def test_what_is_dropped_for_all_leaves_nothing_behind(house: House) -> None:
    await house.prefer(*with_policies(x={"virus": "drop"}), revision=2)
    house.engines.verdicts = (INFECTED,)
    offer = Offer(house, X, body=LARGE)
    queued: list[MessageId] = []
    listen(house.spool, queued=queued.append, received=queued.append)

    message = await offer.taken(await offer.judged_before())

    assert house.spool.message(message) is None
    assert house.spool.stored_bytes == 0
    assert queued == []
    assert told(house, message)[-1] == "ended"


@pytest.mark.parametrize("silent", [SILENT, Verdict(by="yara", outcome=Outcome.TIMEOUT)])
async def test_a_silent_engine_rejects_nothing_and_the_message_is_judged_later(
    house: House, silent: Verdict
) -> None:
    house.engines.verdicts = (silent,)
    offer = Offer(house)

    assert await offer.judged_before() is None
    message = await offer.taken(None)

    assert house.states(message) == {State.RECEIVED}


async def test_a_virus_in_accepted_mail_is_never_rejected(house: House) -> None:
    house.engines.verdicts = (INFECTED,)
    offer = Offer(house)
    message = await offer.taken(None)

    await house.judging.judge(message)

    (ended,) = house.records(Event.ENDED, message)
    assert ended["recipients"][0]["outcome"] == "quarantined"


async def test_a_scan_that_nobody_waits_for_leaves_its_place_to_others(house: House) -> None:
    holding = asyncio.Event()

    async def hold() -> None:
        holding.set()
        await asyncio.Event().wait()

    house.engines.meanwhile = hold
    for _ in range(20):
        holding.clear()
        scan = asyncio.create_task(Offer(house).judged_before())
        await holding.wait()
        scan.cancel()
        await asyncio.gather(scan, return_exceptions=True)
    house.engines.meanwhile = None

    assert await Offer(house).judged_before() is not None
