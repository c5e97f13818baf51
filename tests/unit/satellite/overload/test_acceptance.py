"""What a shard has on its hands is measured of the real things, and decides who may come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from satellite.judging.zero_hour_mail import ZeroHourMail
from satellite.overload import draining
from satellite.overload.acceptance import Acceptance
from satellite.overload.pressure import BUSY_MESSAGES_MIN, Refusal, RefusalCause
from satellite.spool.disk.space import Space
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.node.shard import settings
from tests.support.spool.open_spool import SMALL, accept


class Judging:
    """Judging, as far as it is measured."""

    def __init__(self) -> None:
        self.done = 0
        self.backlog = 0
        self.kept = ZeroHourMail()
        self.keeping: set[str] = set()

    def keeps_mail_for(self, address: str) -> bool:
        return address in self.keeping

    def unjudged(self) -> int:
        return self.backlog


class Delivery:
    """Delivery, as far as it is measured."""

    def __init__(self) -> None:
        self.held = 0
        self.away = {"x@acme.example"}

    def held_bytes(self) -> int:
        return self.held

    def is_away(self, address: str) -> bool:
        return address in self.away


class MeasuredShard:
    """What may come in, and the three that it is measured by."""

    def __init__(self, spool: Spool, clock: FakeClock, state: Path, **limits: Any) -> None:
        self.spool = spool
        self.clock = clock
        self.judging = Judging()
        self.delivery = Delivery()
        self.acceptance = Acceptance(
            spool,
            self.judging,
            self.delivery,
            settings=settings(state=str(state), disk_reserve_bytes=0, limits=limits),
            clock=clock,
        )

    def cause(self) -> RefusalCause | None:
        found = self.acceptance.look()
        return found.cause if found is not None else None


async def test_a_quiet_shard_takes_mail(spool: Spool, clock: FakeClock, tmp_path: Path) -> None:
    assert MeasuredShard(spool, clock, tmp_path).acceptance.look() is None


async def test_messages_and_octets_are_those_of_the_spool(
    spool: Spool, clock: FakeClock, tmp_path: Path
) -> None:
    by_number = MeasuredShard(spool, clock, tmp_path, messages_max=3)
    by_bytes = MeasuredShard(spool, clock, tmp_path, bytes_max=2 * len(SMALL))
    await accept(spool, "x@acme.example", "y@acme.example")
    assert by_number.acceptance.look() is None
    assert by_bytes.acceptance.look() is None

    await accept(spool)

    assert by_number.acceptance.look() == Refusal(
        RefusalCause.MESSAGES, "3 recipients on their way, 3 at most"
    )
    assert by_bytes.cause() is RefusalCause.BYTES


async def test_kept_mail_is_no_work_and_beyond_its_share_stops_its_own_recipients_alone(
    spool: Spool, clock: FakeClock, tmp_path: Path
) -> None:
    shard = MeasuredShard(spool, clock, tmp_path, messages_max=2, held_share_max=0.5)
    shard.delivery.away = set()
    shard.judging.keeping = {"x@acme.example"}
    message = await accept(spool, "x@acme.example", "y@acme.example")
    assert shard.cause() is RefusalCause.MESSAGES

    shard.judging.kept.add(message, octets=10, recipients=2)
    assert shard.acceptance.look() is None
    assert not shard.acceptance.refuses_mail_for("x@acme.example")
    shard.judging.kept.add(message, octets=1 << 60, recipients=2)

    assert shard.acceptance.look() is None
    assert shard.acceptance.refuses_mail_for("x@acme.example")
    assert not shard.acceptance.refuses_mail_for("z@other.example")
    shard.judging.kept.remove(message)
    shard.acceptance.look()
    assert not shard.acceptance.refuses_mail_for("x@acme.example")


async def test_frozen_mail_is_no_work_and_stops_nobody(
    spool: Spool, clock: FakeClock, tmp_path: Path
) -> None:
    shard = MeasuredShard(spool, clock, tmp_path, messages_max=1)
    message = await accept(spool)
    assert shard.cause() is RefusalCause.MESSAGES

    await spool.damage(message, "unreadable")

    assert shard.acceptance.look() is None


async def test_octets_are_counted_anew_after_a_restart_and_go_with_their_message(
    open_spool: Any,
) -> None:
    spool = await open_spool()
    await accept(spool)
    spool = await open_spool()
    assert spool.stored_bytes == len(SMALL)
    await accept(spool)
    assert spool.stored_bytes == 2 * len(SMALL)


async def test_a_backlog_of_scanning_refuses_by_the_rate_that_was_measured(
    spool: Spool, clock: FakeClock, tmp_path: Path
) -> None:
    shard = MeasuredShard(spool, clock, tmp_path, unjudged_s_max=60.0)
    shard.judging.backlog = 50 * BUSY_MESSAGES_MIN
    assert shard.acceptance.look() is None, "nobody knows the rate yet"

    await clock.advance(1.0)
    shard.judging.done += 50

    assert shard.cause() is RefusalCause.SCANNING


async def test_an_operator_s_mark_refuses_from_the_first_look_on(
    spool: Spool, clock: FakeClock, tmp_path: Path
) -> None:
    draining.mark(tmp_path)
    assert MeasuredShard(spool, clock, tmp_path).acceptance.look() == Refusal(
        RefusalCause.DRAINING, "draining"
    )

    draining.unmark(tmp_path)
    assert MeasuredShard(spool, clock, tmp_path).acceptance.look() is None
    draining.unmark(tmp_path)  # again is harmless


async def test_a_node_that_begins_anew_does_not_say_that_an_operator_empties_it(
    spool: Spool, clock: FakeClock, tmp_path: Path
) -> None:
    acceptance = MeasuredShard(spool, clock, tmp_path).acceptance
    acceptance.is_pausing = True
    assert acceptance.look() == Refusal(RefusalCause.RESTART, "begins anew with other settings")

    acceptance.is_draining = True
    assert acceptance.look() == Refusal(RefusalCause.DRAINING, "draining")


async def test_what_the_spool_says_of_its_disk_counts_at_once(
    spool: Spool, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = MeasuredShard(spool, clock, tmp_path)
    monkeypatch.setattr(spool, "refusal", lambda: "no inodes free")

    assert shard.acceptance.look() == Refusal(RefusalCause.DISK, "no inodes free")


async def test_held_mail_that_has_its_share_is_refused_and_other_mail_is_not(
    spool: Spool, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = MeasuredShard(spool, clock, tmp_path, held_share_max=0.5)
    monkeypatch.setattr(Space, "free_bytes", lambda space: 1000)
    shard.acceptance.look()
    assert not shard.acceptance.refuses_mail_for("x@acme.example")

    shard.delivery.held = 1000
    assert shard.acceptance.look() is None, "mail as such is taken"

    assert shard.acceptance.refuses_mail_for("x@acme.example")
    assert not shard.acceptance.refuses_mail_for("y@other.example")
