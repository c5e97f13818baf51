"""What does the DNS list filter say, and when does it leave a list alone?"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import structlog
from prometheus_client import CollectorRegistry

from common.preferences import Kind, Preferences
from common.verdict import Effect, Outcome, Verdict
from satellite.filtering.asked_list import AT_ONCE_MAX
from satellite.filtering.filter import Mail
from satellite.filtering.filters import dnsbl as dnsbl_module
from satellite.filtering.filters.dnsbl import URLS_AT_ONCE_MAX, WATCH_S, Dnsbl
from satellite.filtering.inside import GivenInside, MailContent, NoInside
from satellite.filtering.list_health import DISABLED_S, OUT_OF_HAND_S, SILENT_S, TEST_EVERY_S
from satellite.filtering.list_share import SUBJECTS_MIN
from satellite.filtering.registered import public_suffixes
from satellite.filtering.url_hosts import UrlHosts, hosts_of
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, preferences
from tests.support.network.resolvers import FakeResolver, with_test_entry
from tests.support.scanning.filtering import context, mail

ZONE = "zen.example"
CLIENT = "192.0.2.7"
CODES = {"127.0.0.2": 4.0, "127.0.0.10": 1.5}


def listing(**more: object) -> Preferences:
    body = {"kind": "dnsbl", "zone": ZONE, "codes": CODES} | more
    return preferences(document(Kind.FILTER, "zen", **body))


NOTHING_INSIDE = MailContent()


class Unreadable(GivenInside):
    """What is inside a message that nobody can read."""

    def __init__(self) -> None:
        super().__init__(data=b"")

    async def content(self) -> MailContent:
        raise NoInside("there is no reader")


class DnsblFilter:
    """One filter with its clock, DNS and metrics."""

    def __init__(self, resolver: FakeResolver, budget_s: float = 5.0) -> None:
        self.clock = FakeClock()
        self.resolver = resolver
        self.metrics = CollectorRegistry()
        made = context(clock=self.clock, resolver=resolver, metrics=self.metrics)
        self.filter = Dnsbl(made, budget_s=budget_s)

    async def verdict(
        self,
        prefs: Preferences | None = None,
        client: str = CLIENT,
        urls: MailContent | None = NOTHING_INSIDE,
    ) -> Verdict:
        inside = Unreadable() if urls is None else GivenInside(data=b"", given=urls)
        (verdict,) = await self.filter.examine(
            mail(prefs or listing(), client=client, inside=inside)
        )
        return verdict

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Let the filter look after its list; at first until it has tested it."""
        public_suffixes()
        task = asyncio.create_task(self.filter.watch(listing))
        while not self.clock.sleepers:
            await asyncio.sleep(0)
        await self.clock.settle()
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @property
    def disabled(self) -> float | None:
        return self.metrics.get_sample_value("borderscout_dnsbl_disabled", {"list": "zen"})


@pytest.fixture(autouse=True)
async def quiet() -> AsyncIterator[None]:
    with structlog.testing.capture_logs():
        yield


async def test_without_lists_there_is_nothing_to_say() -> None:
    dnsbl = DnsblFilter(FakeResolver())

    assert await dnsbl.filter.examine(mail(preferences())) == ()
    assert await dnsbl.filter.examine(mail(listing(enabled=False))) == ()


async def test_a_listed_client_gets_the_points_of_its_code() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.0.10")

    verdict = await dnsbl.verdict()

    assert (verdict.by, verdict.outcome) == ("zen", Outcome.SCORED)
    (test,) = verdict.tests
    assert (test.name, test.score) == ("DNSBL_ZEN", 1.5)
    assert test.detail == "192.0.2.7 in zen.example: 127.0.0.10"


async def test_a_client_that_is_not_listed_gets_no_test() -> None:
    verdict = await DnsblFilter(with_test_entry(ZONE)).verdict()

    assert (verdict.outcome, verdict.tests) == (Outcome.SCORED, ())


