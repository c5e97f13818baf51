"""What a judgement tells of risky parts and of threats, so that the core can compare them."""

from __future__ import annotations

from hashlib import sha256

import pytest

from common.preferences import Kind
from common.records import Event
from common.verdict import Outcome, Verdict
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, route
from tests.support.judging.judging_room import CLEAN, INFECTED, JudgingRoom
from tests.support.scanning.messages import WINDOWS_PROGRAM, with_attachment
from tests.support.spool.open_spool import accept

RISKY = with_attachment(WINDOWS_PROGRAM)
DIGEST = sha256(WINDOWS_PROGRAM).hexdigest()
LARGE = RISKY + b"\r\n" + b"0123456789abcde\r\n" * 10_000


@pytest.fixture
async def room(spool: Spool, clock: FakeClock) -> JudgingRoom:
    made = JudgingRoom(spool, clock)
    await made.prefer(route("acme.example"))
    return made


@pytest.mark.parametrize("body", [RISKY, LARGE], ids=["in a row", "in a file"])
async def test_clean_mail_tells_the_digests_of_its_risky_parts(
    room: JudgingRoom, body: bytes
) -> None:
    message = await accept(room.spool, body=body)

    await room.judging.judge(message)

    (scanned,) = room.records(Event.SCANNED, message)
    assert scanned["digests"] == [DIGEST]
    assert room.records(Event.CONDEMNED, message) == []


async def test_a_threat_condemns_the_one_risky_part(room: JudgingRoom) -> None:
    room.engines.verdicts = (CLEAN, with_definitions(INFECTED))
    message = await accept(room.spool, body=RISKY)

    await room.judging.judge(message)

    (scanned,) = room.records(Event.SCANNED, message)
    assert scanned["digests"] == []
    assert room.records(Event.CONDEMNED, message) == [
        {
            "engine": "yara",
            "threat": "Eicar-Test",
            "definitions": "27807",
            "digests": [DIGEST],
            "late": False,
        }
    ]


def with_definitions(verdict: Verdict) -> Verdict:
    return Verdict(
        by=verdict.by,
        outcome=Outcome.INFECTED,
        threats=verdict.threats,
        definitions="27807",
    )


async def test_of_two_risky_parts_none_is_condemned_for_the_other(room: JudgingRoom) -> None:
    room.engines.verdicts = (INFECTED,)
    body = with_attachment(WINDOWS_PROGRAM, WINDOWS_PROGRAM + b"another one")
    message = await accept(room.spool, body=body)

    await room.judging.judge(message)

    assert room.records(Event.CONDEMNED, message) == []


async def test_where_every_policy_lets_it_pass_nothing_is_condemned(room: JudgingRoom) -> None:
    passing = document(Kind.POLICY, "cluster", virus="mark")
    await room.prefer(route("acme.example"), passing, revision=2)
    room.engines.verdicts = (INFECTED,)
    message = await accept(room.spool, body=RISKY)

    await room.judging.judge(message)

    assert room.records(Event.CONDEMNED, message) == []
    (scanned,) = room.records(Event.SCANNED, message)
    assert scanned["digests"] == [], "nor is it compared, as if nobody had known"


async def test_a_threat_that_is_none_condemns_nothing(room: JudgingRoom) -> None:
    spared = document(
        Kind.THREAT, "*/Eicar-Test", action="ignore", reason="ours", until_us=2_000_000_000_000_000
    )
    black = document(Kind.POLICY, "cluster", **{"score.quarantine": -1.0})
    await room.prefer(route("acme.example"), spared, black, revision=2)
    room.engines.verdicts = (INFECTED,)
    message = await accept(room.spool, body=RISKY)

    await room.judging.judge(message)

    assert room.records(Event.CONDEMNED, message) == []
