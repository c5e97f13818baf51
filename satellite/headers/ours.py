"""Which header lines do we put on a delivered copy, and what becomes of the message's own?

Pure. Our lines stand on top. What bears our name (``forged``) is taken out. Only then, and for a
subject tag, is the header section written anew; otherwise the copy is our lines and the message
octet for octet, so that a DKIM signature still verifies. A mailbox file's ``From …`` before the
header is kept as a field, below ours, as other servers do. The body is never touched.

What is the same for all recipients of a message is worked out once (``KeptHeader``), however many
there are: a header section may have a quarter of a megabyte, and a message a thousand recipients.

Source: docs/filters.md, *What a reader finds in the header*; RFC 8601 sections 2.2 and 5; RFC
5322 section 2.1.1.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from common.verdict import Effect, Outcome, Test, Verdict, age_word, points, version_line
from satellite.headers.block import HeaderBlock
from satellite.headers.forged import not_forged
from satellite.spool.model.messages import Copy

MAILBOX_LINE_BYTES_MAX = 900  # of its text; with the field's name it stays below 998
FOLD_AT = 78  # characters; RFC 5322 section 2.1.1
WORD_LENGTH_MAX = 200  # characters of one value; a line of one word stays far below 998
TESTS_MAX = 100  # named in the header; the record has them all
ENGINES_MAX = 32
THREATS_MAX = 3  # of one engine
ANALYSES_MAX = 4
ANALYSIS_LENGTH_MAX = 800  # characters of one
TAGGED_SUBJECTS_MAX = 8  # one is legal; a reader may show any of several

# Printable ASCII without space ; , " ( ) and backslash.
_ONE_WORD = re.compile(r"[!#-'*+\--:<-\[\]-~]*")


class KeptHeader:
    """The header section of one message, as its copies carry it on.

    Args:
        block: the header section.
        mail_domain: our authserv-id, an A-label.
    """

    def __init__(self, block: HeaderBlock, *, mail_domain: str) -> None:
        self.mail_domain = mail_domain
        self._block = block
        self._kept = not_forged(block, mail_domain)
        # What follows would continue our last line, or holds fields that we have not seen: a
        # blank line makes all of it body, as other servers do with mail that has no header.
        self._is_body = block.oversized or (bool(self._kept) and not self._kept[0].is_field)
        self._subjects = [s for s in self._kept if s.key == b"subject" and b":" in s.raw]
        self._below: dict[str, Copy] = {}  # what stands below our lines, by subject tag

    def copy(self, ours: bytes, *, subject_tag: str) -> Copy:
        """Return a copy with our lines on top.

        Args:
            ours: they, with their line breaks.
            subject_tag: put before the subject; empty leaves the subject alone.
        """
        below = self._below.get(subject_tag)
        if below is None:
            below = self._below[subject_tag] = self._with_subject_tag(subject_tag)
        return Copy(head=ours + below.head, skip=below.skip)

    def _with_subject_tag(self, subject_tag: str) -> Copy:
        block, new_subject = self._block, _new_subject(subject_tag)
        if self._is_body:
            return Copy(head=new_subject + b"\r\n")
        head = _mailbox_field(block)
        if not self._subjects:
            head += new_subject
        tagged = self._subjects[:TAGGED_SUBJECTS_MAX] if subject_tag else []
        if len(self._kept) == len(block.spans) and not tagged:
            return Copy(head=head, skip=len(block.mailbox_line))
        places = {span.start for span in tagged}
        section = b"".join(
            _with_tag(span.raw, subject_tag) if span.start in places else span.raw
            for span in self._kept
        )
        return Copy(head=head + section + _blank_line(block), skip=block.end)


def render(
    kept: KeptHeader,
    *,
    trace: bytes,
    id: str,  # noqa: A002 - the name that stands in the line
    node: str,
    revision: int,
    disposition_word: str,
    verdicts: Sequence[Verdict],
    scanned_us: int,
    score: float,
    required: float,
    tests: Sequence[Test],
    spam: bool,
    subject_tag: str = "",
    results: Sequence[tuple[str, ...]] = (),
) -> Copy:
    """Return what one recipient's copy looks like.

    Args:
        kept: the header section of the message.
        trace: our Received field with its line breaks; may be empty.
        id: the message's ULID.
        node: the node's name.
        revision: of the preferences that judged it.
        disposition_word: ``deliver``, or what was done with it instead.
        verdicts: the engines' verdicts, not the filters'.
        scanned_us: when they were given, microseconds since the epoch: how old definitions were.
        score, required: the recipient's points, and those from which mail is marked.
        tests: the tests that count for this recipient.
        spam: the answer of the spam line.
        subject_tag: put before the subject; empty leaves the subject alone.
        results: the words of each result of sender authentication; none: nobody has looked.
    """
    said = tuple([_said(verdict, scanned_us) for verdict in verdicts[:ENGINES_MAX]])
    outcomes = frozenset([verdict.outcome for verdict in verdicts])
    shown = tuple([(test.name, test.score) for test in tests[:TESTS_MAX]])
    before_id, behind_id = _around_id(len(id), node, revision, disposition_word)
    lines = [
        before_id + word(id).encode("ascii") + behind_id,
        _virus(outcomes, said),
        _spam(score, required, shown, spam),
        *(_analyses(tests) if tests else ()),
    ]
    return _copy(kept, trace, lines, subject_tag, results)


def render_released(
    kept: KeptHeader,
    *,
    trace: bytes,
    id: str,  # noqa: A002 - the name that stands in the line
    node: str,
    revision: int,
    released_from: str,
) -> Copy:
    """Return the copy of a message that somebody released from the quarantine.

    Args:
        kept, trace, id, node, revision: as for ``render``; the id is the new one.
        released_from: the id under which it was quarantined.
    """
    facts = _facts(id=id, node=node, revision=revision, is_="deliver")
    facts = [*facts[:-1], f"{facts[-1]};", f" released_from={word(released_from)}"]
    return _copy(kept, trace, [_field("X-BorderScout", facts)], "")


def word(text: str) -> str:
    """Return text as one word that cannot end the value it stands in, bounded."""
    cut = text[:WORD_LENGTH_MAX]
    if _ONE_WORD.fullmatch(cut):  # nearly always
        return cut
    return "".join(c if "!" <= c <= "~" and c not in ';,"()\\' else "_" for c in cut)


def _copy(
    kept: KeptHeader,
    trace: bytes,
    lines: Sequence[bytes],
    subject_tag: str,
    results: Sequence[tuple[str, ...]] = (),
) -> Copy:
    assert not trace or trace.endswith(b"\r\n")
    told = _results(kept.mail_domain, results) if results else _no_results(kept.mail_domain)
    ours = b"".join((trace, *lines, told))
    return kept.copy(ours, subject_tag=subject_tag)


@functools.lru_cache(maxsize=32)  # all ids are of one length, and so all lines are folded alike
def _around_id(id_length: int, node: str, revision: int, is_: str) -> tuple[bytes, bytes]:
    """Return what stands before and behind the id of our first line."""
    some_id = word("0" * id_length)
    line = _field("X-BorderScout", _facts(id=some_id, node=node, revision=revision, is_=is_))
    before, _, behind = line.partition(some_id.encode("ascii"))
    return before, behind


@functools.lru_cache(maxsize=8)
def _no_results(mail_domain: str) -> bytes:
    return _field("Authentication-Results", [f" {mail_domain};", " none"])


def _results(mail_domain: str, results: Sequence[tuple[str, ...]]) -> bytes:
    atoms = [f" {mail_domain}"]
    for words in results:
        atoms[-1] += ";"
        atoms += [f" {one}" for one in words]
    return _field("Authentication-Results", atoms)


def _mailbox_field(block: HeaderBlock) -> bytes:
    """Return the field that keeps a mailbox file's separator line, in one line; mostly nothing."""
    if not block.mailbox_line:
        return b""
    lines = (line.strip() for line in block.mailbox_line.splitlines())
    text = b" ".join(lines)[:MAILBOX_LINE_BYTES_MAX]
    return b"X-Mailbox-Line: " + text + b"\r\n"


