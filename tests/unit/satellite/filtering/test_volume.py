"""When is it too much mail, of whom, and what is said of it?"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest

from common.preferences import Kind, Preferences
from common.tallies import ToldTally
from common.verdict import Effect, Outcome, Test, Verdict
from satellite.filtering.conformance import Scene, check_filter, plain_mail
from satellite.filtering.filters.volume import DAY_S, Volume, build
from satellite.filtering.volume_limits import BrokenLimit, VolumeOptions, limits_of
from satellite.tallies.shared_tallies import SharedTallies
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, preferences
from tests.support.scanning.filtering import context, mail


def limiting(name: str = "flood", /, **options: Any) -> Preferences:
    return preferences(document(Kind.FILTER, name, kind="volume", options=options))


class VolumeRoom:
    """One worker's filter with its clock and counts."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock()
        self.tallies = SharedTallies("scout", clock=self.clock, salt=1, life="0" * 16)
        self.filter = Volume(context(clock=self.clock, tallies=self.tallies))
        self.prefs = limiting(**options)
        self._ids = count(1)

    def verdict(self, **more: Any) -> Verdict:
        more.setdefault("identifier", f"m{next(self._ids)}")
        verdicts = self.filter.examine_at_once(mail(self.prefs, **more))
        assert verdicts is not None
        return verdicts[0]

    def tests(self, **more: Any) -> tuple[Test, ...]:
        return self.verdict(**more).tests

    def send(self, number: int, **more: Any) -> tuple[Test, ...]:
        """Have some messages come in, and return what is said of the last."""
        tests: tuple[Test, ...] = ()
        for _ in range(number):
            tests = self.tests(**more)
        return tests


def test_without_a_limit_there_is_nothing_to_say() -> None:
    volume = Volume(context())

    assert volume.examine_at_once(mail(preferences())) == ()


def test_what_is_above_the_limit_gets_the_points_and_says_why() -> None:
    room = VolumeRoom(limit=3, window_s=60, score=2.5)

    assert room.send(3) == ()
    (test,) = room.send(1)

    assert (test.name, test.score, test.effect) == ("VOLUME_FLOOD", 2.5, Effect.SCORE)
    assert test.detail == "192.0.2.0/24: 4 messages in 60 s (this worker alone), limit 3.0"


async def test_the_window_slides() -> None:
    room = VolumeRoom(limit=3, window_s=60)
    assert room.send(4)

    await room.clock.advance(61)

    assert room.send(3) == ()


def test_networks_are_counted_apart() -> None:
    room = VolumeRoom(limit=3)
    room.send(3)

    assert room.tests(client="198.51.100.1") == ()
    assert room.tests(client="192.0.2.200") != ()  # the same /24


@pytest.mark.parametrize(
    ("per", "same", "other"),
    [
        ("sender", {"sender": "A@sender.example"}, {"sender": "b@sender.example"}),
        ("sender_domain", {"sender": "b@sender.example"}, {"sender": "a@other.example"}),
        ("recipient", {"recipients": ("X@acme.example",)}, {"recipients": ("y@acme.example",)}),
    ],
)
def test_what_is_counted_apart_is_what_the_document_says(
    per: str, same: dict[str, Any], other: dict[str, Any]
) -> None:
    room = VolumeRoom(limit=2, per=per)
    room.send(2)

    assert room.tests(**other) == ()
    assert room.tests(**same) != ()


def test_octets_and_recipients_are_counted_too() -> None:
    octets = VolumeRoom(counts="bytes", limit=1000)
    assert octets.tests(header=b"Subject: " + b"x" * 600 + b"\r\n") == ()
    assert octets.tests(header=b"Subject: " + b"x" * 600 + b"\r\n") != ()

    recipients = VolumeRoom(counts="recipients", limit=4)
    assert recipients.tests(recipients=("x@acme.example", "y@acme.example")) == ()
    assert recipients.tests(recipients=tuple(f"{one}@acme.example" for one in "abc")) != ()


def test_what_is_said_of_a_recipient_counts_for_that_one_alone() -> None:
    room = VolumeRoom(limit=2, per="recipient")
    room.send(2)

    (test,) = room.tests(recipients=("x@acme.example", "y@acme.example"))

    assert test.recipient == "x@acme.example"


def test_a_message_that_waits_and_is_examined_again_counts_once() -> None:
    room = VolumeRoom(limit=3)

    for _ in range(10):
        assert room.tests(identifier="waiting") == ()


def test_a_trial_is_not_counted() -> None:
    room = VolumeRoom(limit=1)

    assert room.send(5, identifier="") == ()


def test_quarantine_is_asked_for_as_a_black_list_entry_asks() -> None:
    room = VolumeRoom(limit=1, action="quarantine", score=0)
    room.send(1)

    assert room.tests()[0].effect is Effect.BLOCK


# --- all sites --------------------------------------------------------------------------------


def test_what_other_sites_saw_counts_and_is_said() -> None:
    room, other = VolumeRoom(limit=10), VolumeRoom(limit=10)
    other.send(9)
    room.send(1)

    room.tallies.heard(other.tallies.untold())

    (test,) = room.tests()
    assert "11 messages in 3600 s (all sites)" in test.detail


def test_a_single_message_stays_at_home() -> None:
    room = VolumeRoom(limit=100)

    room.send(1)
    assert room.tallies.untold() == ()

    room.send(1)
    assert len(room.tallies.untold()) == 1


# --- a rise -----------------------------------------------------------------------------------


