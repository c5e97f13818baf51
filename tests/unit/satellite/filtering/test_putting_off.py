"""When does a recipient hear 451 before anything of the message came?"""

from __future__ import annotations

from typing import Any

import pytest

from common.preferences import Document, Kind
from satellite.filtering.filters.volume import Volume
from satellite.filtering.putting_off import PuttingOff
from satellite.overload.pressure import RefusalCause
from satellite.tallies.shared_tallies import HEARD_S, SharedTallies
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, preferences, route
from tests.support.scanning.filtering import context, mail

GREY = document(Kind.POLICY, "domain/acme.example", greylisting="on", greylisting_wait_s=60)
WHITE = document(Kind.LIST, "white/cluster/sender.example")


def limit(**options: Any) -> Document:
    given = {"limit": 3, "action": "defer"} | options
    return document(Kind.FILTER, "flood", kind="volume", options=given)


class Door:
    """What is asked at RCPT, with the filter that counts behind it."""

    def __init__(self, *documents: Document) -> None:
        self.clock = FakeClock()
        self.tallies = SharedTallies("scout", clock=self.clock, salt=1, life="0" * 16)
        self.prefs = preferences(route(), *documents)
        self.volume = Volume(context(clock=self.clock, tallies=self.tallies))
        self.putting_off = PuttingOff(
            self.tallies, preferences=lambda: self.prefs, clock=self.clock
        )
        self.tallies.heard(())

    def cause(
        self, *, sender: str = "a@sender.example", recipient: str = "x@acme.example"
    ) -> RefusalCause | None:
        return self.putting_off.cause("192.0.2.7", sender, recipient)

    def take(self, number: int) -> None:
        for one in range(number):
            self.volume.examine_at_once(mail(self.prefs, identifier=f"{number}.{one}"))


def test_without_a_policy_nobody_is_put_off() -> None:
    assert Door().cause() is None


async def test_the_policy_of_the_recipient_decides_and_says_for_how_long() -> None:
    door = Door(GREY, route("other.example"))

    assert door.cause() is RefusalCause.GREYLIST
    assert door.cause(recipient="x@other.example") is None
    await door.clock.advance(61)
    door.tallies.heard(())
    assert door.cause() is None


def test_a_white_list_entry_wins_over_both() -> None:
    door = Door(GREY, limit(), WHITE)
    door.take(5)

    assert door.cause() is None


def test_above_a_limit_the_next_is_put_off() -> None:
    door = Door(limit())
    door.take(2)
    assert door.cause() is None

    door.take(1)

    assert door.cause() is RefusalCause.VOLUME


def test_a_limit_on_bounces_puts_off_bounces_alone() -> None:
    door = Door(limit(of="bounces", per="recipient", limit=1))
    door.volume.examine_at_once(mail(door.prefs, identifier="1", sender=""))

    assert door.cause(sender="") is RefusalCause.VOLUME
    assert door.cause() is None


@pytest.mark.parametrize(
    "options",
    [
        {"action": "score"},
        {"action": "quarantine"},
        {"of": "strangers", "per": "recipient", "limit": 1},
        {"limit": 0},
    ],
)
def test_what_cannot_be_known_before_the_message_puts_nobody_off(options: dict[str, Any]) -> None:
    door = Door(limit(**options))
    door.take(9)

    assert door.cause() is None


async def test_other_preferences_hold_from_the_next_recipient_on() -> None:
    door = Door(GREY)
    door.prefs = preferences(route())

    assert door.cause() is None


async def test_without_the_core_limits_are_of_here_and_nobody_is_greylisted() -> None:
    door = Door(GREY, limit())
    await door.clock.advance(HEARD_S + 1)
    assert door.cause() is None

    door.take(3)

    assert door.cause() is RefusalCause.VOLUME
