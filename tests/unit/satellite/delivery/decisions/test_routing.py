"""Customers' mail goes by its route, our own by MX or the smart host, and none comes back to us."""

from __future__ import annotations

import pytest

from common.preferences.deliver_to import Target
from satellite.delivery.decisions.outcome import RecipientResult
from satellite.delivery.decisions.routing import (
    Destination,
    Exchange,
    Own,
    Via,
    exchanges_of,
    leg_of,
    nowhere,
    public_addresses,
    targets_of,
)
from satellite.names.answer import Lookup, LookupResult
from satellite.spool.model.messages import Origin
from tests.support.delivery.delivery_room import preferences, route

OWN = Own(
    mail_domain="mx.scout.example",
    hostname="lon1.mx.scout.example",
    addresses=frozenset({"198.51.100.10", "8.8.4.4"}),
    postmaster="ops@acme.example",
)
ROUTES = preferences(
    route("acme.example", "mail.acme.example:25", "[2001:db8::1]:2525", hold_days=3),
    route("listed.example", "192.0.2.1", recipients="listed"),
)


def leg(address: str, origin: Origin = Origin.SMTP, own: Own = OWN) -> tuple[Via, str, str]:
    found = leg_of(address, origin, preferences=ROUTES, own=own)
    return found.destination.via, found.destination.name, found.address


def exchanges(
    *records: Exchange,
    found: LookupResult = LookupResult.RECORDS,
    asked_before: bool = False,
    spread: float = 0.0,
) -> tuple[str, ...] | RecipientResult:
    return exchanges_of(
        "sender.example",
        Lookup(found, records),
        own=OWN,
        asked_before=asked_before,
        spread=spread,
    )


def status(answer: tuple[str, ...] | RecipientResult) -> str:
    assert isinstance(answer, RecipientResult)
    return answer.status


def test_a_customers_domain_goes_by_its_route_in_order() -> None:
    found = leg_of("X@acme.example", Origin.SMTP, preferences=ROUTES, own=OWN)

    assert found.destination == Destination(Via.ROUTE, "acme.example")
    assert (found.address, found.customer, found.hold_days) == ("X@acme.example", "acme", 3)
    assert targets_of(found.destination, preferences=ROUTES) == (
        Target("mail.acme.example", 25),
        Target("2001:db8::1", 2525),
    )


def test_a_domain_without_a_route_has_no_hosts_and_never_goes_by_mx() -> None:
    found = leg_of("x@gone.example", Origin.SMTP, preferences=ROUTES, own=OWN)

    assert found.destination == Destination(Via.ROUTE, "gone.example")
    assert targets_of(found.destination, preferences=ROUTES) == ()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postmaster@mx.scout.example", (Via.ROUTE, "acme.example", "ops@acme.example")),
        ("Postmaster", (Via.ROUTE, "acme.example", "ops@acme.example")),
        ("postmaster@listed.example", (Via.ROUTE, "acme.example", "ops@acme.example")),
        ("postmaster@acme.example", (Via.ROUTE, "acme.example", "postmaster@acme.example")),
    ],
)
def test_postmaster_mail_that_nobody_else_takes_goes_to_the_clusters(
    address: str, expected: tuple[Via, str, str]
) -> None:
    assert leg(address) == expected


def test_a_postmaster_elsewhere_is_reached_by_mx() -> None:
    own = Own(mail_domain="mx.scout.example", hostname="h", postmaster="ops@other.example")

    assert leg("postmaster@mx.scout.example", own=own) == (
        Via.MX,
        "other.example",
        "ops@other.example",
    )


