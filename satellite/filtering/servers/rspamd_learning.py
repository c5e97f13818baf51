"""How is rspamd taught, and what does its answer mean?

Pure. The controller learns, not the worker that is asked about mail. The customer is told in a
field of our own, which rspamd's `per_user` reads; `User` would make it take the mail for that of
somebody who has logged in.

Source: rspamd's documentation, *Protocol* and *Controller worker*; rspamd 3.4.
"""

from __future__ import annotations

import json

from common.lessons import Lesson, LessonOutcome, Truth, known_as
from common.verdict import printable
from satellite.filtering.filter import Learned
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.http_messages import HttpQuestion, HttpReply
from satellite.filtering.servers.rspamd_answer import CUSTOMER_FIELD

KNOWN = "already learned"  # `<ID> has been already learned as spam, ignore it`
HTTP_NO_CONTENT = 204  # such as of the GTUBE mark
OF_A_WORKER = "invalid command"  # what a worker says that is asked about mail
NO_CONTROLLER = "it is no controller of rspamd; see controllers"
NO_CLASSIFIER = "it has no classifier to learn with; see docs/filters.md, Learning"
REFUSES_PASSWORD = "it refuses the password; see password_file, and its enable_password"  # noqa: S105

_TARGETS = {Truth.SPAM: "/learnspam", Truth.HAM: "/learnham"}


def learning_question(lesson: Lesson, *, password: str) -> HttpQuestion:
    """Return what the controller is told.

    Args:
        lesson: the message with its truth.
        password: of the controller; empty: it needs none from here.
    """
    customer = (CUSTOMER_FIELD, known_as(lesson.customer))
    return HttpQuestion(
        method="POST",
        target=_TARGETS[lesson.truth],
        fields=(customer, *_with(password)),
        body=lesson.octets,
    )


def statistics_question(*, password: str) -> HttpQuestion:
    """Return what asks a controller where it keeps what it learns."""
    return HttpQuestion(method="GET", target="/stat", fields=_with(password))


def trial_question(*, password: str) -> HttpQuestion:
    """Return what a controller refuses as empty, if it would take lessons from us."""
    return HttpQuestion(method="POST", target="/learnham", fields=_with(password))


def learned(reply: HttpReply) -> Learned:
    """Return what the controller made of a lesson.

    Raises:
        Nonsense: it is no answer, or says that rspamd failed.
    """
    if reply.status in (401, 403):
        return Learned(LessonOutcome.AWAY, REFUSES_PASSWORD)
    if reply.status == HTTP_NO_CONTENT:
        return Learned(LessonOutcome.REFUSED, "rspamd skips it, by its own settings")
    said = _said(reply)
    if reply.status == 200 and said.get("success") is True:
        return Learned(LessonOutcome.LEARNED)
    error = said.get("error")
    if not isinstance(error, str) or error == OF_A_WORKER:
        return Learned(LessonOutcome.AWAY, NO_CONTROLLER)
    if KNOWN in error:
        return Learned(LessonOutcome.KNOWN)
    what = printable(error, length_max=200)
    if reply.status >= 500:
        raise Nonsense(f"rspamd failed: {what}")
    return Learned(LessonOutcome.REFUSED, what)


def learns_nothing(reply: HttpReply) -> str:
    """Return why a controller would learn nothing, as its statistics tell; empty: it would.

    One without a classifier says of each lesson that it has learned it.

    Raises:
        Nonsense: it is no answer.
    """
    if reply.status in (401, 403):
        return REFUSES_PASSWORD
    files = _said(reply).get("statfiles")
    if not isinstance(files, list):
        return NO_CONTROLLER
    return "" if files else NO_CLASSIFIER


def takes_no_lessons(reply: HttpReply) -> str:
    """Return why a controller takes no lessons from us, by its answer to a trial; empty: it does.

    Raises:
        Nonsense: it is no answer.
    """
    if reply.status in (401, 403):
        return REFUSES_PASSWORD
    error = _said(reply).get("error")
    return NO_CONTROLLER if not isinstance(error, str) or error == OF_A_WORKER else ""


def _with(password: str) -> tuple[tuple[str, str], ...]:
    return (("Password", password),) if password else ()


def _said(reply: HttpReply) -> dict[str, object]:
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        start = printable(reply.body[:100].decode("utf-8", "replace"))
        raise Nonsense(f"rspamd answers a lesson with {reply.status}: {start}")
    return said
