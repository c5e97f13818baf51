"""What becomes of a message when a filter fails?"""

from __future__ import annotations

import asyncio

import pytest
import structlog
from prometheus_client import CollectorRegistry

from common.verdict import Outcome, Test, Verdict
from satellite.filtering.filter import Mail
from satellite.filtering.run import Filters
from tests.support.clock import FakeClock
from tests.support.core.preferences import preferences
from tests.support.scanning.filtering import mail

GOOD = Verdict(by="good", outcome=Outcome.SCORED, tests=(Test(name="GOOD", score=1.0),))


class Scripted:
    """A filter that does what the test says."""

    def __init__(self, name: str, answer: object) -> None:
        self.name = name
        self.closed = 0
        self.was_cancelled = asyncio.Event()
        self._answer = answer

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        if isinstance(self._answer, BaseException):
            raise self._answer
        if self._answer == "hang":
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.was_cancelled.set()
        return self._answer  # type: ignore[return-value]

    async def close(self) -> None:
        self.closed += 1


def running(*filters: Scripted, budget_s: float = 0.02) -> tuple[Filters, CollectorRegistry]:
    metrics = CollectorRegistry()
    return Filters(filters, clock=FakeClock(), metrics=metrics, budget_s=budget_s), metrics


async def test_verdicts_come_in_the_order_of_the_filters_and_are_counted() -> None:
    other = Verdict(by="other", outcome=Outcome.SKIPPED)
    filters, metrics = running(Scripted("good", (GOOD,)), Scripted("other", (other,)))

    assert await filters.examine(mail(preferences())) == (GOOD, other)
    labels = {"filter": "good", "outcome": "scored"}
    assert metrics.get_sample_value("borderscout_filter_verdicts_total", labels) == 1.0


async def test_without_filters_there_are_no_verdicts() -> None:
    filters, _ = running()

    assert await filters.examine(mail(preferences())) == ()


@pytest.mark.parametrize(
    "answer",
    [
        ValueError("boom\r\n"),
        asyncio.CancelledError(),
        None,
        [GOOD],
        ("text",),
        (Verdict(by="", outcome=Outcome.SCORED),),
        (Verdict(by="a\r\nb", outcome=Outcome.SCORED),),
        (Verdict(by="x", outcome=Outcome.CLEAN),),
        (Verdict(by="x", outcome=Outcome.SCORED, tests=(Test(name="T", score=float("nan")),)),),
        (Verdict(by="x", outcome=Outcome.SCORED, tests=(Test(name="T", score=1e300),)),),
        (Verdict(by="x", outcome=Outcome.SCORED, tests=(Test(name="T\r\nX: y"),)),),
        (Verdict(by="x", outcome=Outcome.SCORED, tests=(Test(name="T"),) * 2001),),
    ],
)
async def test_a_filter_that_fails_or_talks_nonsense_has_a_verdict_that_says_so(
    answer: object,
) -> None:
    filters, _ = running(Scripted("bad", answer), Scripted("good", (GOOD,)))

    with structlog.testing.capture_logs():
        bad, good = await filters.examine(mail(preferences()))

    assert (bad.by, bad.outcome, bad.tests) == ("bad", Outcome.ERROR, ())
    assert bad.detail.isprintable()
    assert bad.detail
    assert good == GOOD


async def test_a_filter_that_hangs_is_left_behind_and_the_message_goes_on() -> None:
    hanging = Scripted("slow", "hang")
    filters, metrics = running(hanging, Scripted("good", (GOOD,)))

    async with asyncio.timeout(5):
        slow, good = await filters.examine(mail(preferences()))

    assert (slow.by, slow.outcome, good) == ("slow", Outcome.TIMEOUT, GOOD)
    async with asyncio.timeout(5):
        await hanging.was_cancelled.wait()
    labels = {"filter": "slow", "outcome": "timeout"}
    assert metrics.get_sample_value("borderscout_filter_verdicts_total", labels) == 1.0


async def test_a_message_that_is_given_up_takes_its_filters_with_it() -> None:
    hanging = Scripted("slow", "hang")
    filters, _ = running(hanging, budget_s=60.0)
    task = asyncio.create_task(filters.examine(mail(preferences())))
    await FakeClock().settle()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await hanging.was_cancelled.wait()


async def test_closing_closes_every_filter() -> None:
    made: list[Scripted] = [Scripted("a", ()), Scripted("b", "hang")]
    filters, _ = running(*made)
    await filters.examine(mail(preferences()))

    await filters.close()

    assert [each.closed for each in made] == [1, 1]


class Looking(Scripted):
    """One that need not wait, unless it says so."""

    def __init__(self, name: str, answer: object, *, at_once: object) -> None:
        super().__init__(name, answer)
        self._at_once = at_once

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        if isinstance(self._at_once, BaseException):
            raise self._at_once
        return self._at_once  # type: ignore[return-value]


