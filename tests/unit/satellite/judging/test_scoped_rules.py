"""A message to two customers, in which a rule of one of them has found something."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from common.ids import MessageId
from common.preferences import Document, Kind
from common.records import Event
from common.states import State
from common.verdict import Outcome, ScopedMatch, Test, Verdict
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, route
from tests.support.judging.judging_room import CLEAN, INFECTED, OTHER, JudgingRoom
from tests.support.spool.open_spool import accept

ACME, GLOBEX = "x@acme.example", "y@globex.example"
SECRET = "Acme.Invoice"
MATCH = ScopedMatch(
    rules="acme-rules", scope="customer/acme", outcome=Outcome.INFECTED, threats=(SECRET,)
)
SCOPED = replace(CLEAN, scoped=(MATCH,))


def policy(scope: str, /, **keys: object) -> Document:
    return document(Kind.POLICY, scope, **keys)


class Room(JudgingRoom):
    """Two customers."""

    async def judged(self, *documents: Document, scoped: Verdict = SCOPED) -> MessageId:
        """Return a message to both, judged."""
        customers = (
            route("acme.example", customer="acme"),
            route("globex.example", customer="globex"),
        )
        await self.prefer(*customers, *documents)
        message = await accept(self.spool, ACME, GLOBEX)
        self.engines.verdicts = (scoped, OTHER)
        await self.judging.judge(message)
        return message


@pytest.fixture
async def room(spool: Spool, clock: FakeClock) -> Room:
    return Room(spool, clock)


async def test_it_is_infected_for_one_and_clean_for_the_other(room: Room) -> None:
    message = await room.judged()

    found = room.recipients(message)
    assert {address: one.state for address, one in found.items()} == {
        ACME: State.QUARANTINED,
        GLOBEX: State.QUEUED,
    }
    assert found[ACME].reason == f"virus: yara {SECRET}; policy virus=quarantine (default)"
    assert found[GLOBEX].reason.startswith("clean: ")


async def test_the_header_tells_each_of_his_own(room: Room) -> None:
    message = await room.judged()

    acme, globex = (room.head(message, one) for one in (ACME, GLOBEX))
    assert "X-BorderScout-Virus: infected; yara=infected 1.0 3ms Acme.Invoice;" in acme
    assert "X-BorderScout-Virus: clean; yara=clean 1.0 3ms; clamav=clean 0ms" in globex


async def test_nothing_that_the_other_has_tells_of_the_rule(room: Room) -> None:
    message = await room.judged(policy("customer/acme", virus="mark"))

    stored = room.spool.message(message)
    assert stored is not None
    globex = room.recipients(message)[GLOBEX]
    told = room.head(message, GLOBEX) + globex.reason
    assert SECRET not in told
    assert "acme" not in told
    assert SECRET in room.head(message, ACME)


async def test_the_record_says_for_whom_it_holds(room: Room) -> None:
    message = await room.judged()

    (scanned,) = room.records(Event.SCANNED, message)
    yara = scanned["verdicts"][0]
    assert (yara["outcome"], yara["threats"]) == ("clean", [])
    assert yara["scoped"] == [
        {
            "rules": "acme-rules",
            "scope": "customer/acme",
            "outcome": "infected",
            "threats": [SECRET],
        }
    ]


async def test_what_concerns_none_of_the_recipients_is_told_nowhere(room: Room) -> None:
    others = replace(MATCH, scope="customer/initech")
    message = await room.judged(scoped=replace(CLEAN, scoped=(others,)))

    assert room.states(message) == {State.QUEUED}
    told = [json.loads(one.fields) for one in room.spool.records(after=0, limit=100)]
    assert SECRET not in str(told)
    stored = room.spool.message(message)
    assert stored is not None
    assert len(stored.copies) == 1, "for all of them it is the same message"


@pytest.mark.parametrize("scope", ["domain/acme.example", f"recipient/{ACME}", "customer/acme"])
async def test_each_scope_that_a_recipient_stands_in_counts(room: Room, scope: str) -> None:
    message = await room.judged(scoped=replace(CLEAN, scoped=(replace(MATCH, scope=scope),)))

    assert room.recipients(message)[ACME].state is State.QUARANTINED
    assert room.recipients(message)[GLOBEX].state is State.QUEUED


async def test_votes_are_counted_for_each(room: Room) -> None:
    """One to one is a tie, and a threat; one to two is none. The other customer has no vote for."""
    third = replace(OTHER, by="third")
    rule = policy("cluster", **{"virus.rule": "majority"})
    message = await room.judged(rule)
    tie = room.recipients(message)[ACME].reason
    assert room.recipients(message)[GLOBEX].reason.startswith("clean: ")
    await room.prefer(route("acme.example", customer="acme"), rule, revision=2)
    message = await accept(room.spool, ACME)
    room.engines.verdicts = (SCOPED, OTHER, third)
    await room.judging.judge(message)

    assert tie.startswith("virus: ")
    assert room.recipients(message)[ACME].reason.startswith("virus.outvoted: ")


async def test_the_case_in_the_quarantine_that_both_share_bears_a_reason_for_both(
    room: Room,
) -> None:
    room.filters.tests = (Test(name="SPAM", score=50.0),)
    message = await room.judged(policy("cluster", **{"score.quarantine": 10.0}))

    (judged,) = room.records(Event.JUDGED, message)
    assert judged["quarantine_reason"] == "spam"
    assert judged["quarantine_detail"].startswith("score: ")


async def test_of_two_rules_of_two_customers_the_case_names_neither(room: Room) -> None:
    theirs = replace(MATCH, scope="customer/globex", threats=("Globex.Order",))
    message = await room.judged(scoped=replace(CLEAN, scoped=(MATCH, theirs)))

    (judged,) = room.records(Event.JUDGED, message)
    assert judged["quarantine_reason"] == "virus"
    assert judged["quarantine_detail"] == "virus: by rules of each recipient's own scope"
    assert SECRET in room.recipients(message)[ACME].reason
    assert "Globex.Order" in room.recipients(message)[GLOBEX].reason


async def test_a_message_to_one_customer_alone_has_the_name_in_its_case(room: Room) -> None:
    await room.prefer(route("acme.example", customer="acme"))
    message = await accept(room.spool, ACME, "z@acme.example")
    room.engines.verdicts = (SCOPED, OTHER)

    await room.judging.judge(message)

    (judged,) = room.records(Event.JUDGED, message)
    assert SECRET in judged["quarantine_detail"]


async def test_no_other_customer_hears_of_its_content(room: Room) -> None:
    """A content is condemned across customers by what holds for all alone."""
    message = await room.judged()

    assert room.records(Event.CONDEMNED, message) == []


async def test_a_threat_that_operators_ignore_is_one_by_a_rule_of_ones_own(room: Room) -> None:
    ignored = document(Kind.THREAT, "*/Acme.*", action="ignore")
    named = replace(INFECTED, threats=(SECRET,), scoped=(MATCH,))
    message = await room.judged(ignored, scoped=named)

    assert room.recipients(message)[ACME].state is State.QUARANTINED
    assert room.recipients(message)[GLOBEX].state is State.QUEUED