def _blank_line(block: HeaderBlock) -> bytes:
    """Return what separates header and body; nothing if the message ends with its header."""
    return b"\r\n" if block.end > block.spans[-1].end else b""


def _with_tag(raw: bytes, subject_tag: str) -> bytes:
    """Return a Subject field with the tag before its text, on its own line if it gets too long."""
    name, _, value = raw.partition(b":")
    tag = b" " + _tag(subject_tag)
    text = value.lstrip(b" \t")
    if not text.strip():
        return name + b":" + tag + b"\r\n"
    first_line = text.partition(b"\n")[0]
    is_short = len(name) + 1 + len(tag) + 1 + len(first_line.rstrip(b"\r")) <= FOLD_AT
    starts_folded = text[:1] in (b"\r", b"\n")
    between = b"" if starts_folded else b" " if is_short else b"\r\n "
    return name + b":" + tag + between + text


def _new_subject(subject_tag: str) -> bytes:
    return b"Subject: " + _tag(subject_tag) + b"\r\n" if subject_tag else b""


def _tag(subject_tag: str) -> bytes:
    printed = "".join(c if " " <= c <= "~" else "?" for c in subject_tag[:WORD_LENGTH_MAX])
    return printed.strip().encode("ascii") or b"?"


def _facts(*, id: str, node: str, revision: int, is_: str) -> list[str]:  # noqa: A002
    return [
        f" id={word(id)};",
        f" node={word(node)};",
        f" revision={revision};",
        f" disposition={word(is_)}",
    ]


