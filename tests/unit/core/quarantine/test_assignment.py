"""Does a release go to one shard, and pass on only while nobody has claimed it? (P8)"""

from __future__ import annotations

from typing import Any

import pytest

from core.quarantine.assignment import Place, Release, ReleaseState, assign, refusal
from tests.support.core.rooms import made_id

WAIT_US = 30_000_000
LON: Place = ("lon1", 0)
PAR: Place = ("par1", 0)
BER: Place = ("ber1", 0)


def _release(place: Place | None = None, **more: Any) -> Release:
    values: dict[str, Any] = {
        "id": made_id(1),
        "message_id": made_id(2),
        "requested_us": 0,
        "requested_by": "t",
        "again": False,
        "state": ReleaseState.WAITING,
        "node": place[0] if place else "",
        "shard": place[1] if place else 0,
        "incarnation": "",
        "assigned_us": 0,
        "claimed_us": 0,
        "done_us": 0,
        "released_as": "",
    }
    return Release(**(values | more))


def _assign(release: Release, *connected: Place, now_us: int = 1) -> Place | None:
    return assign(release, origin=LON, connected=connected, now_us=now_us, claim_wait_us=WAIT_US)


def test_the_shard_that_took_the_mail_comes_first() -> None:
    assert _assign(_release(), BER, LON, PAR) == LON


def test_when_it_is_away_another_one_does_it() -> None:
    assert _assign(_release(), PAR) == PAR
    assert _assign(_release()) is None


def test_a_shard_has_its_time_to_claim() -> None:
    assert _assign(_release(LON), BER, PAR, now_us=WAIT_US - 1) == LON


def test_a_shard_that_does_not_claim_is_passed_over_and_each_gets_its_turn() -> None:
    everybody = (LON, PAR, BER)

    assert _assign(_release(LON), *everybody, now_us=WAIT_US) == PAR
    assert _assign(_release(PAR), *everybody, now_us=WAIT_US) == BER
    assert _assign(_release(BER), *everybody, now_us=WAIT_US) == LON


def test_the_only_shard_keeps_it() -> None:
    assert _assign(_release(LON), LON, now_us=WAIT_US) == LON
    assert _assign(_release(LON), now_us=WAIT_US) == LON


def test_a_clock_that_was_set_back_does_not_keep_it_for_ever() -> None:
    assert _assign(_release(LON, assigned_us=99_000_000), PAR, now_us=1) == PAR


@pytest.mark.parametrize("state", [ReleaseState.CLAIMED, ReleaseState.DONE])
def test_a_claim_is_repeated_to_its_holder_and_to_nobody_else(state: ReleaseState) -> None:
    held = _release(LON, state=state, incarnation=made_id(7))

    assert refusal(held, place=LON, incarnation=made_id(7)) == ""
    assert "another shard" in refusal(held, place=PAR, incarnation=made_id(7))
    assert "earlier life" in refusal(held, place=LON, incarnation=made_id(8))


def test_what_is_not_assigned_to_a_shard_is_not_its_own() -> None:
    assert refusal(None, place=LON, incarnation=made_id(7)) == "no such release"
    assert "another shard" in refusal(_release(), place=LON, incarnation=made_id(7))
    assert refusal(_release(LON), place=LON, incarnation=made_id(7)) == ""