async def test_ten_times_its_busiest_day_is_a_rise() -> None:
    room = VolumeRoom(per="sender", rise=10, rise_from=20)
    for _ in range(4):
        room.send(5)
        await room.clock.advance(DAY_S)

    assert room.send(49) == ()
    (test,) = room.send(1)

    assert test.name == "VOLUME_FLOOD_RISE"
    assert "5 on its busiest day" in test.detail


async def test_a_newsletter_that_is_as_large_as_last_week_is_no_rise() -> None:
    room = VolumeRoom(per="sender", rise=10, rise_from=20)
    room.send(300)
    await room.clock.advance(6 * DAY_S)

    assert room.send(300) == ()


def test_nothing_is_known_of_a_new_sender() -> None:
    assert VolumeRoom(per="sender", rise=10, rise_from=20).send(500) == ()


async def test_what_was_learned_is_forgotten() -> None:
    room = VolumeRoom(per="sender", rise=10, rise_from=20)
    room.send(5)
    await room.clock.advance(8 * DAY_S)

    assert room.send(100) == ()


# --- named cases ------------------------------------------------------------------------------


def test_bounces_to_a_mailbox_whose_address_is_forged() -> None:
    room = VolumeRoom(of="bounces", per="recipient", limit=5)
    room.send(20)
    assert room.send(5, sender="") == ()

    assert room.send(1, sender="") != ()
    assert room.send(1) == ()  # other mail to it goes on
    assert room.send(1, sender="", recipients=("y@acme.example",)) == ()


async def test_a_mailbox_under_a_bomb_and_its_correspondents() -> None:
    room = VolumeRoom(of="strangers", per="recipient", window_s=600, limit=50, action="quarantine")
    room.tests(sender="friend@known.example")
    await room.clock.advance(2 * DAY_S)

    said = [room.tests(sender=f"news@shop{one}.example") for one in range(60)]

    assert not any(said[:50])
    assert all(tests[0].effect is Effect.BLOCK for tests in said[50:])
    assert room.tests(sender="friend@known.example") == ()
    assert room.tests(sender="a@shop70.example", recipients=("y@acme.example",)) == ()


def test_one_stranger_who_writes_much_is_no_bomb() -> None:
    room = VolumeRoom(of="strangers", per="recipient", window_s=600, limit=5)

    assert room.send(50, sender="news@shop.example") == ()


# --- what is wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"limit": 0},
        {"limit": 5, "window_s": 1},
        {"limit": 5, "per": "planet"},
        {"limit": 5, "unknown": 1},
        {"limit": 5, "of": "strangers"},
        {"limit": 5, "per": "recipient", "counts": "recipients"},
        {"limit": "much"},
    ],
)
def test_a_document_that_says_what_none_may_is_an_error_and_gives_no_points(
    options: dict[str, Any],
) -> None:
    room = VolumeRoom(**options)

    verdict = room.verdict()

    assert verdict.outcome is Outcome.ERROR
    assert verdict.tests == ()
    assert verdict.detail
    assert isinstance(limits_of(room.prefs)[0], BrokenLimit)


@pytest.mark.parametrize(
    "told",
    [(), ((0, 1 << 48),), ((4_000_000_000, 5),), ((0, 0),) * 64],
)
def test_what_a_core_may_say_loses_nothing(told: tuple[tuple[int, int], ...]) -> None:
    """The fault table: silent, far too much, far too old, empty. Points are all that come of it."""
    room = VolumeRoom(limit=5)
    room.send(2)
    (own,) = room.tallies.untold()

    room.tallies.heard([ToldTally(own.key, told)])

    verdict = room.verdict()
    assert verdict.outcome is Outcome.SCORED
    assert all(test.effect is Effect.SCORE for test in verdict.tests)


@pytest.mark.parametrize("per", ["sender", "sender_domain", "recipient"])
def test_an_address_that_is_no_text_is_counted_as_it_is(per: str) -> None:
    room = VolumeRoom(limit=1, per=per)
    odd = {"sender": "\ud800@x\ud800.example", "recipients": ("\udfff@acme.example",)}

    assert room.send(2, **odd)[0].detail.isprintable()


@pytest.mark.parametrize("client", ["", "not an address", "10.0.0.1", "::1"])
def test_a_client_without_a_network_is_not_counted_by_it(client: str) -> None:
    assert VolumeRoom(limit=5).verdict(client=client).outcome is Outcome.SCORED


@pytest.mark.parametrize(
    "options", [{"limit": 1}, {"limit": 1, "of": "strangers", "per": "recipient"}]
)
async def test_it_conforms(options: dict[str, Any]) -> None:
    prefs = limiting(**options)

    await check_filter(
        lambda: build(None, context()), Scene(mail=plain_mail(prefs), outcomes=(Outcome.SCORED,))
    )


def test_the_bounds_are_those_of_the_page() -> None:
    assert VolumeOptions(limit=1).window_s == 3600.0


async def test_a_message_for_a_thousand_lets_others_have_their_turn_between_limits() -> None:
    documents = [
        document(Kind.FILTER, f"l{number}", kind="volume", options={"limit": 1, "per": "recipient"})
        for number in range(4)
    ]
    volume = Volume(context())
    many = tuple(f"r{number}@acme.example" for number in range(500))
    large = mail(preferences(*documents), recipients=many, identifier="m1")

    assert volume.examine_at_once(large) is None
    examining = asyncio.create_task(volume.examine(large))
    turns = 0
    while not examining.done():
        await asyncio.sleep(0)
        turns += 1

    assert [verdict.by for verdict in examining.result()] == ["l0", "l1", "l2", "l3"]
    assert turns >= 4
