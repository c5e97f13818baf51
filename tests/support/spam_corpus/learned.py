"""What do rspamd and SpamAssassin learn of a part of a corpus for the rest of it?

Touches a real rspamd and a real spamd with Bayes alone, through the filters of the product, as one
customer whose mail they learn. Of the project's corpus each class is cut in halves; of a public one
that lies in a folder, an older collection teaches and a later one is the trial, so that no thread
of mail stands on both sides. Header fields that tell who collected it are taken out of that.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import random
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.lessons import LESSON_BYTES_MAX, Lesson, LessonOutcome, Truth
from common.preferences import Kind, Preferences
from satellite.filtering.filter import Filter, FilterLearns
from tests.support.core.preferences import document, preferences, route
from tests.support.core.rooms import made_id
from tests.support.scanning.real_scorers import (
    RSPAMD_PASSWORD,
    running_learning_rspamd,
    running_spamd,
)
from tests.support.scanning.scorers import letter, scorer
from tests.support.spam_corpus.letters import CorpusLetter

LEVELS = (20, 50, 200)  # lessons of each kind
ENOUGH = 10  # of each kind until Bayes has its say, so that few can be tried
TRIALS = 200  # messages of a class, at most
AT_ONCE = 8
KEPT = frozenset(
    {
        "from",
        "subject",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
    }
)
PUBLIC_LESSONS = {Truth.SPAM: "spam-1", Truth.HAM: "easy-ham-1"}
PUBLIC_TRIALS = (
    ("spam, a later collection", "spam-2"),
    ("honest, a later collection", "easy-ham-2"),
    ("honest that looks like spam, of which none was taught", "hard-ham-1"),
)


@dataclass(frozen=True, slots=True)
class Course:
    """What is taught, and what is tried then, by class."""

    lessons: dict[Truth, list[bytes]]
    trials: dict[str, list[bytes]]


def halves(letters: Iterable[CorpusLetter]) -> Course:
    """Return the project's corpus: of each class the first half teaches, the second is tried."""
    kinds: dict[tuple[str, bool], list[bytes]] = defaultdict(list)
    for each in letters:
        kinds[each.kind, each.is_spam].append(each.octets)
    lessons: dict[Truth, list[bytes]] = {truth: [] for truth in Truth}
    trials: dict[str, list[bytes]] = {"spam": [], "honest": []}
    for (_, is_spam), octets in kinds.items():
        middle = len(octets) // 2
        lessons[Truth.SPAM if is_spam else Truth.HAM] += octets[:middle]
        trials["spam" if is_spam else "honest"] += octets[middle:]
    for many in lessons.values():
        random.Random("lessons").shuffle(many)
    return Course(lessons, trials)


def collections(folder: Path) -> Course:
    """Return the public corpus of SpamAssassin's project that lies in a folder."""
    lessons = {truth: _sample(folder / name, max(LEVELS)) for truth, name in PUBLIC_LESSONS.items()}
    taught = {_body(octets) for many in lessons.values() for octets in many}
    trials = {
        name: [each for each in _sample(folder / of, TRIALS) if _body(each) not in taught]
        for name, of in PUBLIC_TRIALS
    }
    return Course(lessons, trials)


async def measured(course: Course) -> list[str]:
    """Return the table of what each learner makes of the trials after some lessons."""
    lines = [
        f"| learner | lessons of each kind | {' | '.join(course.trials)} |",
        f"| --- | --- |{' --- |' * len(course.trials)}",
    ]
    for kind in ("rspamd", "spamassassin"):
        with (
            tempfile.TemporaryDirectory(prefix="learned-") as made,
            _learner(kind, Path(made)) as learner,
        ):
            lines += [line async for line in _rows(kind, learner, course)]
            await learner.close()
    return lines


async def _rows(kind: str, learner: Filter, course: Course) -> AsyncIterator[str]:
    taught = 0
    for level in LEVELS:
        many = min(level, *(len(each) for each in course.lessons.values()))
        if many <= taught:
            return
        for truth, octets in course.lessons.items():
            for number, each in enumerate(octets[taught:many]):
                await _teach(learner, each, truth, taught + number)
        taught = many
        cells = [await _cell(learner, octets) for octets in course.trials.values()]
        yield f"| {kind} | {many} | {' | '.join(cells)} |"


async def _teach(learner: Filter, octets: bytes, truth: Truth, number: int) -> None:
    assert isinstance(learner, FilterLearns)
    lesson = Lesson(id=made_id(number), customer="acme", truth=truth, octets=octets)
    learned = await learner.learn(lesson)
    assert learned.outcome not in (LessonOutcome.AWAY, LessonOutcome.FAILED), learned


async def _cell(learner: Filter, trials: Sequence[bytes]) -> str:
    places = asyncio.Semaphore(AT_ONCE)

    async def points(octets: bytes) -> float:
        async with places:
            (verdict,) = await learner.examine(
                letter(_asking(learner.name), octets, recipients=("x@acme.example",))
            )
        return sum(test.score for test in verdict.tests if "BAYES" in test.name)

    found = await asyncio.gather(*map(points, trials))
    against, for_it = (sum(one >= 3 for one in found), sum(one <= -1.5 for one in found))
    return f"{_share(against, len(found))} against, {_share(for_it, len(found))} for"


def _asking(name: str) -> Preferences:
    return preferences(
        route(),
        document(Kind.POLICY, "customer/acme", learning="on"),
        document(Kind.FILTER, name, kind=name, options={"points_max": 100}),
    )


@contextmanager
def _learner(kind: str, folder: Path) -> Iterator[Filter]:
    if kind == "spamassassin":
        with running_spamd(folder, lessons=ENOUGH) as address:
            yield scorer(kind, address, learns=True)
        return
    password = folder / "password"
    password.write_text(RSPAMD_PASSWORD)
    with running_learning_rspamd(folder, lessons=ENOUGH) as (address, controller):
        yield scorer(kind, address, controllers=[controller], password_file=str(password))


def _sample(folder: Path, most: int) -> list[bytes]:
    files = sorted(file for file in folder.iterdir() if file.suffix == ".txt")
    chosen = random.Random(folder.name).sample(files, min(most, len(files)))
    told = (_without_trace(file.read_bytes()) for file in sorted(chosen))
    return [each for each in told if 0 < len(each) <= LESSON_BYTES_MAX]


def _without_trace(octets: bytes) -> bytes:
    """Return a message with the fields alone that its author has written."""
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    for name in set(message.keys()):
        if name.lower() not in KEPT:
            del message[name]
    message.set_unixfrom(None)  # type: ignore[arg-type]
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _body(octets: bytes) -> bytes:
    return octets.partition(b"\r\n\r\n")[2].strip()


def _share(number: int, of: int) -> str:
    return f"{round(100 * number / of)} %" if of else "-"
