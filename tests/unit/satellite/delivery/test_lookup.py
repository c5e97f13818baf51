"""Whatever DNS does, delivery gets one of four answers; asked of a real resolver over UDP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from satellite.delivery import lookup
from satellite.delivery.lookup import DnsResolver
from satellite.delivery.routing import Exchange, Found

_RECORDS: dict[tuple[str, str], list[str]] = {
    ("two.example.", "MX"): ["20 b.two.example.", "10 A.two.example."],
    ("null.example.", "MX"): ["0 ."],
    ("host.example.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("host.example.", "AAAA"): ["2001:db8::1"],
    ("four.example.", "A"): ["192.0.2.4"],
    ("many.example.", "A"): [f"192.0.2.{n}" for n in range(1, 60)],
}
_NAMES = {name for name, _ in _RECORDS} | {"bare.example."}


class _Server(asyncio.DatagramProtocol):
    """Answers from the table; ``broken`` fails, ``silent`` says nothing, ``loop`` is an alias."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        name = question.question[0].name.to_text()
        kind = question.question[0].rdtype.name
        if name == "silent.example.":
            return
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if name == "broken.example.":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name == "loop.example.":
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", name))
        elif (name, kind) in _RECORDS:
            rows = _RECORDS[name, kind]
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *rows))
        elif name not in _NAMES:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), address)


@pytest.fixture
async def resolver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DnsResolver]:
    monkeypatch.setattr(lookup, "LOOKUP_S", 0.3)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Server, local_addr=("127.0.0.1", 0))
    yield DnsResolver("127.0.0.1", transport.get_extra_info("sockname")[1])
    transport.close()


async def test_exchanges_with_their_preference(resolver: DnsResolver) -> None:
    found = await resolver.exchanges("two.example")

    assert found.found is Found.RECORDS
    assert sorted(found.records) == [Exchange(10, "a.two.example"), Exchange(20, "b.two.example")]


async def test_a_null_mx_has_an_empty_host(resolver: DnsResolver) -> None:
    assert (await resolver.exchanges("null.example")).records == (Exchange(0, ""),)


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("bare.example", Found.NOTHING),
        ("absent.example", Found.NO_NAME),
        ("broken.example", Found.FAILED),
        ("silent.example", Found.FAILED),
        ("loop.example", Found.FAILED),
        (f"{'x' * 64}.example", Found.FAILED),
    ],
)
async def test_what_gives_no_exchange_says_why(
    resolver: DnsResolver, domain: str, found: Found
) -> None:
    answer = await resolver.exchanges(domain)

    assert (answer.found, answer.records) == (found, ())


async def test_a_host_has_addresses_of_both_kinds(resolver: DnsResolver) -> None:
    found = await resolver.addresses("host.example")

    assert sorted(found.records) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("four.example", Found.RECORDS),
        ("bare.example", Found.NOTHING),
        ("absent.example", Found.NO_NAME),
        ("broken.example", Found.FAILED),
        ("silent.example", Found.FAILED),
    ],
)
async def test_a_host_of_one_kind_or_none(resolver: DnsResolver, host: str, found: Found) -> None:
    assert (await resolver.addresses(host)).found is found


async def test_a_host_with_many_addresses_is_cut(resolver: DnsResolver) -> None:
    assert len((await resolver.addresses("many.example")).records) == 8


async def test_an_address_is_its_own_answer_and_localhost_is_the_systems() -> None:
    resolver = DnsResolver()

    assert (await resolver.addresses("2001:db8::1")).records == ("2001:db8::1",)
    assert "127.0.0.1" in (await resolver.addresses("localhost")).records
