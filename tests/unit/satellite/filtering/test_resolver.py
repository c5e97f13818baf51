"""A filter hears what DNS has, that it has nothing, or that it has not said so.

Asked of a real server over UDP and TCP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from satellite.filtering.resolver import DnsResolver, NoDnsAnswer
from tests.support.network.dns_server import DnsServer, Trouble, dns_server


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with dns_server() as server:
        server.records = {
            ("7.2.0.192.zen.test.", "A"): ["127.0.0.2", "127.0.0.10"],
            ("8.2.0.192.zen.test.", "TXT"): ["no address"],
            ("9.2.0.192.zen.test.", "A"): ["127.0.0.2"],
        }
        server.trouble = {
            "9.2.0.192.zen.test.": Trouble.TRUNCATED,
            "10.2.0.192.zen.test.": Trouble.ALWAYS_TRUNCATED,
            "11.2.0.192.zen.test.": Trouble.SERVFAIL,
            "12.2.0.192.zen.test.": Trouble.ALIAS_LOOP,
        }
        yield server


@pytest.mark.parametrize(
    ("host", "addresses"),
    [(7, {"127.0.0.2", "127.0.0.10"}), (8, set()), (9, {"127.0.0.2"}), (99, set())],
    ids=["listed", "no address", "over TCP", "no name"],
)
async def test_what_is_there_and_what_is_not_is_an_answer(
    server: DnsServer, host: int, addresses: set[str]
) -> None:
    resolver = DnsResolver(f"127.0.0.1:{server.port}")

    found = await resolver.addresses(f"{host}.2.0.192.zen.test", timeout_s=2.0)

    assert set(found.addresses) == addresses
    assert found.ttl_s > 0


@pytest.mark.parametrize("host", [10, 11, 12], ids=["cut off", "SERVFAIL", "loop of aliases"])
async def test_what_is_cut_off_or_fails_is_no_answer(server: DnsServer, host: int) -> None:
    resolver = DnsResolver(f"127.0.0.1:{server.port}")

    with pytest.raises(NoDnsAnswer):
        await resolver.addresses(f"{host}.2.0.192.zen.test", timeout_s=0.5)
