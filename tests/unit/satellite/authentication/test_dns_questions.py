"""How are questions asked: each once, and within a budget?"""

from __future__ import annotations

import asyncio

import pytest

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
from satellite.authentication.dns_questions import BUDGET_S, LOOKUPS_MAX, DnsQuestions
from satellite.names.answer import LookupResult
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
