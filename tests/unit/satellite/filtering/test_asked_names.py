"""What of a message is a DNS list asked about?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.preferences.bodies import FilterBody
from satellite.filtering.asked_names import FROM_MAX, NAMES_MAX, RECEIVED_MAX, asked_names
from satellite.filtering.list_terms import AskedOf, terms_of
from satellite.filtering.url_hosts import UrlHosts
from tests.support.core.preferences import preferences
from tests.support.scanning.filtering import mail

NO_HOSTS = UrlHosts()


def labels(
    asks: str,
    *,
    header: bytes = b"",
    client: str = "192.0.2.7",
    helo: str = "mx.helo.example",
    sender: str = "a@news.sender.example",
    hosts: UrlHosts = NO_HOSTS,
    zone: str = "zen.example",
    **options: str,
) -> list[str]:
    body = FilterBody.model_validate(
        {"kind": "dnsbl", "zone": zone, "options": {"asks": asks} | options}
    )
    made = mail(preferences(), header=header, client=client, sender=sender)
    made = replace(made, envelope=replace(made.envelope, helo=helo))
    return [name.label for name in asked_names(made, terms_of(body), hosts)]


@pytest.mark.parametrize(
    ("client", "found"),
    [("192.0.2.7", ["7.2.0.192"]), ("::ffff:192.0.2.7", ["7.2.0.192"]), ("10.0.0.1", []), ("", [])],
)
def test_a_client_is_asked_about_when_it_is_public(client: str, found: list[str]) -> None:
    assert labels("client", client=client) == found


@pytest.mark.parametrize(
    ("helo", "found"),
    [
        ("MX.Helo.example", ["helo.example", "mx.helo.example"]),
        ("[192.0.2.7]", []),
        ("192.0.2.7", []),
        ("localhost", []),
        ("a..b", []),
        ("\x00\xff.example", []),
        ("x" * 64 + ".example", []),
    ],
)
def test_a_helo_name_is_asked_about_when_it_is_one(helo: str, found: list[str]) -> None:
    assert labels("helo", helo=helo) == found


@pytest.mark.parametrize(
    ("sender", "found"),
    [
        ("a@news.sender.example", ["sender.example", "news.sender.example"]),
        ("", []),
        ("a@[192.0.2.7]", []),
    ],
)
def test_a_senders_domain_is_asked_about(sender: str, found: list[str]) -> None:
    assert labels("sender-domain", sender=sender) == found


def test_a_list_of_registered_domains_is_asked_about_nothing_else() -> None:
    assert labels("sender-domain", names="registered") == ["sender.example"]
    hosts = UrlHosts(names=("a.b.example.co.uk", "c.example.co.uk", "shop.github.io"))

    assert labels("url", names="registered", hosts=hosts) == ["example.co.uk", "shop.github.io"]


def test_the_domains_of_the_authors_are_asked_about() -> None:
    many = ", ".join(f"<a@d{number}.example>" for number in range(9)).encode()

    assert labels("from-domain", header=b'From: "x@bank.test" <a@evil.test>\r\n') == [
        "bank.test",
        "evil.test",
    ]
    assert len(labels("from-domain", header=b"From: " + many + b"\r\n")) == FROM_MAX
    assert labels("from-domain", header=b"From: nobody\r\n") == []


def test_earlier_hops_are_asked_about_and_not_the_client_again() -> None:
    header = (
        b"Received: from a ([192.0.2.7]) by b\r\n"
        b"Received: from c ([198.51.100.9] helo=c) by a; x [10.0.0.1]\r\n"
        b"Received: from d ([IPv6:2001:db8::7]) by c [999.1.1.1]\r\n"
    )
    many = b"".join(b"Received: from x ([203.0.113.%d])\r\n" % number for number in range(9))

    assert labels("received", header=header)[0] == "9.100.51.198"
    assert len(labels("received", header=header)) == 2
    assert len(labels("received", header=many)) == RECEIVED_MAX


def test_of_too_many_urls_the_first_and_the_last_are_asked_about() -> None:
    hosts = UrlHosts(names=tuple(f"h{number}.example" for number in range(100)))

    found = labels("url", hosts=hosts)

    assert len(found) == NAMES_MAX
    assert (found[0], found[-1]) == ("h0.example", "h99.example")


def test_addresses_in_urls_are_asked_about_by_lists_that_know_addresses() -> None:
    hosts = UrlHosts(names=("evil.example",), addresses=("198.51.100.9", "192.168.1.1"))

    assert labels("url", hosts=hosts) == ["evil.example"]
    assert labels("url, url-address", hosts=hosts) == ["evil.example", "9.100.51.198"]


def test_each_name_is_asked_about_once() -> None:
    hosts = UrlHosts(names=("sender.example",))

    assert labels("sender-domain,url", hosts=hosts).count("sender.example") == 1


def test_no_name_is_too_long_for_dns() -> None:
    # Else a stranger could make the list look silent, and be left alone.
    long = ".".join(["a" * 60] * 4)

    assert labels("helo", helo=f"{long}.test", zone="zen.example") == [f"{'a' * 60}.test"]


def test_every_word_of_asks_has_its_meaning() -> None:
    hosts = UrlHosts(names=("evil.example",), addresses=("198.51.100.9",))
    header = b"From: a@author.test\r\nReceived: from x ([203.0.113.7])\r\n"

    for of in AskedOf:
        assert labels(of.value, header=header, hosts=hosts), of
