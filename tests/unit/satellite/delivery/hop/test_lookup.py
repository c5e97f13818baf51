"""Whatever DNS does, delivery gets one of four answers; asked of a real server over UDP and TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from satellite.delivery.decisions.routing import Exchange
from satellite.delivery.hop.lookup import DnsMxResolver
from satellite.names import names
from satellite.names.answer import LookupResult
from satellite.names.name_servers import NameServers
from satellite.names.names import Names
from tests.support.clock import FakeClock
from tests.support.network.dns_server import DnsServer, Trouble, dns_server

_RECORDS: dict[tuple[str, str], list[str]] = {
    ("two.example.", "MX"): ["20 b.two.example.", "10 A.two.example."],
    ("cut.example.", "MX"): ["10 mx.cut.example."],
    ("null.example.", "MX"): ["0 ."],
    ("odd.example.", "MX"): [
        r"10 \001\001.odd.example.",
        "20 -a.odd.example.",
        r"30 a\.b\032c.odd.example.",
        "40 mx_1.odd.example.",
    ],
    ("host.example.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("host.example.", "AAAA"): ["2001:db8::1"],
    ("four.example.", "A"): ["192.0.2.4"],
    ("many.example.", "A"): [f"192.0.2.{n}" for n in range(1, 60)],
    ("bare.example.", "TXT"): ["nothing of use"],
}
_TROUBLE = {
    "cut.example.": Trouble.TRUNCATED,
    "short.example.": Trouble.ALWAYS_TRUNCATED,
    "broken.example.": Trouble.SERVFAIL,
    "silent.example.": Trouble.SILENT,
    "loop.example.": Trouble.ALIAS_LOOP,
    "rubbish.example.": Trouble.RUBBISH,
}


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with dns_server() as server:
        server.records = dict(_RECORDS)
        server.trouble = dict(_TROUBLE)
        yield server


@pytest.fixture
def resolver(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> DnsMxResolver:
    monkeypatch.setattr(names, "LOOKUP_S", 0.5)
    return DnsMxResolver(Names(NameServers("127.0.0.1", server.port), FakeClock()))


async def test_exchanges_with_their_preference(resolver: DnsMxResolver) -> None:
    found = await resolver.exchanges("two.example")

    assert found.found is LookupResult.RECORDS
    assert sorted(found.records) == [Exchange(10, "a.two.example"), Exchange(20, "b.two.example")]


async def test_a_null_mx_has_an_empty_host(resolver: DnsMxResolver) -> None:
    assert (await resolver.exchanges("null.example")).records == (Exchange(0, ""),)


async def test_an_exchange_that_is_no_host_name_is_left_out(resolver: DnsMxResolver) -> None:
    assert (await resolver.exchanges("odd.example")).records == (Exchange(40, "mx_1.odd.example"),)


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("bare.example", LookupResult.NOTHING),
        ("absent.example", LookupResult.NO_NAME),
        ("broken.example", LookupResult.FAILED),
        ("silent.example", LookupResult.FAILED),
        ("loop.example", LookupResult.FAILED),
        ("short.example", LookupResult.FAILED),
        ("rubbish.example", LookupResult.FAILED),
        (f"{'x' * 64}.example", LookupResult.FAILED),
    ],
)
async def test_what_gives_no_exchange_says_why(
    resolver: DnsMxResolver, domain: str, found: LookupResult
) -> None:
    answer = await resolver.exchanges(domain)

    assert (answer.found, answer.records) == (found, ())


async def test_an_answer_that_does_not_fit_a_datagram_comes_over_tcp(
    resolver: DnsMxResolver,
) -> None:
    assert (await resolver.exchanges("cut.example")).records == (Exchange(10, "mx.cut.example"),)


async def test_what_was_found_is_kept_and_what_was_not_is_asked_again(
    resolver: DnsMxResolver, server: DnsServer
) -> None:
    for name in ("two.example", "bare.example", "absent.example"):
        await resolver.exchanges(name)
        await resolver.exchanges(name)

    asked = [name for name, _ in server.asked]
    assert [asked.count(f"{name}.example.") for name in ("two", "bare", "absent")] == [1, 2, 2]


async def test_a_host_has_addresses_of_both_kinds(resolver: DnsMxResolver) -> None:
    found = await resolver.addresses("host.example")

    assert sorted(found.records) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("four.example", LookupResult.RECORDS),
        ("bare.example", LookupResult.NOTHING),
        ("absent.example", LookupResult.NO_NAME),
        ("broken.example", LookupResult.FAILED),
        ("silent.example", LookupResult.FAILED),
    ],
)
async def test_a_host_of_one_kind_or_none(
    resolver: DnsMxResolver, host: str, found: LookupResult
) -> None:
    assert (await resolver.addresses(host)).found is found


async def test_a_host_with_many_addresses_is_cut(resolver: DnsMxResolver) -> None:
    assert len((await resolver.addresses("many.example")).records) == 8
