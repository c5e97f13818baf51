"""What does a look at DNS cost when nobody answers?"""

from __future__ import annotations

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import pytest

from inventory.mx.live_dns import FINDER_SILENCES_MAX, LiveDns
from inventory.mx.verifying import ASKED_AT_ONCE


class Finder:
    """The resolver that finds zones: silent, or of a zone that is broken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.error: type[dns.exception.DNSException] | None = dns.exception.Timeout
        monkeypatch.setattr(dns.asyncresolver, "zone_for_name", self._zone_for_name)

    async def _zone_for_name(self, name: str, **_more: object) -> dns.name.Name:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return dns.name.from_text(name)


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> Finder:
    return Finder(monkeypatch)


async def test_a_resolver_that_is_silent_is_not_asked_for_each_of_many_domains(
    finder: Finder,
) -> None:
    found = LiveDns(["127.0.0.1:53"])

    servers = [await found.servers_of(f"d{number}.example") for number in range(200)]

    assert finder.asked == FINDER_SILENCES_MAX >= ASKED_AT_ONCE
    assert found.finds_nobody
    assert all([str(server) for server in each] == ["resolver 127.0.0.1:53"] for each in servers)


async def test_broken_zones_make_no_silent_resolver(
    finder: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = LiveDns(["127.0.0.1:53"])

    async def nothing(*_what: object) -> list[str]:
        return []

    monkeypatch.setattr(found, "_values", nothing)
    for _ in range(FINDER_SILENCES_MAX - 1):
        await found.servers_of("lame.example")
    finder.error = None
    await found.servers_of("good.example")
    finder.error = dns.resolver.NoNameservers
    for _ in range(2 * FINDER_SILENCES_MAX):
        await found.servers_of("refused.example")

    assert not found.finds_nobody
