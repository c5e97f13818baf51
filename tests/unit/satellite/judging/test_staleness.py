"""Which definitions are too old, and what becomes of mail that was scanned with them?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from common.preferences import Document, Kind
from common.records import Event
from common.reports import EngineReport
from common.states import State
from common.verdict import Outcome, Verdict
from satellite.judging.disposition import Cause, Finding, FindingKind
from satellite.judging.findings import findings
from satellite.judging.staleness import (
    ages_max_us,
    is_stale,
    stale_problems,
    with_stale,
)
from satellite.spool.store import Spool
from tests.support.clock import START_US, FakeClock
from tests.support.core.preferences import document, preferences, route
from tests.support.judging.judging_room import CLEAN, RETRY_S, JudgingRoom
from tests.support.spool.open_spool import accept

HOUR_US = 3_600_000_000
NOW_US = START_US
A = Verdict(by="a", outcome=Outcome.CLEAN, definitions="27807", definitions_us=NOW_US - 10)
B = Verdict(by="b", outcome=Outcome.CLEAN)
OLD = replace(A, definitions_us=NOW_US - 200 * HOUR_US, is_stale=True)


@pytest.mark.parametrize(
    ("made_us", "age_max_us", "expected"),
    [
        (NOW_US - 101, 100, True),
        (NOW_US - 100, 100, False),
        (NOW_US + 50, 100, False),  # from the future: a clock's fault
        (0, 100, False),  # unknown
        (1, None, False),  # without a limit
    ],
)
def test_definitions_are_stale_beyond_their_limit_alone(
    made_us: int, age_max_us: int | None, expected: bool
) -> None:
    assert is_stale(made_us, age_max_us, now_us=NOW_US) is expected


def test_the_limit_stands_in_the_engines_document() -> None:
    said = preferences(
        document(Kind.ENGINE, "a", definitions_age_max_h=2.0),
        document(Kind.ENGINE, "b", definitions_age_max_h=0),
    )

    assert ages_max_us(said, ["a", "b", "c"]) == {"a": 2 * HOUR_US, "c": 168 * HOUR_US}


def test_only_the_verdict_with_old_definitions_bears_the_mark() -> None:
    old = replace(A, definitions_us=NOW_US - 3 * HOUR_US)

    marked = with_stale([old, B], {"a": 2 * HOUR_US, "b": 1}, now_us=NOW_US)

    assert marked == (replace(old, is_stale=True), B)
    assert with_stale([A, B], {"a": 2 * HOUR_US}, now_us=NOW_US) == (A, B)


@pytest.mark.parametrize(
    ("verdicts", "required", "expected"),
    [
        ([OLD, B], {"a": True, "b": True}, ["a"]),
        ([OLD, B], {"a": False, "b": True}, []),  # somebody else read it with fresh ones
        ([OLD], {"a": False}, ["a"]),  # nobody did
        ([OLD, replace(B, outcome=Outcome.SKIPPED)], {"a": False, "b": False}, ["a"]),
        ([replace(OLD, outcome=Outcome.TIMEOUT), B], {"a": False, "b": True}, []),
        ([A, B], {"a": True, "b": True}, []),
    ],
)
def test_old_definitions_are_a_finding_of_who_must_answer_or_of_all_that_read(
    verdicts: list[Verdict], required: dict[str, bool], expected: list[str]
) -> None:
    found = findings(verdicts, required=required)

    assert [one.by for one in found if one.kind is FindingKind.STALE] == expected


def test_a_finding_says_which_definitions() -> None:
    assert findings([OLD], required={"a": True}) == (
        Finding(FindingKind.STALE, "a", "definitions 27807 of 2025-12-23"),
    )


def test_an_operator_is_told_which_engine_and_how_old() -> None:
    old = EngineReport(name="a", answering=True, definitions_us=NOW_US - 240 * HOUR_US)
    fresh = EngineReport(name="b", answering=True, definitions_us=NOW_US)
    silent = EngineReport(name="c", answering=True)

    assert stale_problems([old, fresh, silent], preferences(), now_us=NOW_US) == (
        "the definitions of a are 10.0 days old; at most 7.0 days are allowed",
    )


@pytest.fixture
async def room(spool: Spool, clock: FakeClock) -> JudgingRoom:
    made = JudgingRoom(spool, clock)
    made.engines.verdicts = (
        replace(CLEAN, definitions="27807", definitions_us=clock.now_us() - 200 * HOUR_US),
    )
    return made


async def prefer(room: JudgingRoom, *, revision: int = 1, **keys: Any) -> None:
    said: list[Document] = [document(Kind.POLICY, "cluster", **keys)] if keys else []
    await room.prefer(route("acme.example"), *said, revision=revision)


async def test_by_default_it_is_delivered_and_says_so(room: JudgingRoom) -> None:
    await prefer(room)
    message = await accept(room.spool)

    await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}
    (address,) = room.recipients(message)
    assert "clean; yara=clean 1.0/27807 8d stale 3ms" in room.head(message, address)
    (scanned,) = room.records(Event.SCANNED, message)
    (judged,) = room.records(Event.JUDGED, message)
    assert scanned["verdicts"][0]["is_stale"] is True
    assert "stale: yara definitions 27807 of" in judged["recipients"][0]["reason"]


@pytest.mark.parametrize(
    ("action", "state"), [("mark", State.QUEUED), ("quarantine", State.QUARANTINED)]
)
async def test_the_policy_decides(room: JudgingRoom, action: str, state: State) -> None:
    await prefer(room, stale=action, subject_tag="[OLD]")
    message = await accept(room.spool)

    await room.judging.judge(message)

    assert room.states(message) == {state}
    (address,) = room.recipients(message)
    assert "Subject: [OLD]" in room.head(message, address)


async def test_what_waits_is_scanned_again_with_later_definitions(
    room: JudgingRoom, clock: FakeClock
) -> None:
    await prefer(room, stale="wait")
    message = await accept(room.spool)
    await room.judging.judge(message)
    assert room.states(message) == {State.WAITING}

    room.engines.verdicts = (replace(CLEAN, definitions_us=clock.now_us()),)
    await clock.advance(RETRY_S)
    await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}


def test_the_cause_bears_the_name_of_its_key() -> None:
    assert {Cause.STALE.value, FindingKind.STALE.value} == {"stale"}
