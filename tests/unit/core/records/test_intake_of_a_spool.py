"""Does the core read from a real spool's records the state that the spool itself holds?"""

from __future__ import annotations

from pathlib import Path

from common.envelope import Envelope
from common.identity import ShardIdentity
from common.ids import MessageId
from common.states import State
from common.verdict import Outcome, Verdict
from core.store.database import Database
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Settled
from satellite.spool.store import Spool
from tests.support.clock import FakeClock

RECIPIENTS = tuple(f"{name}@acme.example" for name in ("good", "bad", "away", "stopped", "slow"))


async def _accept(spool: Spool) -> MessageId:
    entry = spool.begin()
    entry.write(b"Subject: hi\r\n\r\nhello\r\n")
    envelope = Envelope(
        client_address="192.0.2.7", helo="h", sender="a@b.example", recipients=RECIPIENTS
    )
    await entry.commit(envelope=envelope, trace=b"Received: x\r\n")
    return entry.id


async def _judge(spool: Spool, message: MessageId) -> None:
    dispositions = [Disposition.DELIVER] * len(RECIPIENTS)
    dispositions[1] = Disposition.QUARANTINE
    await spool.judge(
        message,
        Judgement(
            revision=7,
            subject="hi",
            message_id_header="<1@b.example>",
            recipients=tuple(
                Judged(number=n, disposition=one, reason="because", copy=Copy(head=b""))
                for n, one in enumerate(dispositions)
            ),
            verdicts=(Verdict(by="yara", outcome=Outcome.CLEAN),),
            score=0.5,
            quarantine_reason="virus",
        ),
    )


async def _upload(spool: Spool, store: Database) -> None:
    identity = ShardIdentity(spool.node, spool.shard, spool.life.incarnation)
    after = await store.records.last_sequence(identity)
    records = spool.records(after=after, limit=1_000)
    await store.records.take(identity, records)


async def _agree(spool: Spool, store: Database, message: MessageId) -> None:
    """Compare every recipient that the spool still has with what the core shows."""
    await _upload(spool, store)
    stored = spool.message(message)
    assert stored is not None
    (shown,) = await store.records.track(message)
    for mine, theirs in zip(stored.recipients, shown["recipients"], strict=True):
        assert theirs["address"] == mine.address
        assert theirs["state"] == mine.state
        assert theirs["disposition"] == mine.disposition
        assert theirs["attempts"] == mine.attempts


async def test_the_core_shows_the_states_that_the_spool_holds(
    store: Database, tmp_path: Path, fake_clock: FakeClock
) -> None:
    spool = await Spool.open(tmp_path / "spool", node="lon1", shard=0, clock=fake_clock)
    try:
        message = await _accept(spool)
        await _agree(spool, store, message)
        await spool.wait(message, next_us=5, reason="clamav is away", verdicts=[])
        await _agree(spool, store, message)
        await _judge(spool, message)
        await _agree(spool, store, message)
        await spool.mark_sending(message, [0, 4])
        await spool.settle(
            message,
            [
                Settled(number=0, state=State.DELIVERED, reason="done", reply="250 ok"),
                Settled(number=2, state=State.HELD, reason="away", next_us=9),
                Settled(number=4, state=State.DEFERRED, reason="busy", reply="451", next_us=9),
            ],
        )
        await _agree(spool, store, message)
        await spool.freeze(message, "by an operator")
        await _agree(spool, store, message)
        await spool.resume(message)
        await _agree(spool, store, message)
    finally:
        await spool.close()


async def test_the_core_shows_what_recovery_found_possibly_delivered(
    store: Database, tmp_path: Path, fake_clock: FakeClock
) -> None:
    spool = await Spool.open(tmp_path / "spool", node="lon1", shard=0, clock=fake_clock)
    message = await _accept(spool)
    await _judge(spool, message)
    await spool.mark_sending(message, [0])
    await spool.close()

    spool = await Spool.open(tmp_path / "spool", node="lon1", shard=0, clock=fake_clock)
    try:
        await _agree(spool, store, message)
        (shown,) = await store.records.track(message)
        assert shown["recipients"][0]["state"] == "deferred"
    finally:
        await spool.close()
