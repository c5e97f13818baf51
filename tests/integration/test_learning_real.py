"""What a real rspamd and a real spamd learn of a customer's mail counts for that customer alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from common.lessons import Lesson, LessonOutcome, Truth
from common.preferences import Kind, Preferences
from common.verdict import Outcome
from satellite.filtering.filter import AsksServers, Filter, FilterLearns
from tests.support.core.preferences import document, preferences, route
from tests.support.core.rooms import made_id
from tests.support.network.ports import free_port
from tests.support.scanning.real_scorers import (
    RSPAMD_PASSWORD,
    missing_rspamd,
    missing_spamd,
    running_learning_rspamd,
    running_rspamd,
    running_spamd,
)
from tests.support.scanning.scorers import letter, scorer
from tests.support.waiting import until

LESSONS = 3  # of each kind, until Bayes has its say
PILLS = "cheap pills viagra order now discount satisfied customers amazing"
WORK = "meeting budget schedule tuesday contract regards colleague delivery invoice"


@dataclass(frozen=True)
class Learner:
    """A filter that learns, and the name of its Bayes tests."""

    make: Callable[..., Filter]
    spam_test: str
    ham_test: str


@pytest.fixture(scope="module", params=["rspamd", "spamassassin"])
def learner(request: pytest.FixtureRequest) -> Iterator[Learner]:
    missing = missing_rspamd() if request.param == "rspamd" else missing_spamd()
    if missing:
        pytest.skip(f"{missing} is not installed")
    with tempfile.TemporaryDirectory(prefix="learner-") as made:
        folder = Path(made)
        if request.param == "rspamd":
            password = folder / "password"
            password.write_text(RSPAMD_PASSWORD + "\n")
            with running_learning_rspamd(folder, lessons=LESSONS) as (address, controller):

                def rspamd(**more: Any) -> Filter:
                    options = {"controllers": [controller], "password_file": str(password)}
                    return scorer("rspamd", address, **(options | more))

                yield Learner(rspamd, "RSPAMD_BAYES_SPAM", "RSPAMD_BAYES_HAM")
        else:
            with running_spamd(folder, lessons=LESSONS) as address:

                def spamassassin(**more: Any) -> Filter:
                    return scorer("spamassassin", address, **({"learns": True} | more))

                yield Learner(spamassassin, "SPAMASSASSIN_BAYES_99", "SPAMASSASSIN_BAYES_00")


def message(words: str, number: int) -> bytes:
    return (
        f"From: a{number}@b.example\r\nTo: x@acme.example\r\nSubject: {words[:20]} {number}\r\n"
        f"Message-ID: <{words[:5]}{number}@b.example>\r\n\r\n"
        f"{words} number {number} and {words} again\r\n"
    ).encode()


def lesson(number: int, truth: Truth, *, customer: str = "acme", words: str = "") -> Lesson:
    words = words or (PILLS if truth is Truth.SPAM else WORK)
    octets = message(words, number)
    return Lesson(id=made_id(number), customer=customer, truth=truth, octets=octets)


def asking(name: str) -> Preferences:
    return preferences(
        route("acme.example", "acme"),
        route("other.example", "other"),
        route("off.example", "off"),
        document(Kind.POLICY, "customer/acme", learning="on"),
        document(Kind.POLICY, "customer/other", learning="on"),
        document(Kind.FILTER, name, kind=name),
    )


async def found(made: Filter, words: str, *recipients: str) -> set[str]:
    mail = letter(asking(made.name), message(words, 99), recipients=recipients)
    (verdict,) = await made.examine(mail)
    assert verdict.outcome is Outcome.SCORED, verdict.detail
    return {test.name for test in verdict.tests if "BAYES" in test.name}


async def comes_to(made: Filter, words: str, *recipients: str, expected: set[str]) -> None:
    """Return once the scorer finds this; its processes hear of each other's lessons in time."""

    async def look() -> bool:
        return await found(made, words, *recipients) == expected

    await until(
        look, f"{expected} for {words[:20]!r}, and not {await found(made, words, *recipients)}"
    )