async def test_an_ipv6_client_is_looked_up_by_nibbles() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put(ZONE, "2001:db8::7", "127.0.0.2")

    assert (await dnsbl.verdict(client="2001:db8::7")).tests[0].score == 4.0


async def test_a_mapped_client_is_looked_up_as_ipv4() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.0.2")

    assert (await dnsbl.verdict(client=f"::ffff:{CLIENT}")).tests[0].score == 4.0


async def test_a_private_client_is_not_looked_up() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))

    assert (await dnsbl.verdict(client="127.0.0.1")).outcome is Outcome.SKIPPED
    assert dnsbl.resolver.asked == []


@pytest.mark.parametrize("answer", ["127.255.255.254", "127.255.255.255", "203.0.113.9"])
async def test_an_answer_that_no_list_gives_disables_it_and_gives_no_points(answer: str) -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put(ZONE, CLIENT, answer)

    first = await dnsbl.verdict()
    asked = len(dnsbl.resolver.asked)
    second = await dnsbl.verdict(client="192.0.2.8")

    for verdict in (first, second):
        assert verdict.outcome is Outcome.ERROR
        assert [test.score for test in verdict.tests] == [0.0]
        assert answer in verdict.detail
    assert len(dnsbl.resolver.asked) == asked  # it was left alone
    assert dnsbl.disabled == 1.0


async def test_a_disabled_list_comes_back_once_it_passes_its_test() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put(ZONE, CLIENT, "127.255.255.254")
    await dnsbl.verdict()
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.0.2")

    await dnsbl.clock.advance(DISABLED_S)

    verdict = await dnsbl.verdict(client="192.0.2.8")
    assert (verdict.outcome, dnsbl.disabled) == (Outcome.SCORED, 0.0)


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"127.0.0.2": ("127.0.0.2",), "127.0.0.1": ("127.0.0.2",)},
        {"127.0.0.2": ("203.0.113.9",)},
        {"127.0.0.2": ("127.255.255.254",)},
    ],
    ids=["dead", "lists everything", "hijacked", "refuses our resolver"],
)
async def test_a_list_that_fails_its_self_test_is_not_asked_about_anybody(
    entries: dict[str, tuple[str, ...]],
) -> None:
    dnsbl = DnsblFilter(FakeResolver())
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.0.2")
    for address, codes in entries.items():
        dnsbl.resolver.put(ZONE, address, *codes)

    verdict = await dnsbl.verdict()

    assert verdict.outcome is Outcome.ERROR
    assert verdict.tests[0].score == 0.0
    assert not any("7.2.0.192" in name for name in dnsbl.resolver.asked)


async def test_a_list_that_begins_to_list_everybody_is_found_within_the_hour() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    async with dnsbl.watching():
        await dnsbl.verdict()
        for address in ("127.0.0.1", CLIENT, "192.0.2.8"):
            dnsbl.resolver.put(ZONE, address, "127.0.0.2")

        await dnsbl.clock.advance(TEST_EVERY_S + WATCH_S)

    assert (await dnsbl.verdict(client="192.0.2.8")).outcome is Outcome.ERROR


async def test_a_list_is_tested_before_the_first_message_comes() -> None:
    dnsbl = DnsblFilter(FakeResolver())

    async with dnsbl.watching():
        asked = len(dnsbl.resolver.asked)

        assert (await dnsbl.verdict()).outcome is Outcome.ERROR
        assert len(dnsbl.resolver.asked) == asked == 3
        assert dnsbl.filter.problems() == (
            "the DNS list zen is not asked: zen.example does not list the test entry 127.0.0.2",
        )


async def test_a_test_that_is_due_again_keeps_no_message() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    await dnsbl.verdict()
    await dnsbl.clock.advance(TEST_EVERY_S)
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.0.2")
    dnsbl.resolver.silent_names = {"2.0.0.127.zen.example"}

    assert [test.score for test in (await dnsbl.verdict()).tests] == [4.0]
    await dnsbl.filter.close()


