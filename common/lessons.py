"""What is a lesson, and what does a filter make of it?

Pure. A lesson is a message of which somebody said whether it is spam, told for one customer. It
travels from the core to the filters of each node that can learn (``learners``), and counts for mail
to that customer alone.

Source: docs/filters.md, *Learning*; docs/sync.md, *Lessons*.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from common.identity import ShardIdentity

LESSON_BYTES_MAX = 524_288  # of one message: as much as SpamAssassin is shown
LEARNERS_MAX = 16  # of one node
LEARNER = re.compile(r"[A-Za-z0-9._-]{1,64}")  # the name of a filter
CUSTOMER_LENGTH_MAX = 100  # characters, as in a route
REASON_LENGTH_MAX = 300

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_HASHED = "customer-"
NOBODY = "customer-none"  # no customer is known by this name


class Truth(StrEnum):
    """What somebody said of a message."""

    SPAM = "spam"
    HAM = "ham"  # honest mail


class LessonOutcome(StrEnum):
    """What became of a lesson at one learner."""

    LEARNED = "learned"
    KNOWN = "known"  # it had learned it before: the answer was lost, or another node has told it
    REFUSED = "refused"  # it can learn nothing from this one, now or later
    FAILED = "failed"  # it broke off over this one; a few more tries may help
    AWAY = "away"  # it is not there, or not set up to learn; the lesson has no part in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A message with its truth.

    Args:
        id: a ULID.
        customer: for whom.
        truth: what was said of it.
        octets: of the message, as it came.
    """

    id: str
    customer: str
    truth: Truth
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLesson:
    """A lesson for one learner of the node that is told it."""

    learner: str
    lesson: Lesson


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnersHello:
    """The first message of a lesson stream: which filters of this node can learn."""

    identity: ShardIdentity
    learners: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonAnswer:
    """What one learner made of a lesson.

    Args:
        lesson_id, learner: which.
        outcome: what became of it.
        reason: in a line, where it was not learned.
    """

    lesson_id: str
    learner: str
    outcome: LessonOutcome
    reason: str = ""


def known_as(customer: str) -> str:
    """Return the name by which learners know a customer.

    It may stand in a header line and name a folder, whatever the customer is called.
    """
    if _PLAIN.fullmatch(customer) and not customer.startswith(_HASHED):
        return customer
    return _HASHED + hashlib.sha256(customer.encode("utf-8", "surrogatepass")).hexdigest()[:32]
