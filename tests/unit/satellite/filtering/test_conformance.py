"""Do our filters keep to the rules that everybody's must, and do the rules notice who does not?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import structlog

from common.preferences import Kind, Preferences
from common.verdict import Outcome, Test, Verdict
from satellite.filtering.conformance import Nonconforming, Scene, check_filter, plain_mail
from satellite.filtering.filter import Filter, Mail, NotAVerdict
from satellite.filtering.filters import dnsbl, lists, rules
from tests.support.core.preferences import document, preferences, route
from tests.support.network.resolvers import FakeResolver, with_test_entry
from tests.support.scanning.filtering import context

ZONE = "zen.example"
DNSBL = preferences(document(Kind.FILTER, "zen", kind="dnsbl", zone=ZONE, codes={"127.0.0.2": 4.0}))
LISTS = preferences(route(), document(Kind.LIST, "black/recipient/y@acme.example/sender.example"))
RULES = preferences(
    route(), document(Kind.RULE, "hi", field="subject", pattern="h", score=1, scope="customer/acme")
)
CLIENT = "7.2.0.192.zen.example"
TEST = "2.0.0.127.zen.example"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def scene(prefs: Preferences, *outcomes: Outcome, tests: tuple[str, ...] = ()) -> Scene:
    return Scene(mail=plain_mail(prefs), outcomes=outcomes, tests=frozenset(tests))


@pytest.mark.parametrize(
    ("build", "prefs", "test"),
    [(lists.build, LISTS, "LIST_BLACK"), (rules.build, RULES, "RULE_HI")],
)
async def test_the_filters_that_ask_nobody_conform(
    build: Callable[..., Filter], prefs: Preferences, test: str
) -> None:
    await check_filter(lambda: build(None, context()), scene(prefs, Outcome.SCORED, tests=(test,)))


@pytest.mark.parametrize(
    ("names", "outcome", "tests"),
    [
        ({CLIENT: ("127.0.0.2",)}, Outcome.SCORED, ("DNSBL_ZEN",)),
        ({}, Outcome.SCORED, ()),
        ({CLIENT: None}, Outcome.UNAVAILABLE, ("DNSBL_ZEN",)),
        ({CLIENT: ("127.255.255.254",)}, Outcome.ERROR, ("DNSBL_ZEN",)),
        ({CLIENT: ("203.0.113.1",)}, Outcome.ERROR, ("DNSBL_ZEN",)),
        ({TEST: None}, Outcome.UNAVAILABLE, ("DNSBL_ZEN",)),
        ({TEST: ()}, Outcome.ERROR, ("DNSBL_ZEN",)),
    ],
)
async def test_the_dns_lists_conform_whatever_dns_does(
    names: dict[str, tuple[str, ...] | None], outcome: Outcome, tests: tuple[str, ...]
) -> None:
    resolver = with_test_entry(ZONE)
    resolver.names.update(names)

    verdicts = await check_filter(
        lambda: dnsbl.build(None, context(resolver=resolver)), scene(DNSBL, outcome, tests=tests)
    )

    assert [verdict.by for verdict in verdicts] == ["zen"]


async def test_dns_lists_that_are_silent_conform() -> None:
    resolver = FakeResolver()
    resolver.is_silent = True

    await check_filter(
        lambda: dnsbl.Dnsbl(context(resolver=resolver), budget_s=0.01),
        scene(DNSBL, Outcome.UNAVAILABLE),
    )


class Wrong:
    """A filter that breaks one rule."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.name = "wrong"
        self._verdicts = verdicts

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        return self._verdicts

    async def close(self) -> None:
        """Nothing."""


RIGHT = Verdict(by="wrong", outcome=Outcome.SCORED, tests=(Test(name="T", score=1.0),))


async def test_a_filter_that_breaks_no_rule_passes() -> None:
    await check_filter(lambda: Wrong(RIGHT), scene(DNSBL, Outcome.SCORED, tests=("T",)))


@pytest.mark.parametrize(
    "verdicts",
    [
        (RIGHT, RIGHT),
        (replace(RIGHT, outcome=Outcome.ERROR),),
        (replace(RIGHT, tests=(Test(name="T", recipient="stranger@b.example"),)),),
        (replace(RIGHT, tests=(Test(name="T", detail="a\r\nb"),)),),
        (replace(RIGHT, tests=()),),
        (replace(RIGHT, outcome=Outcome.SKIPPED, tests=()),),
    ],
)
async def test_a_filter_that_breaks_a_rule_is_found_out(verdicts: tuple[Verdict, ...]) -> None:
    with pytest.raises(Nonconforming):
        await check_filter(lambda: Wrong(*verdicts), scene(DNSBL, Outcome.SCORED, tests=("T",)))


async def test_a_filter_that_answers_as_an_engine_is_found_out() -> None:
    with pytest.raises(NotAVerdict):
        await check_filter(
            lambda: Wrong(replace(RIGHT, outcome=Outcome.CLEAN)), scene(DNSBL, Outcome.CLEAN)
        )