async def test_twenty_messages_of_one_client_are_one_lookup() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.0.2")

    verdicts = await asyncio.gather(*(dnsbl.verdict() for _ in range(20)))

    assert {verdict.outcome for verdict in verdicts} == {Outcome.SCORED}
    assert len(dnsbl.resolver.asked) == 4  # three of the self-test


async def test_only_so_many_names_of_a_list_are_asked_at_once() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    await dnsbl.verdict()
    asked = len(dnsbl.resolver.asked)
    dnsbl.resolver.is_silent = True

    clients = [f"203.0.113.{number}" for number in range(AT_ONCE_MAX + 9)]
    waiting = [asyncio.ensure_future(dnsbl.verdict(client=client)) for client in clients]
    await dnsbl.clock.settle()

    assert len(dnsbl.resolver.asked) - asked == AT_ONCE_MAX
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await dnsbl.filter.close()


async def test_a_list_with_an_entry_for_a_name_that_was_made_up_is_left_alone() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.otherwise = ("127.0.0.2",)
    dnsbl.resolver.put(ZONE, "127.0.0.1")

    verdict = await dnsbl.verdict()

    assert (verdict.outcome, verdict.tests[0].score) == (Outcome.ERROR, 0.0)
    assert verdict.detail == "zen.example lists a name that was made up"


async def test_a_list_that_suddenly_lists_everybody_is_left_alone_and_says_why() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    for number in range(SUBJECTS_MIN):
        assert not (await dnsbl.verdict(client=f"198.51.100.{number}")).tests
    await dnsbl.clock.advance(TEST_EVERY_S)
    for number in range(SUBJECTS_MIN):
        dnsbl.resolver.put(ZONE, f"203.0.113.{number}", "127.0.0.2")

    verdicts = [await dnsbl.verdict(client=f"203.0.113.{n}") for n in range(SUBJECTS_MIN)]

    assert [verdict.outcome for verdict in verdicts[:-1]] == [Outcome.SCORED] * (SUBJECTS_MIN - 1)
    last = await dnsbl.verdict(client="192.0.2.9")
    assert last == replace(verdicts[-1], ms=last.ms)
    assert (last.outcome, last.tests[0].score) == (Outcome.ERROR, 0.0)
    assert "lists 50 of the last 50" in last.detail
    assert dnsbl.filter.problems() == (f"the DNS list zen is not asked: {last.detail}",)

    # An hour later it is asked again; what it did has not become usual meanwhile.
    await dnsbl.clock.advance(OUT_OF_HAND_S)
    assert (await dnsbl.verdict(client="192.0.2.9")).outcome is Outcome.SCORED
    for number in range(SUBJECTS_MIN):
        dnsbl.resolver.put(ZONE, f"203.0.114.{number}", "127.0.0.2")
        verdict = await dnsbl.verdict(client=f"203.0.114.{number}")
    assert verdict.outcome is Outcome.ERROR


async def test_one_network_that_writes_many_listed_names_switches_no_list_off() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    urls = listing(options={"asks": "url"})
    for number in range(SUBJECTS_MIN):
        content = MailContent(urls=(f"https://n{number}.good.example/",))
        await dnsbl.verdict(urls, client=f"198.51.{number}.7", urls=content)
    await dnsbl.clock.advance(TEST_EVERY_S)
    for number in range(SUBJECTS_MIN * 2):
        dnsbl.resolver.put_name(ZONE, f"n{number}-evil.example", "127.0.0.2")

    for number in range(0, SUBJECTS_MIN * 2, 10):
        names = tuple(f"https://n{n}-evil.example/" for n in range(number, number + 10))
        content = MailContent(urls=names)
        verdict = await dnsbl.verdict(urls, client=f"203.0.113.{number}", urls=content)

    assert verdict.outcome is Outcome.SCORED


