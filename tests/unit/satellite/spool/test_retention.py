"""What nothing needs any more goes, and the files do not grow with the mail that passed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from common.states import State
from satellite.spool.changes import RELEASE_DAYS
from satellite.spool.disk import problems
from satellite.spool.disk.schema import LOG_BYTES_MAX
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Settled
from satellite.spool.model.states import IllegalTransition
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.spool.open_spool import OpenSpool, accept, envelope

DAY_S = 86_400.0
BODY = b"Subject: hi\r\n\r\n" + b"x" * 3000
LARGE = b"Subject: hi\r\n\r\n" + b"x" * 70_000
JUDGED = Judged(
    number=0,
    disposition=Disposition.DELIVER,
    reason="clean",
    copy=Copy(head=b"X: 1\r\n"),
    sending=True,
)
JUDGEMENT = Judgement(
    revision=1, subject="", message_id_header="", recipients=(JUDGED,), verdicts=(), score=0.0
)
DELIVERED = Settled(number=0, state=State.DELIVERED, reason="250")


async def pass_through(spool: Spool, body: bytes) -> None:
    message = await accept(spool, body=body)
    await spool.judge(message, JUDGEMENT)
    await spool.settle(message, [DELIVERED])


def sizes(folder: Path) -> tuple[int, int]:
    """Return the octets of the database and of its log."""
    return (folder / "spool.db").stat().st_size, (folder / "spool.db-wal").stat().st_size


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("rounds", [20, pytest.param(100, marks=pytest.mark.long)])
async def test_the_files_do_not_grow_with_the_mail_that_passed(
    spool: Spool, spool_folder: Path, rounds: int
) -> None:
    width = 200
    after_some: tuple[int, int] = (0, 0)
    for number in range(rounds):
        bodies = [LARGE if n % 50 == 0 else BODY for n in range(width)]
        await asyncio.gather(*(pass_through(spool, body) for body in bodies))
        await spool.acknowledge_records(spool.last_sequence())
        if number == rounds // 4:
            after_some = sizes(spool_folder)

    database, log = sizes(spool_folder)
    assert list((spool_folder / "bodies").iterdir()) == []
    assert database <= after_some[0] * 1.5 + (1 << 20)
    assert log <= LOG_BYTES_MAX
    assert spool.records(after=0, limit=1) == []
    tables = ("message", "recipient", "copy", "body", "outbox")
    counts = {table: spool._select(f"SELECT count(*) FROM {table}", ()) for table in tables}
    assert set(map(str, counts.values())) == {"[(0,)]"}


async def test_a_log_that_one_commit_made_long_is_cut_again(
    spool: Spool, spool_folder: Path
) -> None:
    large = b"x" * 60_000
    await asyncio.gather(*(accept(spool, body=large) for _ in range(400)))
    assert sizes(spool_folder)[1] > LOG_BYTES_MAX

    for _ in range(4):  # the next commits begin the emptied log anew
        await accept(spool)

    assert sizes(spool_folder)[1] <= LOG_BYTES_MAX


async def test_a_reader_that_stays_is_told_of_and_hinders_nothing_else(
    spool: Spool, spool_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "LOG_PAGES_MAX", 2000)
    reader = apsw.Connection(str(spool_folder / "spool.db"), flags=apsw.SQLITE_OPEN_READONLY)
    reader.execute("BEGIN").fetchall()
    reader.execute("SELECT count(*) FROM message").fetchall()
    for _ in range(10):
        await asyncio.gather(*(accept(spool, body=b"x" * 60_000) for _ in range(20)))
    (problem,) = spool.problems()
    assert "write-ahead log" in problem

    reader.close()
    for _ in range(3):
        await asyncio.gather(*(accept(spool, body=b"x" * 60_000) for _ in range(20)))

    assert spool.problems() == ()


async def test_a_release_is_known_for_as_long_as_the_core_could_repeat_it(
    open_spool: OpenSpool, clock: FakeClock
) -> None:
    spool = await open_spool()

    async def take(name: str) -> None:
        entry = spool.begin()
        entry.write(BODY)
        await entry.commit_release(
            release_id=name,
            envelope=envelope(),
            copy=Copy(head=b""),
            subject="",
            released_from="01BX5ZZKBKACTAV9WEVGEMMVRZ",
            suspect=False,
        )

    await take("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    clock.jump(1000 * DAY_S)  # somebody set the clock
    await clock.advance((RELEASE_DAYS - 1) * DAY_S)
    await spool.save_age()
    with pytest.raises(IllegalTransition):
        await take("01ARZ3NDEKTSV4RRFFQ69G5FAV")

    await clock.advance(2 * DAY_S)
    await spool.save_age()

    assert not spool.release_is_known("01ARZ3NDEKTSV4RRFFQ69G5FAV")
