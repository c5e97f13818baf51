"""Do the DNS lists and ``dnsbl check`` read what rbldnsd says, and every fault of a list?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
import structlog

from common.preferences import Kind, Preferences
from common.verdict import Outcome, Verdict
from satellite.app.dns_lists import ListSaid, dns_lists_say
from satellite.filtering.filters.dnsbl import Dnsbl
from satellite.filtering.inside import GivenInside, MailContent
from satellite.filtering.resolver import DnsResolver
from tests.support.core.preferences import document, preferences
from tests.support.network.rbldnsd import RBLDNSD, rbldnsd
from tests.support.scanning.filtering import context, mail

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not RBLDNSD, reason="rbldnsd is not installed (package rbldnsd)"),
]

ADDRESSES = """\
:127.0.0.2:listed, see https://lists.test/$
127.0.0.2
192.0.2.7
192.0.2.0/28 :127.0.0.10:a network
!192.0.2.8
192.0.2.9 :127.255.255.254:open resolver
192.0.2.10 :203.0.113.80:parked
192.0.2.11 :127.0.0.99:another code
"""
URLS = ":127.0.0.8:phish\n.test\n.evil.example\n.worse.example :127.0.0.72:both\n"
EVERYBODY = "127.0.0.0/8\n192.0.2.0/24\n"
ZONES = {
    "zen.test": ("ip4set", ADDRESSES),
    "six.test": ("ip6trie", ":127.0.0.2:six\n::ffff:7f00:2\n2001:db8::/32\n"),
    "urls.test": ("dnset", URLS),
    "good.test": ("ip4set", ":127.0.5.3:good\n127.0.0.2\n192.0.2.7\n"),
    "everybody.test": ("ip4set", f":127.0.0.2:all\n{EVERYBODY}"),
    "refusing.test": ("ip4set", f":127.255.255.254:no\n{EVERYBODY}"),
    "parked.test": ("ip4set", f":203.0.113.80:for sale\n{EVERYBODY}"),
    "blocked.test": ("ip4set", f":127.0.0.1:too many\n{EVERYBODY}"),
    "empty.test": ("ip4set", "198.51.100.1\n"),
}
CODES = {"127.0.0.2": 4.0, "127.0.0.10": 1.5}
BITS = {"127.0.0.8": 5.0, "127.0.0.64": 6.0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint() -> AsyncIterator[str]:
    async with rbldnsd(ZONES) as running:
        yield running


def lists(zone: str, codes: dict[str, float], **options: object) -> Preferences:
    body = {"kind": "dnsbl", "zone": zone, "codes": codes, "options": options}
    return preferences(document(Kind.FILTER, "one", **body))


async def verdict(
    endpoint: str, prefs: Preferences, *, client: str = "192.0.2.7", urls: tuple[str, ...] = ()
) -> Verdict:
    examined = Dnsbl(context(resolver=DnsResolver(endpoint)))
    inside = GivenInside(data=b"", given=MailContent(urls=urls))
    with structlog.testing.capture_logs():
        (found,) = await examined.examine(mail(prefs, client=client, inside=inside))
    await examined.close()
    return found


@pytest.mark.parametrize(
    ("client", "outcome", "points"),
    [
        ("192.0.2.7", Outcome.SCORED, [4.0]),
        ("192.0.2.5", Outcome.SCORED, [1.5]),
        ("192.0.2.8", Outcome.SCORED, []),
        ("192.0.2.9", Outcome.ERROR, [0.0]),
        ("192.0.2.10", Outcome.ERROR, [0.0]),
        ("192.0.2.11", Outcome.SCORED, [1.5]),
        ("198.51.100.1", Outcome.SCORED, []),
    ],
    ids=["listed", "its network", "excluded", "error code", "parked", "other code", "absent"],
)
async def test_a_client_is_judged_by_what_the_list_holds(
    endpoint: str, client: str, outcome: Outcome, points: list[float]
) -> None:
    said = await verdict(endpoint, lists("zen.test", CODES), client=client)

    assert (said.outcome, [test.score for test in said.tests]) == (outcome, points), said


@pytest.mark.parametrize(
    ("zone", "fault"),
    [
        ("everybody.test", "lists the test entry 127.0.0.1"),
        ("refusing.test", "refuses queries through a public or open resolver"),
        ("parked.test", "hijacked, or gone"),
        ("blocked.test", "it does not serve us"),
        ("empty.test", "does not list the test entry 127.0.0.2"),
    ],
)
async def test_a_list_that_is_wrong_gives_no_points_and_says_why(
    endpoint: str, zone: str, fault: str
) -> None:
    said = await verdict(endpoint, lists(zone, CODES))
    (checked,) = await checked_by_hand(endpoint, lists(zone, CODES), "192.0.2.7")

    assert (said.outcome, said.tests[0].score) == (Outcome.ERROR, 0.0)
    assert fault in said.detail
    assert fault in checked.fault
    assert checked.points == 0.0


async def test_a_zone_that_the_server_does_not_have_is_unavailable(endpoint: str) -> None:
    said = await verdict(endpoint, lists("nobody.test", CODES))

    assert (said.outcome, said.tests[0].score) == (Outcome.UNAVAILABLE, 0.0)


async def test_a_list_of_ipv6_is_read(endpoint: str) -> None:
    prefs = lists("six.test", CODES, family=6)

    assert (await verdict(endpoint, prefs, client="2001:db8::7")).tests[0].score == 4.0
    assert (await verdict(endpoint, prefs, client="2001:db9::7")).tests == ()


async def test_a_list_of_urls_with_bits_is_read(endpoint: str) -> None:
    prefs = lists("urls.test", BITS, asks="url", answers="bits", names="registered")

    evil = await verdict(endpoint, prefs, urls=("https://www.evil.example/",))
    both = await verdict(
        endpoint, prefs, urls=("https://www.evil.example/", "http://worse.example")
    )
    none = await verdict(endpoint, prefs, urls=("https://good.example/",))

    assert [test.score for test in evil.tests] == [5.0]
    assert [test.score for test in both.tests] == [6.0]
    assert (none.outcome, none.tests) == (Outcome.SCORED, ())


async def test_a_list_of_good_senders_takes_points_away(endpoint: str) -> None:
    said = await verdict(endpoint, lists("good.test", {"127.0.*.3": -5.0}))

    assert [test.score for test in said.tests] == [-5.0]


async def checked_by_hand(endpoint: str, prefs: Preferences, subject: str) -> tuple[ListSaid, ...]:
    return await dns_lists_say(subject, prefs, resolver=endpoint)


async def test_the_check_by_hand_shows_the_words_of_the_list(endpoint: str) -> None:
    (said,) = await checked_by_hand(endpoint, lists("zen.test", CODES), "192.0.2.7")

    assert (said.says, said.points, said.fault) == ("listed", 4.0, "")
    assert dict(said.answers) == {"127.0.0.2": "", "127.0.0.10": ""}
    assert "listed, see https://lists.test/192.0.2.7" in said.texts
    absent = await checked_by_hand(endpoint, lists("zen.test", CODES), "198.51.100.1")
    assert absent == (
        replace(said, subject="198.51.100.1", says="not listed", points=0.0, answers={}, texts=()),
    )