@pytest.mark.parametrize(
    "options",
    [{"asks": "everything"}, {"family": 5}, {"colour": "red"}, {"errors": "10.0.0.1"},
     {"test": "a b"}, {"share_max": 0}, {"asks": ""}],
    ids=str,
)  # fmt: skip
async def test_a_document_that_nobody_can_read_makes_a_list_that_is_not_asked(
    options: dict[str, object],
) -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.0.2")

    verdict = await dnsbl.verdict(listing(options=options))

    assert (verdict.outcome, verdict.tests[0].score) == (Outcome.ERROR, 0.0)
    assert dnsbl.resolver.asked == []
    assert len(dnsbl.filter.problems()) == 1


async def test_other_points_for_a_code_need_no_other_test() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.0.2")
    await dnsbl.verdict()
    asked = len(dnsbl.resolver.asked)

    verdict = await dnsbl.verdict(listing(codes={"127.0.0.2": 1.0}))

    assert verdict.tests[0].score == 1.0
    assert len(dnsbl.resolver.asked) == asked


URLS = MailContent(urls=("https://www.evil.example/x", "http://192.0.2.80/", "http://good.test/"))


async def test_the_weightiest_of_all_that_a_list_knows_of_a_message_counts_once() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put_name(ZONE, "evil.example", "127.0.0.10")
    dnsbl.resolver.put_name(ZONE, "www.evil.example", "127.0.0.2")

    verdict = await dnsbl.verdict(listing(options={"asks": "url"}), urls=URLS)

    assert [(test.name, test.score) for test in verdict.tests] == [("DNSBL_ZEN", 4.0)]
    assert verdict.detail == (
        "evil.example in zen.example: 127.0.0.10; www.evil.example in zen.example: 127.0.0.2"
    )


async def test_a_message_that_cannot_be_read_is_not_called_free_of_listed_urls() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))

    verdict = await dnsbl.verdict(listing(options={"asks": "client,url"}), urls=None)

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert verdict.detail == "its URLs are not known: there is no reader"
    assert dnsbl.disabled == 0.0  # which is no fault of the list


async def test_very_many_urls_are_not_read_in_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers: list[int] = []

    def reading(urls: tuple[str, ...]) -> UrlHosts:
        readers.append(threading.get_ident())
        return hosts_of(urls)

    monkeypatch.setattr(dnsbl_module, "hosts_of", reading)
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    many = MailContent(urls=tuple(f"http://a{n}.example/" for n in range(URLS_AT_ONCE_MAX + 1)))

    verdict = await dnsbl.verdict(listing(options={"asks": "url"}), urls=many)

    assert verdict.outcome is Outcome.SCORED
    assert len(readers) == 1
    assert readers[0] != threading.get_ident()


async def test_what_is_known_counts_though_a_part_of_the_answers_is_missing() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put_name(ZONE, "evil.example", "127.0.0.10")
    dnsbl.resolver.names["good.test.zen.example"] = None

    verdict = await dnsbl.verdict(listing(options={"asks": "url"}), urls=URLS)

    assert (verdict.outcome, verdict.tests[0].score) == (Outcome.SCORED, 1.5)


async def test_what_is_known_already_is_said_at_once() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.0.2")
    message = mail(listing(), client=CLIENT)
    assert dnsbl.filter.examine_at_once(message) is None
    asked = await dnsbl.filter.examine(message)

    assert dnsbl.filter.examine_at_once(message) == asked
    assert dnsbl.filter.examine_at_once(mail(listing(), client="192.0.2.8")) is None

    await dnsbl.clock.advance(dnsbl.resolver.ttl_s)
    assert dnsbl.filter.examine_at_once(message) is None


