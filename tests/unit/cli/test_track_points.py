"""Which points of a test does ``track`` tell, where the operators gave it others than its own?"""

from __future__ import annotations

from typing import Any

from tests.support.cli.shell import Shell
from tests.support.core.face import Face
from tests.support.core.rooms import accepted, document, identity, made_id, record, route

ONE = made_id(1)
LISTED = {"name": "DNSBL_ZEN", "score": 4.0, "detail": "127.0.0.2", "effect": "score"}


async def judged_at(core: Face, revision: int, outcome: str = "scored") -> None:
    verdicts = [{"by": "zen", "outcome": outcome, "ms": 1, "tests": [LISTED]}]
    scanned = record(2, "scanned", ONE, revision=revision, verdicts=verdicts)
    await core.database.records.take(identity(), [accepted(1, ONE), scanned])


async def counted(shell: Shell) -> list[dict[str, Any]] | None:
    (line,) = (await shell("track", ONE, "--json")).lines
    (verdict,) = line["verdicts"]
    (test,) = verdict["tests"]
    assert test["score"] == 4.0, "its own points stay what they were"
    found: list[dict[str, Any]] | None = test.get("counted")
    return found


async def test_the_points_of_a_weight_stand_before_a_tests_own(core: Face, shell: Shell) -> None:
    weights = [
        document("weight", "cluster/DNSBL_*", {"factor": 0.5}),
        document("weight", "domain/acme.example/DNSBL_ZEN", {"score": 1.5}),
    ]
    await core.database.preferences.publish([route(), *weights], who="test")
    await judged_at(core, 1)

    shown = " ".join((await shell("track", ONE)).out.split())

    assert await counted(shell) == [{"scope": "domain/acme.example", "score": 1.5}]
    assert "zen DNSBL_ZEN 1.5 for domain/acme.example (own 4) 127.0.0.2" in shown


async def test_the_weights_are_those_of_the_revision_that_judged(core: Face, shell: Shell) -> None:
    preferences = core.database.preferences
    await preferences.publish([document("weight", "cluster/DNSBL_ZEN", {"score": 2})], who="test")
    await preferences.publish([document("weight", "cluster/DNSBL_ZEN", {"score": 9})], who="test")
    await judged_at(core, 1)

    assert await counted(shell) == [{"scope": "cluster", "score": 2}]


async def test_no_weight_is_told_that_came_later_or_of_another_life(
    core: Face, shell: Shell
) -> None:
    preferences = core.database.preferences
    await preferences.publish([route()], who="test")
    await preferences.publish([document("weight", "cluster/DNSBL_ZEN", {"score": 9})], who="test")
    await judged_at(core, 1)

    assert await counted(shell) is None
    await core.database.records.take(
        identity(), [record(3, "scanned", ONE, revision=77, verdicts=[{"by": "zen", "outcome":
        "scored", "tests": [LISTED]}])]
    )  # fmt: skip
    assert await counted(shell) is None


async def test_what_failed_counted_nothing_whatever_a_weight_says(core: Face, shell: Shell) -> None:
    weight = document("weight", "cluster/DNSBL_ZEN", {"score": 2})
    await core.database.preferences.publish([weight], who="test")
    await judged_at(core, 1, outcome="timeout")

    assert await counted(shell) is None
