"""What does a person read in a DSN: what happened, to whom, what to do; and then the facts?

Pure. The first sentence stands by itself, since many read no further. Recipients to whom the same
happened for the same reason share one. What comes from outside is bounded and printable before it
is a line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from common.preferences.policy import DsnLanguage
from common.verdict import on_one_line, printable
from satellite.delivery.decisions.outcome import DsnAction, Fate
from satellite.delivery.decisions.reply import TEXT_LENGTH_MAX
from satellite.delivery.dsn.cause import DsnCause, cause_of
from satellite.delivery.dsn.languages import SENTENCES, Sentences
from satellite.delivery.dsn.returned import Part, quoted_lines
from satellite.delivery.dsn.status_part import Reporter
from satellite.spool.model.messages import Stored

LINE_LENGTH_MAX = 72  # characters; a single word may be longer
SUBJECT_LENGTH_MAX = 200  # characters
NAMED_MAX = 3  # recipients in one sentence


def words_of(
    message: Stored,
    fates: Sequence[Fate],
    *,
    language: DsnLanguage,
    reporter: Reporter,
    is_content_lost: bool,
) -> Part:
    """Return the first part of a DSN.

    Args:
        message: the message.
        fates: one or more, all of one action.
        language: in which it is written.
        reporter: who we are.
        is_content_lost: nothing of the message is returned.
    """
    said = SENTENCES[language]
    lines = [line for group in _grouped(fates) for line in _paragraph(group, said)]
    lines += [*_wrapped(said.lost if is_content_lost else said.attached), "", said.facts, ""]
    lines += _facts(message, fates, said, reporter)
    text = "\r\n".join([*lines, ""]).encode()
    if text.isascii():
        return Part("text/plain; charset=us-ascii", text, language=language)
    kind = "text/plain; charset=utf-8"
    return Part(kind, quoted_lines(text), encoding="quoted-printable", language=language)


def _grouped(fates: Sequence[Fate]) -> list[list[Fate]]:
    """Return those together of whom one sentence tells."""
    groups: dict[tuple[DsnCause, int], list[Fate]] = {}
    for fate in fates:
        groups.setdefault((cause_of(fate), fate.retry_until_us), []).append(fate)
    return list(groups.values())


def _paragraph(fates: Sequence[Fate], said: Sentences) -> Iterator[str]:
    """Yield the lines that tell of recipients what happened, and what to do."""
    first = fates[0]
    cause = cause_of(first)
    to = ", ".join(on_one_line(fate.recipient.address) for fate in fates)
    if len(fates) > NAMED_MAX:
        to = said.several.format(count=len(fates))
    happened = said.happened[first.action].format(to=to, why=said.causes[cause])
    yield from (*_wrapped(f"{happened} {_remedy(first, cause, said)}"), "")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, LINE_LENGTH_MAX, break_long_words=False, break_on_hyphens=False)


def _remedy(fate: Fate, cause: DsnCause, said: Sentences) -> str:
    match fate.action:
        case DsnAction.FAILED:
            return said.remedies[cause]
        case DsnAction.DELAYED:
            until = _moment(fate.retry_until_us) if fate.retry_until_us else ""
            return said.wait.format(until=said.tried_until.format(until=until) if until else "")
        case DsnAction.RELAYED:
            return said.done


def _facts(
    message: Stored, fates: Sequence[Fate], said: Sentences, reporter: Reporter
) -> Iterator[str]:
    for fate in fates:
        yield f"{said.recipient}: {on_one_line(fate.recipient.address)}"
        kind, _, text = fate.diagnostic.partition("; ")
        if text:
            host = printable(fate.remote_host)
            is_answer = kind == "smtp" and host
            label = said.answer.format(host=host) if is_answer else said.reason
            yield f"{label}: {on_one_line(text[:TEXT_LENGTH_MAX])}"
        yield ""
    subject = on_one_line(message.subject[:SUBJECT_LENGTH_MAX])
    if subject:
        yield f"{said.subject}: {subject}"
    yield f"{said.received}: {_moment(message.received_us)}"
    yield f"{said.size}: {message.size}"
    yield f"{said.reporter}: {reporter.hostname}"


def _moment(time_us: int) -> str:
    """Return a time as everybody reads it alike."""
    return datetime.fromtimestamp(time_us / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
