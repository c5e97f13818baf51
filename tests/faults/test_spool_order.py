"""What is durable before each acknowledgement is what the documentation of the spool says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disks.numbered_disk import numbered
from tests.support.disks.platter import Kind, Step
from tests.support.spool.lives import hurried, lived, shard
from tests.support.spool.story import LARGE, Ledger

LOG = "spool.db-wal"


@pytest.fixture
async def life(tmp_path: Path) -> tuple[list[Step], Ledger]:
    """Everything that happens to a spool, and what was asked of the disk for it."""
    ledger = Ledger()
    with hurried(), numbered(shard(tmp_path / "s")) as platter:
        assert await lived(tmp_path / "s", platter, ledger)
    return platter.steps, ledger


def where(steps: list[Step], kind: Kind, name: str, *, after: int = 0) -> int:
    """Return the number of the first such step after another."""
    found = (step.number for step in steps[after:] if (step.kind, step.name) == (kind, name))
    return next(found, len(steps) + 1)


def unsynced(steps: list[Step], until: int) -> Iterator[Step]:
    """Yield what was written to the log, up to a step, and not synced by then."""
    of_log = [step for step in steps[:until] if step.name == LOG]
    last_sync = max((s.number for s in of_log if s.kind is Kind.SYNC), default=0)
    return (s for s in of_log if s.kind is Kind.WRITE and s.number > last_sync)


@pytest.mark.scenario(row=4, checks="each acknowledgement comes after the sync of all that it says")
def test_nothing_is_acknowledged_before_the_log_is_synced(
    life: tuple[list[Step], Ledger],
) -> None:
    steps, ledger = life
    kinds = {what for what, _, _ in ledger.said}

    assert kinds == {
        "accepted",
        "applied",
        "handed over",
        "judged",
        "marked",
        "released",
        "settled",
    }
    for what, name, at in ledger.said:
        assert list(unsynced(steps, at)) == [], f"{what} {name}"


@pytest.mark.scenario(row=3, checks="sync, rename, sync of the folder, and only then the row")
def test_a_body_is_durable_under_its_name_before_the_row_that_points_to_it(
    life: tuple[list[Step], Ledger],
) -> None:
    steps, ledger = life
    large = [message for message in ledger.accepted if ledger.begun[message] == LARGE]

    assert len(large) >= 4
    for message in large:
        synced = where(steps, Kind.SYNC, f"bodies/{message}.part")
        renamed = where(steps, Kind.RENAME, f"bodies/{message}.part", after=synced)
        folder = where(steps, Kind.FOLDER, "bodies", after=renamed)
        row = next(
            step.number for step in steps if step.name == LOG and message.encode() in step.data
        )
        commit = where(steps, Kind.SYNC, LOG, after=row)
        assert synced < renamed < folder < row < commit <= ledger.accepted[message]


def test_an_accepted_message_is_in_what_was_synced(life: tuple[list[Step], Ledger]) -> None:
    steps, ledger = life

    for message, at in ledger.accepted.items():
        row = next(s.number for s in steps if s.name == LOG and message.encode() in s.data)
        assert where(steps, Kind.SYNC, LOG, after=row) <= at


@pytest.mark.scenario(row=14, checks="a body goes only after the end of its message is synced")
def test_a_body_is_deleted_only_after_the_commit_that_lets_it_go(
    life: tuple[list[Step], Ledger],
) -> None:
    steps, _ = life
    unlinked = [s for s in steps if s.kind is Kind.UNLINK and s.name.startswith("bodies/")]

    assert unlinked
    for step in unlinked:
        assert list(unsynced(steps, step.number)) == []
