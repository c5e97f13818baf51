"""A message that is scanned before its answer is rejected, taken, or judged later; never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from common.errors import DiskFull
from satellite.smtp.replies import ALL, rejected
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Stored
from tests.support.smtp.front_end import RunningFrontEnd, Talk, front_end, until

BUDGET_S = 20.0


def judgement(rejected_for: str = "") -> Judgement:
    disposition = Disposition.REJECT if rejected_for else Disposition.DELIVER
    judged = Judged(number=0, disposition=disposition, reason="r", copy=Copy(head=b""))
    return Judgement(
        revision=1,
        subject="",
        message_id_header="",
        recipients=(judged,),
        verdicts=(),
        score=0.0,
        rejected_for=rejected_for,
    )


class Scans:
    """A scan that ends when the test says so."""

    def __init__(self, found: Judgement | Exception | None = None, *, ends: bool = True) -> None:
        self.found = found
        self.seen: list[tuple[Stored, bytes]] = []
        self.cancelled = 0
        self.budget: float | None = BUDGET_S
        self.may_end = asyncio.Event()
        if ends:
            self.may_end.set()

    def budget_s(self, recipients: Sequence[str]) -> float | None:
        return self.budget if "x@acme.example" in recipients else None

    async def judge_before_answer(self, stored: Stored, body: Body) -> Judgement | None:
        self.seen.append((stored, body.read(0, body.size)))
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


async def send(talk: Talk, recipient: str = "x@acme.example") -> None:
    await talk.greet()
    await talk.open_data(recipient)
    await talk.send(b"Subject: a\r\n\r\n..b\r\n.\r\n")


async def test_the_scan_sees_the_message_as_it_would_be_accepted() -> None:
    scans = Scans(judgement())
    async with front_end(scan_before_answer=scans) as front, front.client() as talk:
        await send(talk)
        assert (await talk.reply()).startswith("250 2.0.0 ")

        ((stored, body),) = scans.seen
        (taken,) = front.intake.taken
        assert body == b"Subject: a\r\n\r\n.b\r\n" == taken.body
        assert (stored.id, stored.envelope) == (taken.id, taken.envelope)
        assert stored.trace == taken.trace
        assert taken.judgement == scans.found


WHY = ["virus", "macro", "encrypted", "unscannable", "blacklist", "dmarc"]


@pytest.mark.parametrize("why", WHY)
async def test_what_all_recipients_reject_is_refused_and_on_record_and_nothing_is_taken(
    why: str,
) -> None:
    async with (
        front_end(scan_before_answer=Scans(judgement(why))) as front,
        front.client() as talk,
    ):
        await send(talk)
        answer = await talk.reply()

        status = "5.7.26" if why == "dmarc" else "5.7.1"
        assert answer.startswith(f"550 {status} Message refused"), answer
        assert rejected(why) in ALL
        assert front.intake.taken == []
        assert len(front.intake.rejected) == 1
        assert front.intake.entries[0].abandoned
        assert (await talk.ask("MAIL FROM:<a@b.example>")).startswith("250 ")


async def test_a_refusal_that_cannot_be_recorded_is_none() -> None:
    async with (
        front_end(scan_before_answer=Scans(judgement("virus"))) as front,
        front.client() as talk,
    ):
        front.intake.commit_error = DiskFull("full")
        await send(talk)

        assert (await talk.reply()).startswith("452 4.3.1 ")
        assert front.intake.entries[0].abandoned


@pytest.mark.parametrize("found", [None, RuntimeError("the engine fell over")])
async def test_a_scan_without_a_judgement_accepts_and_leaves_it_for_later(
    found: Exception | None,
) -> None:
    async with front_end(scan_before_answer=Scans(found)) as front, front.client() as talk:
        await send(talk)

        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert front.intake.taken[0].judgement is None


async def test_when_the_budget_is_over_the_message_is_accepted_and_the_scan_stopped() -> None:
    scans = Scans(judgement("virus"), ends=False)
    async with front_end(scan_before_answer=scans) as front, front.client() as talk:
        await send(talk)
        await until(lambda: scans.seen)
        await front.clock.advance(BUDGET_S - 0.1)
        assert front.intake.taken == []

        await front.clock.advance(0.2)

        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert front.intake.taken[0].judgement is None
        assert scans.cancelled == 1


async def test_recipients_without_such_a_policy_are_answered_at_once() -> None:
    scans = Scans(judgement("virus"), ends=False)
    async with front_end(scan_before_answer=scans) as front, front.client() as talk:
        await send(talk, "y@acme.example")

        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert scans.seen == []


async def leave(talk: Talk, how: str) -> None:
    match how:
        case "reset":
            talk.reset()
        case "half-close":
            talk.half_close()
        case _:
            await talk.close()


@pytest.mark.scenario(
    row=51, checks="a sender that goes in mid-scan leaves nothing, no task either"
)
@pytest.mark.parametrize("how", ["reset", "close", "half-close"])
async def test_a_sender_that_goes_in_mid_scan_was_promised_nothing_and_leaves_nothing(
    how: str,
) -> None:
    scans = Scans(judgement(), ends=False)
    async with front_end(scan_before_answer=scans) as front, front.client() as talk:
        await send(talk)
        await until(lambda: scans.seen)
        await front.clock.settle()
        before = front.clock.sleepers

        await leave(talk, how)

        await until(lambda: front.front.sessions == 0)
        await until(lambda: front.intake.entries[0].abandoned)
        assert scans.cancelled == 1
        assert front.intake.taken == []
        await until(lambda: front.clock.sleepers < before)  # the budget's clock has gone too
        assert front.front._sessions is not None
        await until(lambda: not front.front._sessions.conversations)


async def test_a_drain_cuts_a_scan_at_its_deadline_and_the_message_is_nobody_s() -> None:
    scans = Scans(judgement(), ends=False)
    async with front_end(scan_before_answer=scans) as front, front.client() as talk:
        await send(talk)
        await until(lambda: scans.seen)

        await stopped(front)

        assert (await talk.reply()).startswith("421 4.3.2 ")
        assert front.intake.taken == []


async def stopped(front: RunningFrontEnd) -> None:
    drain = asyncio.ensure_future(front.front.drain(10.0))
    await front.clock.settle()
    assert not drain.done(), "a scan has the time of the drain"
    await front.clock.advance(10.0)
    await drain
