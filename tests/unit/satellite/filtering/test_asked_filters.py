"""Which filters are called for a message, and which have said all beforehand?"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from common.preferences import Preferences
from common.verdict import Outcome, Verdict
from satellite.filtering.catalogue import BUILT_IN, build_filters
from satellite.filtering.filter import (
    Filter,
    FilterAnswersAtOnce,
    FilterAnswersForAll,
    FilterContext,
    Mail,
)
from satellite.filtering.run import Filters
from tests.support.clock import FakeClock
from tests.support.core.preferences import preferences
from tests.support.scanning.filtering import mail

GOOD = Verdict(by="knowing", outcome=Outcome.SCORED)
OTHER = Verdict(by="other", outcome=Outcome.SKIPPED)


class Knowing:
    """One that says of all mail what the test says, or has to see it."""

    def __init__(self, of_all: object) -> None:
        self.name = "knowing"
        self.seen = 0
        self.asked: list[Preferences] = []
        self.said = of_all

    def of_all(self, preferences: Preferences) -> tuple[Verdict, ...] | None:
        self.asked.append(preferences)
        if isinstance(self.said, Exception):
            raise self.said
        return cast("tuple[Verdict, ...]", self.said)

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...]:
        self.seen += 1
        return (GOOD,)

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        return self.examine_at_once(mail)

    async def close(self) -> None: ...


class Waiting:
    """Another one, that has to see mail and waits."""

    name = "other"

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        return (OTHER,)

    async def close(self) -> None: ...


def running(*filters: Filter) -> tuple[Filters, CollectorRegistry]:
    metrics = CollectorRegistry()
    return Filters(filters, clock=FakeClock(), metrics=metrics), metrics


async def test_what_a_filter_says_of_all_mail_is_asked_once_and_counted_for_each() -> None:
    filters, metrics = running(knowing := Knowing((GOOD,)))
    asked = mail(preferences())

    assert filters.at_once(asked) == (GOOD,)
    assert await filters.examine(asked) == (GOOD,)

    assert (knowing.asked, knowing.seen) == ([asked.preferences], 0)
    labels = {"filter": "knowing", "outcome": "scored"}
    assert metrics.get_sample_value("borderscout_filter_verdicts_total", labels) == 2.0


async def test_the_next_revision_is_asked_about_again() -> None:
    filters, _ = running(knowing := Knowing(()))

    assert filters.at_once(mail(preferences())) == ()
    knowing.said = None
    assert filters.at_once(mail(preferences())) == (GOOD,)

    assert knowing.seen == 1


@pytest.mark.parametrize("said", [ValueError("a defect"), ["text"], (None,)])
async def test_one_that_says_nonsense_of_all_mail_has_to_see_it(said: object) -> None:
    filters, _ = running(knowing := Knowing(said))

    assert filters.at_once(mail(preferences())) == (GOOD,)

    assert knowing.seen == 1


async def test_what_is_said_of_all_mail_stands_in_the_order_of_the_filters() -> None:
    knowing = Knowing((GOOD,))

    for order, said in (
        ((knowing, Waiting()), (GOOD, OTHER)),
        ((Waiting(), knowing), (OTHER, GOOD)),
    ):
        filters, _ = running(*order)
        assert await filters.examine(mail(preferences())) == said


def built_in() -> Iterator[object]:
    context = SimpleNamespace(
        clock=FakeClock(), resolver=None, metrics=CollectorRegistry(), tallies=None
    )
    return iter(build_filters((), cast("FilterContext", context)))


async def test_a_built_in_filter_says_of_all_mail_what_it_would_say_of_each() -> None:
    """Without documents most have nothing to see; the marks for tests stand in mail itself."""
    nothing = mail(preferences())
    having_to_see = []

    for name, each in zip(BUILT_IN, built_in(), strict=True):
        assert isinstance(each, FilterAnswersAtOnce)
        if isinstance(each, FilterAnswersForAll):
            assert each.of_all(nothing.preferences) == each.examine_at_once(nothing), name
        else:
            having_to_see.append(name)

    assert having_to_see == ["content"]
