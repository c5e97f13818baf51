"""How are questions asked: each once, and within a budget?"""

from __future__ import annotations

import asyncio

import pytest
import structlog

from satellite.authentication.asking import (
    FAILED,
    NO_NAME,
    NOTHING,
    Asking,
    DnsQuestion,
    Heard,
    RecordKind,
    ask,
    is_name,
)
from satellite.authentication.dns_questions import (
    BUDGET_S,
    LOOKUPS_MAX,
    REST_S,
    SILENCES_MAX,
    DnsQuestions,
)
from satellite.names.answer import Lookup, LookupResult
from satellite.names.name_servers import Said
from tests.support.clock import FakeClock
from tests.support.network.given_dns import GivenDns, txt


class SlowDns(GivenDns):
    """DNS that answers when it is told to."""

    def __init__(self, records: dict[str, dict[str, list[str]]]) -> None:
        super().__init__(records)
        self.go = asyncio.Event()

    async def ask(self, name: str, kind: str, *, within_s: float) -> Said:
        said = await super().ask(name, kind, within_s=within_s)
        await self.go.wait()
        return said


def txt_of(name: str) -> Asking[Heard]:
    return (yield from ask(name, RecordKind.TXT))


def many(count: int) -> Asking[list[Heard]]:
    heard = []
    for number in range(count):
        heard.append((yield DnsQuestion(f"n{number}.example", RecordKind.TXT)))
    return heard


async def test_records_are_heard_as_evaluators_want_them() -> None:
    dns = GivenDns(
        {
            "a.example": {
                "TXT": ["x" * 500],
                "MX": ["m1.example", "m2.example"],
                "A": ["192.0.2.1"],
                "PTR": ["h.example"],
            },
            "failed.example": None,
        }
    )
    questions = DnsQuestions(dns, FakeClock())

    async def heard(name: str, kind: RecordKind) -> Heard:
        return await questions.of_message().answered(ask(name, kind))

    found = LookupResult.RECORDS
    assert await heard("A.example.", RecordKind.TXT) == Heard(found, ("x" * 500,))
    assert await heard("a.example", RecordKind.MX) == Heard(found, ("m1.example", "m2.example"))
    assert await heard("a.example", RecordKind.A) == Heard(found, ("192.0.2.1",))
    assert await heard("a.example", RecordKind.PTR) == Heard(found, ("h.example",))
    assert await heard("a.example", RecordKind.AAAA) == NOTHING
    assert await heard("b.example", RecordKind.A) == NO_NAME
    assert await heard("failed.example", RecordKind.A) == FAILED


async def test_what_is_known_is_not_asked_again_until_its_time_is_over() -> None:
    dns, clock = GivenDns({"a.example": txt("x")}), FakeClock()
    questions = DnsQuestions(dns, clock)

    for _ in range(3):
        await questions.of_message().answered(txt_of("a.example"))
        await questions.of_message().answered(txt_of("b.example"))
    assert len(dns.asked) == 2

    await clock.advance(dns.ttl_s)
    await questions.of_message().answered(txt_of("a.example"))
    assert len(dns.asked) == 3


async def test_who_asks_what_another_is_asking_waits_for_that_answer() -> None:
    dns = SlowDns({"a.example": txt("x")})
    questions = DnsQuestions(dns, FakeClock())
    tasks = [
        asyncio.ensure_future(questions.of_message().answered(txt_of("a.example")))
        for _ in range(10)
    ]
    await asyncio.sleep(0)

    dns.go.set()
    heard = await asyncio.gather(*tasks)

    assert len(dns.asked) == 1
    assert {each.records for each in heard} == {("x",)}


async def test_the_others_ask_themselves_when_the_one_who_asked_has_gone() -> None:
    dns = SlowDns({"a.example": txt("x")})
    questions = DnsQuestions(dns, FakeClock())
    first, second = (
        asyncio.ensure_future(questions.of_message().answered(txt_of("a.example")))
        for _ in range(2)
    )
    await asyncio.sleep(0)

    first.cancel()
    dns.go.set()

    assert (await second).records == ("x",)
    assert first.cancelled() or first.cancelling()
    assert len(dns.asked) == 2


async def test_beyond_its_lookups_a_message_hears_nothing_and_the_next_one_does() -> None:
    dns = GivenDns()
    questions = DnsQuestions(dns, FakeClock())

    heard = await questions.of_message().answered(many(LOOKUPS_MAX + 5))

    assert len(dns.asked) == LOOKUPS_MAX
    assert heard == [NO_NAME] * LOOKUPS_MAX + [FAILED] * 5
    later = await questions.of_message().answered(many(LOOKUPS_MAX + 5))
    assert later == [NO_NAME] * (LOOKUPS_MAX + 5)


async def test_beyond_its_time_a_message_hears_what_is_known_alone() -> None:
    dns, clock = GivenDns({"a.example": txt("x")}), FakeClock()
    questions = DnsQuestions(dns, clock)
    await questions.of_message().answered(txt_of("a.example"))
    late = questions.of_message()

    await clock.advance(BUDGET_S)

    assert (await late.answered(txt_of("a.example"))).records == ("x",)
    assert await late.answered(txt_of("b.example")) == FAILED


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("a.example", True),
        ("a.example.", True),
        ("_dmarc.a.example", True),
        ("example", False),
        ("a..example", False),
        ("x" * 64 + ".example", False),
        (".".join(["x" * 60] * 5), False),
        ("a\x00.example", False),
        ("ä.example", False),
        ("", False),
    ],
)
def test_only_names_that_dns_can_hold_are_asked_for(name: str, is_one: bool) -> None:
    assert is_name(name) is is_one


class SilentDns(GivenDns):
    """DNS that takes all the time that it is given for some names, or for all, and says nothing."""

    def __init__(self, clock: FakeClock, *, is_well: bool) -> None:
        super().__init__({"a.example": txt("x")})
        self._clock = clock
        self.is_well = is_well
        self.probes = 0

    async def ask(self, name: str, kind: str, *, within_s: float) -> Said:
        if name == ".":
            self.probes += 1
            found = LookupResult.NOTHING if self.is_well else LookupResult.FAILED
            return Said(Lookup(found))
        if name == "a.example." and self.is_well:
            return await super().ask(name, kind, within_s=within_s)
        self.asked.append((name, kind))
        await self._clock.advance(within_s)
        return Said(Lookup(LookupResult.FAILED))


async def test_name_servers_that_are_silent_on_everything_are_left_alone_for_a_while() -> None:
    clock = FakeClock()
    dns = SilentDns(clock, is_well=False)
    questions = DnsQuestions(dns, clock)
    for number in range(SILENCES_MAX):
        await questions.of_message().answered(txt_of(f"s{number}.example"))

    with structlog.testing.capture_logs():
        resting = await questions.of_message().answered(txt_of("a.example"))
    dns.is_well = True
    await clock.advance(REST_S)

    assert resting == FAILED
    assert (len(dns.asked), dns.probes) == (SILENCES_MAX, 1)
    assert (await questions.of_message().answered(txt_of("a.example"))).records == ("x",)


async def test_domains_that_are_silent_are_no_reason_to_ask_nobody() -> None:
    """Anybody has some: else a few messages would switch off what is known of all the others."""
    clock = FakeClock()
    dns = SilentDns(clock, is_well=True)
    questions = DnsQuestions(dns, clock)

    for number in range(5 * SILENCES_MAX):
        await questions.of_message().answered(txt_of(f"s{number}.example"))

    assert dns.probes == 5
    assert (await questions.of_message().answered(txt_of("a.example"))).records == ("x",)
