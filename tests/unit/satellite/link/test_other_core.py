"""A core at another address is a later one, one that must not run, or our own by another way."""

from __future__ import annotations

import pytest

from common.link import CoreStanding
from common.preferences import Epoch, Position
from satellite.link.core_verdict import UNNAMED
from satellite.link.other_core import FollowedCore, complaint_of, is_later

OURS = FollowedCore("a" * 32, Epoch(4, "ours"), Position(Epoch(4, "ours"), 7))
THERE = "192.0.2.2:7443"


def standing(generation: int, identifier: str, *, life: str = "b" * 32) -> CoreStanding:
    position = Position(Epoch(generation, identifier), 7)
    return CoreStanding(position=position, digest=bytes(32), life=life)


def test_only_a_later_generation_is_later() -> None:
    found = [is_later(standing(generation, "x"), OURS) for generation in (3, 4, 5)]

    assert found == [False, False, True]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (standing(3, "former"), "an earlier core runs at 192.0.2.2:7443: its generation is 3"),
        (standing(4, "ours"), "a second core of the same epoch runs at 192.0.2.2:7443; "),
        (standing(4, "other"), "another core of the same generation runs at 192.0.2.2:7443; "),
    ],
)
def test_one_that_should_not_run_is_named_with_what_mends_it(
    other: CoreStanding, said: str
) -> None:
    complaint = complaint_of(other, OURS, address=THERE)

    assert complaint.startswith(said)
    assert "systemctl stop borderscout-core" in complaint
    assert ("renew-epoch" in complaint) is (other.position.epoch.generation == 4)


def test_our_own_process_by_another_address_is_no_other_core() -> None:
    assert complaint_of(standing(4, "ours", life=OURS.life), OURS, address=THERE) == ""


def test_of_a_core_that_names_no_process_nobody_can_say_so() -> None:
    unnamed = FollowedCore(UNNAMED, OURS.latest, OURS.applied)

    assert complaint_of(standing(4, "ours"), unnamed, address=THERE) == ""


def test_what_is_followed_is_the_later_core_also_before_its_first_batch() -> None:
    just_met = FollowedCore("a" * 32, Epoch(5, "later"), OURS.applied)

    assert OURS.position == Position(Epoch(4, "ours"), 7)
    assert just_met.position == Position(Epoch(5, "later"), 0)
