"""Are the hosts that URLs lead to names and addresses that DNS can be asked about, and few?

Pure.
"""

from __future__ import annotations

import ipaddress

from common.preferences.bodies import FilterBody
from satellite.filtering.asked_names import NAMES_MAX, asked_names
from satellite.filtering.list_terms import NAME_LENGTH_MAX, terms_of
from satellite.filtering.url_hosts import HOSTS_MAX, hosts_of
from tests.support.core.preferences import preferences
from tests.support.scanning.filtering import mail

WORDS = (
    b"http://",
    b"https:\\\\",
    b"//",
    b"user:password@",
    b"evil.example",
    b"https://www.google.com/url?q=",
    b"https%3A%2F%2F",
    b"https://urldefense.proofpoint.com/v2/url?u=https-3A__evil.example_x",
    b"xn--bcher-kva.example",
    "bücher。example".encode(),
    b"0x7f000001",
    b"[2001:db8::1]",
    b":8080",
    b"%00",
    b"\n",
)
TERMS = terms_of(
    FilterBody(kind="dnsbl", zone="zen.example", options={"asks": "url,url-address,from-domain"})
)
PREFERENCES = preferences()


def target(data: bytes) -> None:
    """Read URLs, one a line, and what is asked about them; the octets are a From field too."""
    hosts = hosts_of(data.decode("utf-8", "replace").split("\n"))
    assert len(hosts.names) + len(hosts.addresses) <= HOSTS_MAX
    for address in hosts.addresses:
        assert str(ipaddress.ip_address(address)) == address
    header = b"From: " + data.replace(b"\n", b"\n ") + b"\r\n"
    names = asked_names(mail(PREFERENCES, header=header), TERMS, hosts)
    assert len(names) <= 2 * NAMES_MAX + 6  # of URLs, addresses in URLs, and three authors
    for name in names:
        query = f"{name.label}.zen.example"
        assert len(query) <= NAME_LENGTH_MAX
        assert query.isascii()
        assert query.isprintable()
        assert all(0 < len(label) <= 63 for label in query.split("."))