async def test_filters_that_only_look_are_answered_without_waiting() -> None:
    filters, metrics = running(Looking("good", "hang", at_once=(GOOD,)))

    assert filters.at_once(mail(preferences())) == (GOOD,)
    assert await filters.examine(mail(preferences())) == (GOOD,)
    labels = {"filter": "good"}
    assert metrics.get_sample_value("borderscout_filter_seconds_count", labels) == 2.0


async def test_when_one_has_to_wait_all_are_examined() -> None:
    other = Verdict(by="other", outcome=Outcome.SKIPPED)
    looking = Looking("good", "hang", at_once=(GOOD,))

    for waiting in (Looking("other", (other,), at_once=None), Scripted("other", (other,))):
        filters, _ = running(looking, waiting)
        assert filters.at_once(mail(preferences())) is None
        assert await filters.examine(mail(preferences())) == (GOOD, other)


async def test_one_that_fails_while_it_looks_is_an_error() -> None:
    filters, _ = running(Looking("good", (GOOD,), at_once=ValueError("a defect")))

    with structlog.testing.capture_logs():
        verdicts = filters.at_once(mail(preferences()))

    assert verdicts is not None
    assert [verdict.outcome for verdict in verdicts] == [Outcome.ERROR]


async def test_a_filter_that_hung_for_several_messages_is_left_alone_for_a_minute() -> None:
    clock, metrics = FakeClock(), CollectorRegistry()
    hung = Scripted("hung", "hang")
    filters = Filters((hung,), clock=clock, metrics=metrics, budget_s=0.02)
    for _ in range(3):
        await filters.examine(mail(preferences()))
    hung.was_cancelled.clear()

    (verdict,) = await filters.examine(mail(preferences()))

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert not hung.was_cancelled.is_set(), "it was asked"
    assert metrics.get_sample_value("borderscout_filter_breaker_open", {"filter": "hung"}) == 1.0
    await clock.advance(60.0)
    hung._answer = (GOOD,)
    assert await filters.examine(mail(preferences())) == (GOOD,)
    assert metrics.get_sample_value("borderscout_filter_breaker_open", {"filter": "hung"}) == 0.0
    await filters.close()


class Choking(Scripted):
    """One that hangs on mail whose subject is bad, and, once dead, on all."""

    def __init__(self) -> None:
        super().__init__("choking", (GOOD,))
        self.is_dead = False
        self.trials: list[Mail] = []

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        if mail.headers.subject.startswith("trial"):
            self.trials.append(mail)
        if self.is_dead or mail.headers.subject == "bad":
            await asyncio.get_running_loop().create_future()
        return (GOOD,)


async def test_messages_that_a_filter_cannot_finish_keep_no_other_from_it() -> None:
    """A quiet node, on which nobody else was answered while the crafted ones lasted."""
    filters, _ = running(choking := Choking())
    bad = mail(preferences(), header=b"Subject: bad\r\n", sender="evil@bad.example")

    for _ in range(5):
        (verdict,) = await filters.examine(bad)
        assert verdict.outcome is Outcome.TIMEOUT

    assert await filters.examine(mail(preferences())) == (GOOD,)
    assert {trial.envelope.recipients for trial in choking.trials} == {("postmaster@acme.example",)}
    assert len({trial.headers.subject for trial in choking.trials}) == len(choking.trials)
    await filters.close()


async def test_a_filter_that_is_silent_on_trials_too_is_left_alone() -> None:
    filters, metrics = running(choking := Choking())
    choking.is_dead = True

    with structlog.testing.capture_logs() as logged:
        at_once = await asyncio.gather(*(filters.examine(mail(preferences())) for _ in range(3)))
        (verdict,) = await filters.examine(mail(preferences()))

    assert [said.outcome for (said,) in at_once] == [Outcome.TIMEOUT] * 3
    assert verdict.outcome is Outcome.UNAVAILABLE
    assert len(choking.trials) == 1, "those who ask at once share one"
    assert [entry["event"] for entry in logged] == ["filter.left_alone"]
    assert metrics.get_sample_value("borderscout_filter_breaker_open", {"filter": "choking"}) == 1.0
    await filters.close()


async def test_a_trial_that_a_filter_skips_clears_it_of_nothing() -> None:
    class Skipping(Choking):
        async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
            if mail.headers.subject.startswith("trial"):
                return (Verdict(by=self.name, outcome=Outcome.SKIPPED),)
            return await super().examine(mail)

    filters, _ = running(choking := Skipping())
    choking.is_dead = True

    for _ in range(3):
        await filters.examine(mail(preferences()))

    (verdict,) = await filters.examine(mail(preferences()))
    assert verdict.outcome is Outcome.UNAVAILABLE
    await filters.close()
