"""Who sends in the corpus, and what DNS says of them?

Pure. The networks are those of RFC 5737, the names those of RFC 2606.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.network.given_dns import Records, txt
from tests.support.network.resolvers import FakeResolver
from tests.support.smtp.signing import key_record

ZEN, URLS = "zen.dnsbl.example", "multi.uribl.example"
LISTED = "127.0.0.2"  # by either
POLICY_LISTED = "127.0.0.10"  # by the first: an address of a dynamic network


@dataclass(frozen=True, slots=True)
class Host:
    """Who brings mail."""

    address: str
    helo: str


PARTNER = Host("198.51.100.10", "mail.partner.example")
SHOP = Host("198.51.100.20", "out.shop.example")
SMALL = Host("198.51.100.30", "small.example")  # no SPF, no DKIM, as many small firms
LISTS = Host("198.51.100.40", "lists.example")
FORWARDER = Host("198.51.100.50", "forward.example")
STRAYED = Host("198.51.100.60", "new.mistaken.example")  # not in its domain's own SPF record
DYNAMIC = Host("203.0.113.130", "home.small.example")  # an honest firm behind a listed line
FREEMAIL = Host("198.51.100.70", "out.freemail.example")

BOTS = [Host(f"203.0.113.{n}", f"pc{n}.pool.example") for n in range(1, 41)]  # all listed
FRESH = [Host(f"192.0.2.{n}", f"s{n}.snow.example") for n in range(1, 121)]  # nobody knows them
LURES = [f"cheap-{n}.example" for n in range(1, 21)]  # all listed

RECORDS: Records = {
    "partner.example": txt("v=spf1 ip4:198.51.100.10 -all"),
    "_dmarc.partner.example": txt("v=DMARC1; p=reject"),
    "test._domainkey.partner.example": txt(key_record()),
    "shop.example": txt("v=spf1 ip4:198.51.100.20 -all"),
    "_dmarc.shop.example": txt("v=DMARC1; p=quarantine"),
    "test._domainkey.shop.example": txt(key_record()),
    "lists.example": txt("v=spf1 ip4:198.51.100.40 -all"),
    "_dmarc.college.example": txt("v=DMARC1; p=none"),
    "college.example": txt("v=spf1 ip4:198.51.100.41 ~all"),
    "test._domainkey.college.example": txt(key_record()),
    "mistaken.example": txt("v=spf1 ip4:198.51.100.61 ~all"),
    "freemail.example": txt("v=spf1 ip4:198.51.100.70 -all"),
    "_dmarc.freemail.example": txt("v=DMARC1; p=none"),
    "test._domainkey.freemail.example": txt(key_record()),
    "bank.example": txt("v=spf1 ip4:198.51.100.80 -all"),
    "_dmarc.bank.example": txt("v=DMARC1; p=reject"),
    "snow.example": txt("v=spf1 ip4:192.0.2.0/24 -all"),
    "acme.example": txt("v=spf1 ip4:198.51.100.90 -all"),
}


def dns_lists() -> FakeResolver:
    """Return DNS with two lists: of addresses and of domains."""
    resolver = FakeResolver()
    resolver.put(ZEN, "127.0.0.2", LISTED)
    resolver.put_name(URLS, "test", LISTED)
    for host in BOTS:
        resolver.put(ZEN, host.address, LISTED)
    resolver.put(ZEN, DYNAMIC.address, POLICY_LISTED)
    for name in LURES:
        resolver.put_name(URLS, name, LISTED)
    return resolver
