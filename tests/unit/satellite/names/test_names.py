"""Names are asked for once, without a thread, and a silent DNS does not take what was known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from satellite.names import names
from satellite.names.answer import Lookup, LookupResult
from satellite.names.hosts_file import HostsFile
from satellite.names.name_servers import NameServers
from satellite.names.names import Names
from tests.support.clock import FakeClock
from tests.support.network.dns_server import DnsServer, Trouble, dns_server

MAIL = "mail.acme.example"
KNOWN = Lookup(LookupResult.RECORDS, ("192.0.2.1",))


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with dns_server() as server:
        server.records[(f"{MAIL}.", "A")] = ["192.0.2.1"]
        yield server


@pytest.fixture
def hosts(tmp_path: Path) -> HostsFile:
    return HostsFile(tmp_path / "hosts")


@pytest.fixture
def made(server: DnsServer, hosts: HostsFile, monkeypatch: pytest.MonkeyPatch) -> Names:
    monkeypatch.setattr(names, "LOOKUP_S", 0.3)
    monkeypatch.setattr(names, "LOOKUP_WITH_LAST_GOOD_S", 0.3)
    return Names(NameServers("127.0.0.1", server.port), FakeClock(), hosts=hosts)


async def test_many_who_ask_at_once_are_one_question(made: Names, server: DnsServer) -> None:
    found = await asyncio.gather(*(made.addresses(MAIL) for _ in range(20)))

    assert set(found) == {KNOWN}
    assert sorted(server.asked) == [(f"{MAIL}.", "A"), (f"{MAIL}.", "AAAA")]


async def test_whoever_asks_and_goes_leaves_the_question_to_the_next(
    made: Names, server: DnsServer
) -> None:
    server.trouble[f"{MAIL}."] = Trouble.SILENT
    first = asyncio.create_task(made.addresses(MAIL))
    second = asyncio.create_task(made.addresses(MAIL))
    await asyncio.sleep(0)
    first.cancel()
    server.trouble.clear()

    assert await second == KNOWN


@pytest.mark.parametrize("trouble", [Trouble.SILENT, Trouble.SERVFAIL])
async def test_the_last_good_addresses_are_used_when_a_lookup_fails(
    server: DnsServer, hosts: HostsFile, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    monkeypatch.setattr(names, "LOOKUP_WITH_LAST_GOOD_S", 0.3)
    clock = FakeClock()
    made = Names(NameServers("127.0.0.1", server.port), clock, hosts=hosts)
    await made.addresses(MAIL)
    server.trouble[f"{MAIL}."] = trouble

    await clock.advance(61)

    assert await made.addresses(MAIL) == KNOWN


async def test_it_is_counted_how_questions_end(server: DnsServer, hosts: HostsFile) -> None:
    counted: list[str] = []
    clock = FakeClock()
    servers = NameServers("127.0.0.1", server.port)
    made = Names(servers, clock, hosts=hosts, on_answer=counted.append)
    await made.records(MAIL, "A")
    server.trouble[f"{MAIL}."] = Trouble.SERVFAIL
    await clock.advance(61)
    await made.records(MAIL, "A")
    await made.records(MAIL, "MX")
    await made.records("gone.example", "A")

    assert counted == ["found", "last_good", "failed", "none"]


async def test_silent_names_hold_no_other(server: DnsServer, made: Names) -> None:
    for number in range(40):
        server.trouble[f"silent{number}.example."] = Trouble.SILENT
    waiting = [asyncio.create_task(made.addresses(f"silent{n}.example")) for n in range(40)]
    await asyncio.sleep(0)

    assert await made.addresses(MAIL) == KNOWN
    assert not any(task.done() for task in waiting)
    assert {(await task).found for task in waiting} == {LookupResult.FAILED}


async def test_the_system_servers_come_from_resolv_conf_which_may_change(
    tmp_path: Path, server: DnsServer
) -> None:
    conf = tmp_path / "resolv.conf"
    servers = NameServers(port=server.port, resolv_conf=conf)

    before = await servers.ask(MAIL, "A", within_s=5.0)
    conf.write_text("nameserver 127.0.0.1\n")
    after = await servers.ask(MAIL, "A", within_s=5.0)

    assert before.lookup.found is LookupResult.FAILED
    assert after.lookup.found is LookupResult.RECORDS


async def test_the_hosts_file_counts_and_is_read_again(tmp_path: Path, hosts: HostsFile) -> None:
    made = Names(NameServers(resolv_conf=tmp_path / "none"), FakeClock(), hosts=hosts)
    file = tmp_path / "hosts"
    file.write_text("# ours\n192.0.2.7 mail.acme.example mail # twice\n2001:db8::7 MAIL\nx y\n")

    assert (await made.addresses("mail.acme.example.")).records == ("192.0.2.7",)
    assert (await made.addresses("mail")).records == ("192.0.2.7", "2001:db8::7")

    file.write_text("192.0.2.88 mail\n")
    assert (await made.addresses("mail")).records == ("192.0.2.88",)


async def test_localhost_is_loopback_and_an_address_its_own(made: Names) -> None:
    assert "127.0.0.1" in (await made.addresses("localhost")).records
    assert (await made.addresses("2001:db8::1")).records == ("2001:db8::1",)


@pytest.mark.parametrize(
    ("conf", "is_trusted"), [("options trust-ad edns0\n", True), ("options edns0\n", False)]
)
async def test_ad_of_the_systems_resolver_counts_if_resolv_conf_trusts_it(
    tmp_path: Path, server: DnsServer, conf: str, is_trusted: bool
) -> None:
    server.is_validating = True
    path = tmp_path / "resolv.conf"
    path.write_text(f"nameserver 127.0.0.1\n{conf}")
    servers = NameServers(port=server.port, resolv_conf=path)

    said = await servers.ask(MAIL, "A", within_s=5.0)

    assert said.lookup.is_validated is is_trusted
