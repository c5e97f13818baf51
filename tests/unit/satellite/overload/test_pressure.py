"""Mail is refused from a high mark on, and taken again only well below it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from satellite.overload.pressure import (
    BUSY_MESSAGES_MIN,
    JudgingPace,
    Load,
    Pressure,
    PressureMarks,
    Refusal,
    RefusalCause,
    held_takes_too_much,
)
from satellite.smtp.replies import refused

MIB = 1 << 20
MARKS = PressureMarks(
    reserve_bytes=100 * MIB,
    messages_max=1000,
    bytes_max=500 * MIB,
    unjudged_max=2000,
    unjudged_s_max=60.0,
    memory_bytes_max=1000 * MIB,
    memory_share_max=0.9,
)
QUIET = Load(free_bytes=10_000 * MIB)


def cause(refusal: Refusal | None) -> RefusalCause | None:
    return refusal.cause if refusal is not None else None


def test_a_quiet_node_takes_mail() -> None:
    assert Pressure(MARKS).weigh(QUIET) is None


@pytest.mark.parametrize(
    ("name", "high", "still", "again", "expected"),
    [
        ("messages", 1000, 801, 799, RefusalCause.MESSAGES),
        ("stored_bytes", 500 * MIB, 401 * MIB, 399 * MIB, RefusalCause.BYTES),
        ("unjudged", 2000, 1601, 1599, RefusalCause.SCANNING),
        ("memory_bytes", 1000 * MIB, 801 * MIB, 799 * MIB, RefusalCause.MEMORY),
        ("memory_share", 0.9, 0.73, 0.71, RefusalCause.MEMORY),
        ("free_bytes", 99 * MIB, 124 * MIB, 126 * MIB, RefusalCause.DISK),
    ],
)
def test_each_measure_refuses_from_its_mark_on_and_takes_mail_again_well_below_it(
    name: str, high: float, still: float, again: float, expected: RefusalCause
) -> None:
    pressure = Pressure(MARKS)

    def weighed(value: float) -> RefusalCause | None:
        changed: dict[str, Any] = {name: value}
        return cause(pressure.weigh(replace(QUIET, **changed)))

    assert weighed(still) is None, "the low mark alone refuses nothing"
    assert weighed(high) is expected
    assert weighed(still) is expected
    assert weighed(again) is None
    assert weighed(still) is None


def test_a_backlog_counts_in_seconds_of_work_at_the_measured_rate() -> None:
    pressure = Pressure(MARKS)

    slow = pressure.weigh(replace(QUIET, unjudged=650, judged_per_s=10.0))
    assert slow == Refusal(RefusalCause.SCANNING, "65 s of scanning, 60 at most")
    fast = Pressure(MARKS).weigh(replace(QUIET, unjudged=650, judged_per_s=100.0))
    assert fast is None
    few = replace(QUIET, unjudged=BUSY_MESSAGES_MIN - 1, judged_per_s=0.01)
    assert Pressure(MARKS).weigh(few) is None, "a handful is no backlog, however slow"


def test_one_cause_by_two_measures_ends_when_both_have() -> None:
    pressure = Pressure(MARKS)
    assert cause(pressure.weigh(replace(QUIET, unjudged=2000, judged_per_s=10.0)))

    by_time = replace(QUIET, unjudged=1000, judged_per_s=10.0)  # 100 s of work
    assert cause(pressure.weigh(by_time)) is RefusalCause.SCANNING
    assert pressure.weigh(replace(QUIET, unjudged=300, judged_per_s=10.0)) is None


def test_a_mark_of_nothing_is_no_limit() -> None:
    none = PressureMarks(
        reserve_bytes=0,
        messages_max=0,
        bytes_max=0,
        unjudged_max=0,
        unjudged_s_max=0.0,
        memory_bytes_max=0,
        memory_share_max=0.0,
    )
    huge = Load(
        messages=1 << 40,
        stored_bytes=1 << 50,
        unjudged=1 << 40,
        judged_per_s=0.1,
        memory_bytes=1 << 40,
        memory_share=1.0,
    )
    assert Pressure(none).weigh(huge) is None


def test_the_pace_is_measured_only_while_there_is_enough_to_do() -> None:
    pace = JudgingPace()
    pace.look(judged=0, unjudged=5, now_s=0.0)
    pace.look(judged=3, unjudged=5, now_s=1.0)
    assert pace.per_s == 0.0, "an idle second says nothing"

    pace.look(judged=3, unjudged=1000, now_s=2.0)
    assert pace.per_s == 0.0, "the backlog came within this second"
    pace.look(judged=103, unjudged=1000, now_s=3.0)
    assert pace.per_s == pytest.approx(100.0)
    for second in range(4, 40):
        pace.look(judged=103, unjudged=1000, now_s=float(second))
    assert 0.0 < pace.per_s < 1.0, "engines that hang have a backlog of hours"


@pytest.mark.parametrize(
    ("held", "free", "expected"),
    [(0, 0, False), (49, 151, False), (50, 150, True), (50, 149, True), (1, 100, True)],
)
def test_held_mail_takes_its_share_of_the_disk_and_no_more(
    held: int, free: int, expected: bool
) -> None:
    found = held_takes_too_much(held_bytes=held, free_bytes=free, reserve_bytes=100, share=0.5)
    assert found is expected
    assert not held_takes_too_much(held_bytes=held, free_bytes=free, reserve_bytes=100, share=1.0)


@pytest.mark.parametrize("cause", list(RefusalCause))
def test_whatever_there_is_too_much_of_the_sender_may_come_again(cause: RefusalCause) -> None:
    reply = refused(Refusal(cause, "SECRET 12 MiB"))

    assert 400 <= reply.code < 500
    assert reply.status in ("4.3.1", "4.3.2")
    assert "SECRET" not in str(reply)
    assert reply.weight == 0, "our trouble is no error of the client's"
