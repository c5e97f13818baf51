"""What a server offers is remembered for a day, over restarts, and never believed for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.address import domain_of
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.hop.session import Extensions
from satellite.delivery.learned_offers import DESTINATIONS_MAX, FRESH_US, NAME, LearnedOffers
from satellite.next_hop import NextHopOffer
from tests.support.delivery.delivery_room import OpenRoom, route
from tests.support.smtp.next_hop import NextHop

ACME = Destination(Via.ROUTE, "acme.example")
OFFER = Extensions(size=True, size_bytes_max=1000, smtputf8=True)
X = "x@acme.example"


def by_domain(address: str) -> Destination:
    return Destination(Via.ROUTE, domain_of(address))


class Hands:
    """The wall clock, set by hand."""

    now_us = 1_000_000

    def __call__(self) -> int:
        return self.now_us


async def test_an_offer_outlives_a_restart_and_a_day_is_its_end(tmp_path: Path) -> None:
    now_us = Hands()
    before = LearnedOffers(tmp_path, now_us, destination_of=by_domain)
    before.note(ACME, OFFER)
    await before.save()

    after = LearnedOffers(tmp_path, now_us, destination_of=by_domain)

    assert after.for_recipient(X) == NextHopOffer(size_bytes_max=1000, smtputf8=True)
    assert after.for_recipient("x@other.example") is None
    now_us.now_us += FRESH_US
    assert after.for_recipient(X) is None
    now_us.now_us = 0  # the clock was set back
    assert after.for_recipient(X) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": {"at_us": 1}}', b"\xff" * 10])
async def test_a_file_that_is_nonsense_is_learned_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    offers = LearnedOffers(tmp_path, Hands(), destination_of=by_domain)
    assert offers.for_recipient(X) is None

    offers.note(ACME, OFFER)
    await offers.save()

    assert LearnedOffers(tmp_path, Hands(), destination_of=by_domain).for_recipient(X) is not None


async def test_a_disk_that_refuses_costs_nothing_but_what_was_learned(tmp_path: Path) -> None:
    offers = LearnedOffers(tmp_path / "gone", Hands(), destination_of=by_domain)
    offers.note(ACME, OFFER)

    await offers.save()

    assert offers.for_recipient(X) is not None
    (tmp_path / "gone").mkdir()
    await offers.save()  # it is tried again
    assert (tmp_path / "gone" / NAME).exists()


def test_only_so_many_are_remembered_and_the_oldest_goes_first() -> None:
    offers = LearnedOffers(None, Hands(), destination_of=by_domain)
    offers.note(ACME, OFFER)
    for number in range(DESTINATIONS_MAX):
        offers.note(Destination(Via.ROUTE, f"d{number}.example"), OFFER)

    assert offers.for_recipient(X) is None
    assert offers.for_recipient("x@d0.example") is not None


async def test_what_the_server_of_a_recipient_says_to_ehlo_is_known_from_then_on(
    open_room: OpenRoom,
) -> None:
    async with NextHop(EHLO=b"250-hop\r\n250 SIZE 5000\r\n") as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        assert room.delivery.offers.for_recipient(X) is None

        await room.until_ended(await room.accept(X))

        expected = NextHopOffer(size_bytes_max=5000, smtputf8=False)
        assert room.delivery.offers.for_recipient(X) == expected
        assert room.delivery.offers.for_recipient("y@acme.example") == expected
        assert room.delivery.offers.for_recipient("y@other.example") is None
