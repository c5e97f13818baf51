"""Which header lines do we put on a delivered copy, and which forged ones are removed?

Pure. Our lines stand on top. A forged field of ours, or ``Authentication-Results`` under our name,
is taken out: a reader behind us may trust what bears our name, whoever wrote it. Only then, and for
a subject tag, is the header section written anew; otherwise the copy is our lines and the message
octet for octet, so that a DKIM signature still verifies. The body is never touched.

Source: docs/filters.md, *What a reader finds in the header*; RFC 8601 sections 2.2 and 5; RFC
5322 section 2.1.1.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from common.address import AddressError, parse_domain
from common.verdict import Outcome, Test, Verdict, points
from satellite.headers.block import HeaderBlock, Span, visible_name
from satellite.spool.model.messages import Copy

FOLD_AT = 78  # characters; RFC 5322 section 2.1.1
WORD_LENGTH_MAX = 200  # characters of one value; a line of one word stays far below 998
TESTS_MAX = 100  # named in the header; the record has them all
ENGINES_MAX = 32
THREATS_MAX = 3  # of one engine
TAGGED_SUBJECTS_MAX = 8  # one is legal; a reader may show any of several

_OUR_PREFIX = b"x-borderscout"
_RESULTS = b"authentication-results"
# Printable ASCII without space ; , " ( ) and backslash.
_ONE_WORD = re.compile(r"[!#-'*+\--:<-\[\]-~]*")
_BARE_CR = re.compile(rb"\r(?!\n)")
_PART = re.compile(r"\\.|[^\\\"();]+|.", re.DOTALL)  # a quoted pair, a run of text, or one sign
_AUTHSERV_LENGTH_MAX = 512  # characters looked at; a domain name has at most 253


def render(
    block: HeaderBlock,
    *,
    trace: bytes,
    id: str,  # noqa: A002 - the name that stands in the line
    node: str,
    mail_domain: str,
    revision: int,
    disposition_word: str,
    verdicts: Sequence[Verdict],
    score: float,
    required: float,
    tests: Sequence[Test],
    spam: bool,
    subject_tag: str = "",
) -> Copy:
    """Return what one recipient's copy looks like.

    Args:
        block: the header section of the message.
        trace: our Received field with its line breaks; may be empty.
        id: the message's ULID.
        node: the node's name.
        mail_domain: our authserv-id, an A-label.
        revision: of the preferences that judged it.
        disposition_word: ``deliver``, or what was done with it instead.
        verdicts: the engines' verdicts, not the filters'.
        score, required: the recipient's points, and those from which mail is marked.
        tests: the tests that count for this recipient.
        spam: the answer of the spam line.
        subject_tag: put before the subject; empty leaves the subject alone.
    """
    said = tuple((v.by, v.outcome, v.version, v.ms, v.threats) for v in verdicts[:ENGINES_MAX])
    outcomes = frozenset([verdict.outcome for verdict in verdicts])
    shown = tuple((test.name, test.score) for test in tests[:TESTS_MAX])
    lines = [
        _field("X-BorderScout", _facts(id=id, node=node, revision=revision, is_=disposition_word)),
        _virus(outcomes, said),
        _spam(score, required, shown, spam),
    ]
    return _copy(block, trace, lines, mail_domain, subject_tag)


def render_released(
    block: HeaderBlock,
    *,
    trace: bytes,
    id: str,  # noqa: A002 - the name that stands in the line
    node: str,
    mail_domain: str,
    revision: int,
    released_from: str,
) -> Copy:
    """Return the copy of a message that somebody released from the quarantine.

    Args:
        block, trace, id, node, mail_domain, revision: as for ``render``; the id is the new one.
        released_from: the id under which it was quarantined.
    """
    facts = _facts(id=id, node=node, revision=revision, is_="deliver")
    facts = [*facts[:-1], f"{facts[-1]};", f" released_from={word(released_from)}"]
    return _copy(block, trace, [_field("X-BorderScout", facts)], mail_domain, "")


def word(text: str) -> str:
    """Return text as one word that cannot end the value it stands in, bounded."""
    cut = text[:WORD_LENGTH_MAX]
    if _ONE_WORD.fullmatch(cut):  # nearly always
        return cut
    return "".join(c if "!" <= c <= "~" and c not in ';,"()\\' else "_" for c in cut)


def is_forged(raw: bytes, mail_domain: str) -> bool:
    """Say whether a field bears our name, for any reader.

    A bare CR begins a new line for some readers: each piece is looked at.

    Args:
        raw: one field, its folds and last line break included.
        mail_domain: our authserv-id.
    """
    return any(_is_ours(piece, mail_domain) for piece in _BARE_CR.split(raw))


def _kept(block: HeaderBlock, mail_domain: str) -> list[Span]:
    """Return the fields that do not bear our name; nearly always all of them."""
    names = b"\n".join([b"", *block.by_key])
    if not block.has_bare_cr and b"\n" + _OUR_PREFIX not in names and _RESULTS not in names:
        return list(block.spans)
    if block.has_bare_cr:
        return [span for span in block.spans if not is_forged(span.raw, mail_domain)]
    return [span for span in block.spans if not _is_ours(span.raw, mail_domain, name=span.key)]


def _is_ours(raw: bytes, mail_domain: str, *, name: bytes | None = None) -> bool:
    if name is None:
        name = visible_name(raw)
    if name.startswith(_OUR_PREFIX):
        return True
    return name == _RESULTS and _names_us(raw.partition(b":")[2], mail_domain)


def _names_us(value: bytes, mail_domain: str) -> bool:
    """Say whether an Authentication-Results value has our authserv-id.

    It may stand behind comments, in quotes, in any case, with a final dot, or as U-labels. What
    cannot be parsed is taken for ours if our name is in it at all.
    """
    text, is_whole = _without_comments(value.decode("utf-8", "replace"))
    if not is_whole:
        return mail_domain in text.lower()
    words = text.split() or [""]
    return _same_name(words[0], mail_domain) or _same_name("".join(words), mail_domain)


def _same_name(found: str, mail_domain: str) -> bool:
    visible = "".join(c for c in found[:_AUTHSERV_LENGTH_MAX] if c > " " and c != "\x7f")
    if visible.lower().rstrip(".") == mail_domain:
        return True
    if visible.isascii():
        return False
    try:
        return parse_domain(visible) == mail_domain
    except AddressError:
        return False


def _without_comments(text: str) -> tuple[str, bool]:
    """Return what stands before the first semicolon, without comments and quotes.

    The second value is False when a comment or a quote never ends; the text is then all of it.
    """
    kept: list[str] = []
    depth, is_quoted = 0, False
    for match in _PART.finditer(text):
        part = match[0]
        if part == '"' and not depth:
            is_quoted = not is_quoted
        elif part == "(" and not is_quoted:
            depth += 1
            kept.append(" ")  # a comment separates words
        elif part == ")" and depth:
            depth -= 1
        elif part == ";" and not depth and not is_quoted:
            break
        elif not depth:
            kept.append(part.removeprefix("\\"))
    is_whole = depth == 0 and not is_quoted
    return ("".join(kept) if is_whole else text), is_whole


def _copy(
    block: HeaderBlock, trace: bytes, lines: Sequence[bytes], mail_domain: str, subject_tag: str
) -> Copy:
    assert not trace or trace.endswith(b"\r\n")
    head = b"".join((trace, *lines, _no_results(mail_domain)))
    kept = _kept(block, mail_domain)
    if block.oversized or (kept and not kept[0].is_field):
        # What follows would continue our last line, or holds fields that we have not seen: a
        # blank line makes all of it body, as other servers do with mail that has no header.
        return Copy(head=head + _new_subject(subject_tag) + b"\r\n")
    subjects = [span for span in kept if span.key == b"subject" and b":" in span.raw]
    if subject_tag and not subjects:
        head += _new_subject(subject_tag)
    tagged = subjects[:TAGGED_SUBJECTS_MAX] if subject_tag else []
    if len(kept) == len(block.spans) and not tagged:
        return Copy(head=head)
    places = {span.start for span in tagged}
    section = b"".join(
        _with_tag(span.raw, subject_tag) if span.start in places else span.raw for span in kept
    )
    return Copy(head=head + section + _blank_line(block), skip=block.end)


@functools.lru_cache(maxsize=8)
def _no_results(mail_domain: str) -> bytes:
    return _field("Authentication-Results", [f" {mail_domain};", " none"])


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
    Outcome.CLEAN,
    Outcome.ERROR,
    Outcome.TIMEOUT,
    Outcome.UNAVAILABLE,
    Outcome.SKIPPED,
)
_SILENT = (Outcome.UNAVAILABLE, Outcome.SKIPPED)


_Said = tuple[str, Outcome, str, int, tuple[str, ...]]  # what a line shows of a verdict


# What is said of one message is said of many: nearly all are clean, after some milliseconds.
@functools.lru_cache(maxsize=256)
def _virus(outcomes: frozenset[Outcome], said: tuple[_Said, ...]) -> bytes:
    summary = next((o for o in _WEIGHTIEST if o in outcomes), None)
    atoms = [f" {summary.value if summary is not None else 'unscanned'}"]
    for by, outcome, version, ms, threats in said:
        atoms[-1] += ";"
        atoms.append(f" {word(by)}={outcome.value}")
        if outcome in _SILENT:
            continue
        if version:
            atoms.append(f" {word(version)}")
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
