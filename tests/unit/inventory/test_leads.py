"""Whether an MX still leads to a node is asked of DNS, and what DNS does not say is no answer."""

from __future__ import annotations

import asyncio

import pytest

from inventory.mx import leads
from inventory.mx.leads import MxLeads, mx_leads
from tests.support.network.dns_server import DnsServer, Trouble, dns_server

NODE = ("192.0.2.10", "2001:db8::10")


async def looked(server: DnsServer, *domains: str) -> MxLeads:
    return await mx_leads(domains, NODE, resolver=f"127.0.0.1:{server.port}")


async def test_a_domain_whose_second_mx_has_the_nodes_address_leads_there() -> None:
    async with dns_server() as server:
        server.records = {
            ("a.example.", "MX"): ["10 p1.mx.example.", "20 p2.mx.example."],
            ("b.example.", "MX"): ["10 p1.mx.example."],
            ("p1.mx.example.", "A"): ["192.0.2.20"],
            ("p2.mx.example.", "AAAA"): ["2001:db8::10"],
            ("own.example.", "A"): ["192.0.2.10"],
        }

        found = await looked(server, "a.example", "b.example", "own.example", "none.example")

    assert found == MxLeads(("a.example", "own.example"), ())


async def test_each_host_is_asked_once_for_very_many_domains() -> None:
    async with dns_server() as server:
        domains = [f"d{number}.example" for number in range(50)]
        server.records = {(f"{one}.", "MX"): ["10 p1.mx.example."] for one in domains}
        server.records["p1.mx.example.", "A"] = ["192.0.2.20"]

        assert await looked(server, *domains) == MxLeads((), ())

    assert server.asked.count(("p1.mx.example.", "A")) == 1


async def test_what_dns_does_not_say_is_unknown() -> None:
    async with dns_server() as server:
        server.records = {("b.example.", "MX"): ["10 p9.mx.example."]}
        server.trouble = {"a.example.": Trouble.SERVFAIL, "p9.mx.example.": Trouble.SERVFAIL}

        found = await looked(server, "a.example", "b.example")

    assert found == MxLeads((), ("a.example", "b.example"))


async def test_a_domain_whose_hosts_are_all_silent_holds_the_others_up_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leads, "ANSWER_S", 0.2)
    monkeypatch.setattr(leads, "DOMAIN_S", 1.0, raising=False)
    async with dns_server() as server:
        hosts = [f"h{number}.a.example." for number in range(50)]
        server.records = {
            ("a.example.", "MX"): [f"10 {host}" for host in hosts],
            ("b.example.", "MX"): [f"10 {hosts[0]}", "20 p1.mx.example."],
            ("p1.mx.example.", "A"): ["192.0.2.10"],
        }
        server.trouble = dict.fromkeys(hosts, Trouble.SILENT)

        found = await asyncio.wait_for(looked(server, "a.example", "b.example"), 10)

    assert found == MxLeads(("b.example",), ("a.example",))