async def test_what_is_learned_counts_for_its_customer_alone_and_once(learner: Learner) -> None:
    made = learner.make()
    assert isinstance(made, FilterLearns) and isinstance(made, AsksServers)

    assert [health.is_answering for health in await made.probe()] == [True, True]
    for number in range(LESSONS):
        for truth in Truth:
            learned = await made.learn(lesson(number, truth))
            assert learned.outcome is LessonOutcome.LEARNED, learned.reason
    again = await made.learn(lesson(0, Truth.SPAM))
    assert again.outcome is LessonOutcome.KNOWN
    of_another = await made.learn(lesson(0, Truth.SPAM, customer="other"))
    assert of_another.outcome is LessonOutcome.LEARNED

    await comes_to(made, PILLS, "x@acme.example", expected={learner.spam_test})
    both = ("x@acme.example", "y@acme.example")
    await comes_to(made, WORK, *both, expected={learner.ham_test})
    assert await found(made, PILLS, "x@other.example") == set()  # one lesson is too few
    assert await found(made, PILLS, "x@off.example") == set()
    assert await found(made, PILLS, "x@acme.example", "x@other.example") == set()

    # Somebody takes it back: what was spam is honest after all.
    for number in range(LESSONS):
        learned = await made.learn(lesson(number, Truth.HAM, words=PILLS))
        assert learned.outcome is LessonOutcome.LEARNED, learned.reason

    async def is_taken_back() -> bool:
        return learner.spam_test not in await found(made, PILLS, "x@acme.example")

    await until(is_taken_back, "what was spam is honest")
    await made.close()


async def test_a_customer_with_any_name_has_his_own(learner: Learner) -> None:
    made = learner.make()
    assert isinstance(made, FilterLearns)

    for customer in ("Jörg & Söhne", "..", "a/b"):
        learned = await made.learn(lesson(50, Truth.SPAM, customer=customer))
        assert learned.outcome is LessonOutcome.LEARNED, learned.reason
    await made.close()


@pytest.mark.skipif(missing_rspamd() != "", reason="rspamd is not installed")
async def test_an_rspamd_that_is_not_set_up_to_learn_keeps_lessons_waiting(
    tmp_path: Path,
) -> None:
    password = tmp_path / "password"
    password.write_text("not this one")
    with running_learning_rspamd(tmp_path, lessons=LESSONS) as (address, controller):
        wrong = scorer("rspamd", address, controllers=[controller], password_file=str(password))
        worker = scorer("rspamd", address, controllers=[address])
        gone = scorer("rspamd", address, controllers=["127.0.0.1:1"])
        for made, said in ((wrong, "password"), (worker, "controller"), (gone, "refuse")):
            assert isinstance(made, FilterLearns) and isinstance(made, AsksServers)
            learned = await made.learn(lesson(1, Truth.SPAM))
            assert (learned.outcome, said in learned.reason) == (LessonOutcome.AWAY, True), learned
            _, health = await made.probe()
            assert not health.is_answering, health
            await made.close()


@pytest.mark.skipif(missing_rspamd() != "", reason="rspamd is not installed")
async def test_an_rspamd_without_bayes_keeps_lessons_waiting(tmp_path: Path) -> None:
    controller = f"127.0.0.1:{free_port()}"
    more = f'worker "controller" {{ bind_socket = "{controller}"; count = 1; }}'
    with running_rspamd(tmp_path, more=more) as address:
        made = scorer("rspamd", address, controllers=[controller])
        assert isinstance(made, FilterLearns)
        learned = await made.learn(lesson(1, Truth.SPAM))
        await made.close()

    assert learned.outcome is LessonOutcome.AWAY, learned


@pytest.mark.skipif(missing_spamd() != "", reason="spamd is not installed")
async def test_a_spamd_that_may_not_be_told_keeps_lessons_waiting() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="spamd-") as made_folder,
        running_spamd(Path(made_folder)) as address,
    ):
        made = scorer("spamassassin", address, learns=True)
        assert isinstance(made, FilterLearns) and isinstance(made, AsksServers)
        learned = await made.learn(lesson(1, Truth.SPAM))
        _, health = await made.probe()
        await made.close()

    assert learned.outcome is LessonOutcome.AWAY, learned
    assert "--allow-tell" in learned.reason
    assert not health.is_answering