async def test_a_list_that_has_yet_to_pass_its_test_again_says_nothing_at_once() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.ttl_s = TEST_EVERY_S
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.0.2")
    dnsbl.resolver.put(ZONE, "192.0.2.8", "127.255.255.254")
    await dnsbl.verdict()
    await dnsbl.verdict(client="192.0.2.8")
    (at_once,) = dnsbl.filter.examine_at_once(mail(listing(), client=CLIENT)) or ()
    assert at_once.outcome is Outcome.ERROR

    await dnsbl.clock.advance(DISABLED_S)

    assert dnsbl.filter.examine_at_once(mail(listing(), client=CLIENT)) is None


async def test_what_is_known_is_said_at_once_of_urls_that_are_few_and_at_hand() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put_name(ZONE, "evil.example", "127.0.0.2")
    prefs = listing(options={"asks": "url"})

    def with_urls(*urls: str) -> Mail:
        inside = GivenInside(data=b"", given=MailContent(urls=urls))
        return mail(prefs, client=CLIENT, inside=inside)

    asked = await dnsbl.filter.examine(with_urls("http://evil.example"))

    assert dnsbl.filter.examine_at_once(with_urls("http://evil.example")) == asked
    assert dnsbl.filter.examine_at_once(with_urls("http://other.example")) is None
    many = [f"http://evil.example/{number}" for number in range(URLS_AT_ONCE_MAX + 1)]
    assert dnsbl.filter.examine_at_once(with_urls(*many)) is None


async def test_a_list_of_good_senders_takes_points_away() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    dnsbl.resolver.put(ZONE, CLIENT, "127.0.5.3")

    verdict = await dnsbl.verdict(listing(codes={"127.0.*.3": -5.0}))

    (test,) = verdict.tests
    assert (test.score, test.effect) == (-5.0, Effect.SCORE)


async def test_a_server_that_fails_is_unavailable_and_never_not_listed() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    await dnsbl.verdict()
    dnsbl.resolver.names["8.2.0.192.zen.example"] = None

    verdict = await dnsbl.verdict(client="192.0.2.8")

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert [(test.name, test.score) for test in verdict.tests] == [("DNSBL_ZEN", 0.0)]


async def test_a_list_that_never_answers_is_unavailable_within_the_budget() -> None:
    dnsbl = DnsblFilter(FakeResolver(), budget_s=0.01)
    dnsbl.resolver.is_silent = True

    verdict = await dnsbl.verdict()
    asked = len(dnsbl.resolver.asked)

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert (await dnsbl.verdict()).outcome is Outcome.UNAVAILABLE
    assert len(dnsbl.resolver.asked) == asked  # the second message did not wait for it
    assert dnsbl.disabled == 1.0

    await dnsbl.clock.advance(SILENT_S)
    dnsbl.resolver.is_silent = False
    dnsbl.resolver.put(ZONE, "127.0.0.2", "127.0.0.2")

    assert (await dnsbl.verdict()).outcome is Outcome.SCORED


async def test_answers_are_remembered_for_their_time() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    await dnsbl.verdict()
    asked = len(dnsbl.resolver.asked)

    await dnsbl.verdict()
    assert len(dnsbl.resolver.asked) == asked

    await dnsbl.clock.advance(dnsbl.resolver.ttl_s)
    await dnsbl.verdict()
    assert len(dnsbl.resolver.asked) == asked + 1


async def test_a_list_of_ipv6_alone_is_tested_by_its_own_entry() -> None:
    dnsbl = DnsblFilter(FakeResolver())
    dnsbl.resolver.put(ZONE, "::ffff:7f00:2", "127.0.0.2")

    verdict = await dnsbl.verdict(listing(options={"family": 6}), client="2001:db8::9")

    assert verdict.outcome is Outcome.SCORED


async def test_a_list_that_was_removed_leaves_the_metrics() -> None:
    dnsbl = DnsblFilter(with_test_entry(ZONE))
    await dnsbl.verdict()
    assert dnsbl.disabled == 0.0

    await dnsbl.filter.examine(mail(preferences()))

    assert dnsbl.disabled is None
