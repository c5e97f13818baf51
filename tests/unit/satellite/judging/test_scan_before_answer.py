"""Who is scanned before the answer is a matter of policy, and of how many there are already."""

from __future__ import annotations

import asyncio

from common.preferences import Document, Kind, Preferences
from satellite.judging.scan_before_answer import AT_ONCE_MAX, PolicyScanBeforeAnswer
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Judgement, Stored
from satellite.spool.store import Spool
from tests.support.core.preferences import document, preferences, route
from tests.support.spool.open_spool import SMALL, accept


class Has:
    """A spool, as far as it is asked."""

    def __init__(self, *documents: Document) -> None:
        self.preferences: Preferences = preferences(route("acme.example"), *documents)


class Judging:
    """A scan that ends when the test says so."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    async def judge_before_answer(self, stored: Stored, body: Body) -> Judgement | None:
        await self.may_end.wait()
        return None


def policy(scope: str, budget_s: float | None = None) -> Document:
    more = {} if budget_s is None else {"scan_budget_s": budget_s}
    return document(Kind.POLICY, scope, scan="before", **more)


def budget_s(has: Has, *recipients: str) -> float | None:
    return PolicyScanBeforeAnswer(has, Judging()).budget_s(recipients)


def test_without_such_a_policy_everybody_is_answered_at_once() -> None:
    assert budget_s(Has(), "x@acme.example") is None
    other = document(Kind.POLICY, "cluster", virus="reject")
    assert budget_s(Has(other), "x@acme.example") is None


def test_one_recipient_that_wants_it_is_enough_and_the_shortest_budget_counts() -> None:
    has = Has(policy("recipient/x@acme.example", 5.0), policy("recipient/y@acme.example", 3.0))

    assert budget_s(has, "z@acme.example") is None
    assert budget_s(has, "z@acme.example", "x@acme.example") == 5.0
    assert budget_s(has, "x@acme.example", "y@acme.example") == 3.0
    assert budget_s(Has(policy("cluster")), "x@acme.example") == 20.0


def test_a_policy_counts_from_the_revision_that_brings_it() -> None:
    has = Has()
    scan_before_answer = PolicyScanBeforeAnswer(has, Judging())
    assert scan_before_answer.budget_s(["x@acme.example"]) is None

    has.preferences = Has(policy("domain/acme.example")).preferences

    assert scan_before_answer.budget_s(["x@acme.example"]) == 20.0


async def test_with_all_places_taken_the_next_is_answered_at_once(spool: Spool) -> None:
    message = spool.message(await accept(spool))
    assert message is not None
    judging = Judging()
    scan_before_answer = PolicyScanBeforeAnswer(Has(policy("cluster")), judging)
    body = Body(size=len(SMALL), data=SMALL)
    scans = [
        asyncio.create_task(scan_before_answer.judge_before_answer(message, body))
        for _ in range(AT_ONCE_MAX)
    ]
    await asyncio.sleep(0)

    assert scan_before_answer.budget_s(["x@acme.example"]) is None
    scans.pop().cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert scan_before_answer.budget_s(["x@acme.example"]) == 20.0

    judging.may_end.set()
    assert await asyncio.gather(*scans) == [None] * (AT_ONCE_MAX - 1)
