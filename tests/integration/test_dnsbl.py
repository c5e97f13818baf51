"""Does the DNS list filter read what a real name server says?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import structlog

from common.clock import SystemClock
from common.preferences import Kind, Preferences
from common.verdict import Outcome, Verdict
from satellite.app.listed_at_connect import ListedAtConnect
from satellite.filtering.filters.dnsbl import Dnsbl
from satellite.filtering.resolver import DnsResolver, NoDnsAnswer
from tests.support.core.preferences import document, preferences
from tests.support.network.named import NAMED, NamedServer, named
from tests.support.network.ports import free_port
from tests.support.network.resolvers import FakeResolver
from tests.support.scanning.filtering import context, mail

pytestmark = [
    pytest.mark.skipif(not NAMED, reason="named is not installed (package bind9)"),
]

TEST_ENTRY = "2.0.0.127 IN A 127.0.0.2"
ZONES = {
    "zen.test": f"""
{TEST_ENTRY}
7.2.0.192 IN A 127.0.0.2
7.2.0.192 IN A 127.0.0.10
7.2.0.192 IN TXT "listed"
8.2.0.192 IN A 127.0.0.99
9.2.0.192 IN A 127.255.255.254
10.2.0.192 IN TXT "no address here"
7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2 IN A 127.0.0.10
""",
    "wild.test": "* IN A 127.0.0.2",
    "parked.test": "* IN A 203.0.113.80",
    "empty.test": "",
}
CODES = {"127.0.0.2": 4.0, "127.0.0.10": 1.5}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NamedServer]:
    with structlog.testing.capture_logs():
        async with named(tmp_path, ZONES) as running:
            yield running


def lists(**zones: str) -> Preferences:
    return preferences(
        *(
            document(Kind.FILTER, name, kind="dnsbl", zone=zone, codes=CODES)
            for name, zone in zones.items()
        )
    )


async def verdicts(
    server: NamedServer, client: str, zones: Mapping[str, str]
) -> dict[str, Verdict]:
    examined = Dnsbl(context(resolver=DnsResolver(server.endpoint)))
    found = await examined.examine(mail(lists(**zones), client=client))
    return {verdict.by: verdict for verdict in found}


@pytest.mark.parametrize(
    ("client", "outcome", "points"),
    [
        ("192.0.2.7", Outcome.SCORED, [4.0]),
        ("192.0.2.8", Outcome.SCORED, []),
        ("192.0.2.9", Outcome.ERROR, [0.0]),
        ("192.0.2.10", Outcome.SCORED, []),
        ("192.0.2.11", Outcome.SCORED, []),
        ("2001:db8::7", Outcome.SCORED, [1.5]),
        ("2001:db8::8", Outcome.SCORED, []),
    ],
    ids=["listed", "other code", "error code", "no address", "absent", "IPv6", "IPv6 absent"],
)
async def test_a_client_is_judged_by_what_the_zone_holds(
    server: NamedServer, client: str, outcome: Outcome, points: list[float]
) -> None:
    verdict = (await verdicts(server, client, {"zen": "zen.test"}))["zen"]

    assert verdict.outcome is outcome
    assert [test.score for test in verdict.tests] == points


async def test_a_broken_list_takes_nothing_from_a_good_one(server: NamedServer) -> None:
    zones = {
        "zen": "zen.test",
        "wild": "wild.test",
        "parked": "parked.test",
        "empty": "empty.test",
        "refused": "nobody.test",
    }

    found = await verdicts(server, "192.0.2.7", zones)

    assert {name: verdict.outcome for name, verdict in found.items()} == {
        "zen": Outcome.SCORED,
        "wild": Outcome.ERROR,
        "parked": Outcome.ERROR,
        "empty": Outcome.ERROR,
        "refused": Outcome.UNAVAILABLE,
    }
    assert sum(test.score for verdict in found.values() for test in verdict.tests) == 4.0


async def refusal_at_connect(server: NamedServer, client: str, zone: str) -> str | None:
    """Return what a client hears in place of a greeting, or None."""
    resolver = DnsResolver(server.endpoint)
    body = {"kind": "dnsbl", "zone": zone, "codes": CODES, "options": {"at": "connect"}}
    found = preferences(
        document(Kind.FILTER, "zen", **body),
        document(Kind.POLICY, "cluster", **{"dnsbl.reject": 4}),
    )
    lists = Dnsbl(context(resolver=resolver))
    door = ListedAtConnect(lists, resolver, lambda: found, SystemClock())
    return None if door.lets_in(client) else await door.refusal(client)


@pytest.mark.parametrize(
    ("client", "zone", "why"),
    [
        ("192.0.2.7", "zen.test", "192.0.2.7 is on the block list zen: listed"),
        ("192.0.2.8", "zen.test", None),
        ("192.0.2.9", "zen.test", None),
        ("192.0.2.11", "zen.test", None),
        ("192.0.2.7", "wild.test", None),
        ("192.0.2.7", "parked.test", None),
        ("192.0.2.7", "empty.test", None),
        ("192.0.2.7", "nobody.test", None),
    ],
)
async def test_who_is_refused_before_the_greeting_hears_the_words_of_the_zone(
    server: NamedServer, client: str, zone: str, why: str | None
) -> None:
    assert await refusal_at_connect(server, client, zone) == why


async def test_nobody_at_the_resolvers_port_is_no_answer() -> None:
    resolver = DnsResolver(f"127.0.0.1:{free_port()}")

    with pytest.raises(NoDnsAnswer):
        await resolver.addresses("7.2.0.192.zen.test", timeout_s=0.3)


@pytest.mark.parametrize("name", ["2.0.0.127.zen.test", "11.2.0.192.zen.test"])
async def test_the_fake_resolver_answers_as_the_real_one(server: NamedServer, name: str) -> None:
    fake = FakeResolver()
    fake.put("zen.test", "127.0.0.2", "127.0.0.2")

    real = await DnsResolver(server.endpoint).addresses(name, timeout_s=5.0)
    faked = await fake.addresses(name, timeout_s=5.0)

    assert real.addresses == faked.addresses
    assert real.ttl_s == (60.0 if real.addresses else 45.0)  # of the record, or of the SOA
