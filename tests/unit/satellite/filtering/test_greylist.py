"""Who is told to come again, and who is not?"""

from __future__ import annotations

from common.sliding_count import KEEP_S
from satellite.filtering.greylist import RENEW_S, TRIES_MAX, Greylist
from satellite.tallies.shared_tallies import HEARD_S, SharedTallies
from tests.support.clock import FakeClock

WAIT_S = 300.0


class Site:
    """One worker's greylist; its core is heard unless a test says otherwise."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.tallies = SharedTallies("scout", clock=self.clock, salt=1, life="0" * 16)
        self.greylist = Greylist(self.tallies)
        self.tallies.heard(())

    def puts_off(
        self,
        *,
        client: str = "192.0.2.7",
        sender: str = "a@sender.example",
        recipient: str = "x@acme.example",
    ) -> bool:
        return self.greylist.puts_off(
            client_address=client, sender=sender, recipient=recipient, wait_s=WAIT_S
        )

    async def pass_s(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        self.tallies.heard(())


async def test_who_comes_again_after_some_minutes_passes() -> None:
    site = Site()
    assert site.puts_off()

    await site.pass_s(WAIT_S - 10)
    assert site.puts_off()  # too early

    await site.pass_s(20)
    assert not site.puts_off()


async def test_who_comes_again_within_seconds_does_not() -> None:
    site = Site()

    said = [site.puts_off() for _ in range(5)]

    assert said == [True] * 5


async def test_what_is_new_is_client_sender_and_recipient_together() -> None:
    site = Site()
    site.puts_off()
    await site.pass_s(WAIT_S + 60)

    assert site.puts_off(recipient="y@acme.example")
    assert site.puts_off(sender="b@sender.example")
    assert site.puts_off(client="198.51.100.7")
    assert not site.puts_off(client="192.0.2.99", sender="A@SENDER.example")  # the same /24


async def test_a_sender_with_numbers_that_change_is_one() -> None:
    site = Site()
    site.puts_off(sender="bounce-1234-x=y@list.example")
    await site.pass_s(WAIT_S + 60)

    assert not site.puts_off(sender="bounce-9876-x=y@list.example")


async def test_a_network_that_passed_is_known_for_a_week_and_as_long_as_it_sends() -> None:
    site = Site()
    site.puts_off()
    await site.pass_s(WAIT_S + 60)
    assert not site.puts_off()

    for _ in range(12):
        await site.pass_s(RENEW_S)
        assert not site.puts_off(sender="new@sender.example", recipient="new@acme.example")

    await site.pass_s(KEEP_S + RENEW_S)
    assert site.puts_off(sender="other@sender.example")


async def test_who_comes_again_at_another_site_passes() -> None:
    first, second = Site(), Site()
    assert first.puts_off()
    told = first.tallies.untold()
    second.tallies.heard(told)

    await second.pass_s(WAIT_S + 60)

    assert not second.puts_off()


async def test_nobody_is_put_off_while_the_core_is_away() -> None:
    site = Site()

    await site.clock.advance(HEARD_S + 1)

    assert not site.puts_off()


async def test_who_tried_often_passes_however_early() -> None:
    site = Site()

    said = [site.puts_off() for _ in range(TRIES_MAX + 1)]

    assert said == [True] * TRIES_MAX + [False]


def test_an_address_that_is_no_text_is_remembered_as_it_is() -> None:
    assert Site().puts_off(sender="\ud800@x.example", recipient="\udfff@acme.example")


def test_mail_without_a_sender_and_clients_without_an_address_are_not_put_off() -> None:
    site = Site()

    assert not site.puts_off(sender="")
    assert not site.puts_off(client="")