# The weightiest first. An engine that did not answer takes nothing from one that did, and stands
# beside it in the line; only when none answered is the summary that nothing is known.
_WEIGHTIEST = (
    Outcome.INFECTED,
    Outcome.ENCRYPTED,
    Outcome.MACRO,
    Outcome.LIMITS,
    Outcome.UNREADABLE,
    Outcome.CLEAN,
    Outcome.ERROR,
    Outcome.TIMEOUT,
    Outcome.UNAVAILABLE,
    Outcome.SKIPPED,
)
_SILENT = (Outcome.UNAVAILABLE, Outcome.SKIPPED)


# What a line shows of a verdict: engine, outcome, its version and that of its definitions, their
# age, if they are stale, milliseconds, threats.
_Said = tuple[str, Outcome, str, str, str, bool, int, tuple[str, ...]]


def _said(verdict: Verdict, scanned_us: int) -> _Said:
    return (
        verdict.by,
        verdict.outcome,
        verdict.version,
        verdict.definitions,
        age_word(verdict.definitions_us, at_us=scanned_us),
        verdict.is_stale,
        verdict.ms,
        verdict.threats,
    )


# What is said of one message is said of many: nearly all are clean, after some milliseconds, by
# definitions of the same age in hours.
@functools.lru_cache(maxsize=256)
def _virus(outcomes: frozenset[Outcome], said: tuple[_Said, ...]) -> bytes:
    summary = next((o for o in _WEIGHTIEST if o in outcomes), None)
    atoms = [f" {summary.value if summary is not None else 'unscanned'}"]
    for by, outcome, engine, definitions, age, is_stale, ms, threats in said:
        atoms[-1] += ";"
        atoms.append(f" {word(by)}={outcome.value}")
        if outcome in _SILENT:
            continue
        if engine or definitions:
            atoms.append(f" {word(version_line(engine, definitions))}")
        if age:
            atoms.append(f" {age}")
        if is_stale:
            atoms.append(" stale")
        atoms.append(f" {ms}ms")
        atoms.extend(f" {word(threat)}" for threat in threats[:THREATS_MAX])
    return _field("X-BorderScout-Virus", atoms)


@functools.lru_cache(maxsize=256)
def _spam(score: float, required: float, tests: tuple[tuple[str, float], ...], spam: bool) -> bytes:
    answer = "yes" if spam else "no"
    shown = [f"{word(name)}:{points(weight)}," for name, weight in tests]
    first, *others = shown or ["none"]
    atoms = [
        f" {answer};",
        f" score={points(score)}",
        f" required={points(required)};",
        f" tests={first}",
        *others,
    ]
    atoms[-1] = atoms[-1].removesuffix(",")
    return _field("X-BorderScout-Spam", atoms)


def _analyses(tests: Sequence[Test]) -> list[bytes]:
    """Return a field for each test that has words for whoever complains about it."""
    telling = [test for test in tests if test.effect is Effect.TELL and test.detail]
    return [
        _field("X-BorderScout-Analysis", [f" {word(test.name)};", *_words(test.detail)])
        for test in telling[:ANALYSES_MAX]
    ]


def _words(text: str) -> list[str]:
    return [f" {word(one)}" for one in text[:ANALYSIS_LENGTH_MAX].split(" ") if one]


def _field(name: str, atoms: Sequence[str]) -> bytes:
    """Return one field, folded between atoms; an atom brings the space before it, if any.

    The only writer of our lines: an atom with anything but printable ASCII is a defect of ours.
    """
    said = "".join(atoms)
    assert said.isascii() and said.isprintable(), said
    pieces = [f"{name}:"]
    width, is_bare = len(name) + 1, True  # of the last line; nothing stands behind the name yet
    for atom in atoms:
        if width + len(atom) <= FOLD_AT or is_bare:
            pieces.append(atom)
            width += len(atom)
            is_bare = is_bare and not atom
        else:
            folded = " " + atom.lstrip(" ")
            pieces += ("\r\n", folded)
            width = len(folded)
    pieces.append("\r\n")
    return "".join(pieces).encode("ascii")