def test_dsns_go_by_mx_or_the_smart_host_but_to_customers_by_route() -> None:
    smart = Own(mail_domain="mx.scout.example", hostname="h", smarthost="smart.example:2525")

    assert leg("a@sender.example", Origin.BOUNCE)[:2] == (Via.MX, "sender.example")
    assert leg("a@sender.example", Origin.BOUNCE, smart)[:2] == (
        Via.SMARTHOST,
        "smart.example:2525",
    )
    assert leg("a@acme.example", Origin.BOUNCE, smart)[:2] == (Via.ROUTE, "acme.example")
    destination = Destination(Via.SMARTHOST, "smart.example:2525")
    assert targets_of(destination, preferences=ROUTES) == (Target("smart.example", 2525),)


def test_exchanges_come_in_order_and_equal_ones_take_turns() -> None:
    records = [Exchange(20, "c"), Exchange(10, "b"), Exchange(10, "a")]

    assert exchanges(*records) == ("a", "b", "c")
    assert exchanges(*records, spread=0.5) == ("b", "a", "c")


def test_a_domain_without_mx_is_its_own_exchange() -> None:
    assert exchanges(found=LookupResult.NOTHING) == ("sender.example",)


@pytest.mark.parametrize(
    ("domain", "host"), [("[192.0.2.7]", "192.0.2.7"), ("[ipv6:2001:db8::7]", "2001:db8::7")]
)
def test_an_address_literal_is_its_own_host_whatever_dns_says(domain: str, host: str) -> None:
    nothing: Lookup[Exchange] = Lookup(LookupResult.NO_NAME)

    assert exchanges_of(domain, nothing, own=OWN, asked_before=True, spread=0.0) == (host,)


def test_a_null_mx_is_final() -> None:
    assert status(exchanges(Exchange(0, ""))) == "5.1.10"


def test_a_name_that_does_not_exist_is_believed_the_second_time() -> None:
    assert status(exchanges(found=LookupResult.NO_NAME)) == "4.4.3"
    assert status(exchanges(found=LookupResult.NO_NAME, asked_before=True)) == "5.1.2"


def test_a_failed_lookup_is_never_final() -> None:
    assert status(exchanges(found=LookupResult.FAILED, asked_before=True)) == "4.4.3"


def test_our_own_exchange_and_all_behind_it_are_left_out() -> None:
    records = [Exchange(10, "better"), Exchange(20, "PAR1.mx.scout.example"), Exchange(30, "worse")]

    assert exchanges(*records) == ("better",)
    assert status(exchanges(*records[1:])) == "5.4.6"


def test_a_hundred_exchanges_are_cut() -> None:
    found = exchanges(*(Exchange(n, f"h{n}") for n in range(100)))

    assert len(found) == 10  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "8.8.4.4",
    ],
)
def test_a_strangers_mx_never_leads_to_ourselves_or_our_network(address: str) -> None:
    assert public_addresses([address, "8.8.8.8", "2606:4700::1"], own=OWN) == (
        "8.8.8.8",
        "2606:4700::1",
    )


def test_hosts_without_an_address() -> None:
    def of(*founds: LookupResult, asked_before: bool = False, refused: bool = False) -> str:
        return nowhere("d.example", founds, asked_before=asked_before, refused=refused).status

    assert of(LookupResult.NO_NAME) == "4.4.3"
    assert of(LookupResult.NO_NAME, asked_before=True) == "5.4.4"
    assert of(LookupResult.NO_NAME, LookupResult.FAILED, asked_before=True) == "4.4.3"
    assert of(LookupResult.RECORDS, refused=True) == "5.4.4"


def test_a_smart_host_below_our_domain_is_not_us_unless_it_is_this_node() -> None:
    own = Own(
        mail_domain="mx.scout.example",
        hostname="lon1.mx.scout.example",
        smarthost="out.mx.scout.example:587",
    )
    smart, other = Target("out.mx.scout.example", 587), Target("mail.acme.example", 25)

    assert not own.is_us(smart, "Out.mx.scout.example")
    assert own.is_us(smart, "LON1.mx.scout.example")
    assert own.is_us(other, "par1.mx.scout.example")
    assert not own.is_us(other, "mail.acme.example")
