"""Which changes does a milter ask for, so that a message gets our lines?

Pure. A milter cannot write a header section anew: it inserts, changes and deletes fields one by
one, by name and number. Deletions go from the last field to the first and before all insertions, so
that no number means another field by then. Fields are counted by their names as they came, in any
case of letters, as Postfix and Sendmail do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from satellite.headers import HeaderBlock
from satellite.headers.block import Span
from satellite.headers.forged import not_forged
from satellite.scan_server.milter_packets import changed, inserted
from satellite.spool.model.messages import Copy

OURS = 4  # fields: X-BorderScout, -Virus, -Spam, Authentication-Results


def changes(block: HeaderBlock, copy: Copy, *, mail_domain: str, leading_space: bool) -> bytes:
    """Return the packets that make of a message what a copy is.

    Args:
        block: the header section as it came.
        copy: what it is to be; rendered without a trace field.
        mail_domain: our authserv-id.
        leading_space: values come and go with the blank behind the colon.
    """
    wanted = HeaderBlock.parse(copy.head + b"\r\n\r\n")
    numbered = list(_numbered(block.spans))
    kept = set(not_forged(block, mail_domain))
    deleted = [
        changed(name, b"", number=number) for name, number, span in numbered if span not in kept
    ]
    subjects = [span for span in wanted.spans[OURS:] if span.key == b"subject"]
    before = [(name, number, span) for name, number, span in numbered if span.key == b"subject"]
    retold = []
    for (name, number, span), new in zip(before, subjects, strict=False):
        if new.raw != span.raw:
            retold.append(changed(name, _value(new, leading_space), number=number))
    ours = list(wanted.spans[:OURS])
    if subjects and not before:
        ours.append(subjects[0])
    lines = [
        inserted(_name(span), _value(span, leading_space), index=place)
        for place, span in enumerate(ours)
    ]
    return b"".join([*retold, *reversed(deleted), *lines])


def _numbered(spans: Sequence[Span]) -> Iterator[tuple[bytes, int, Span]]:
    """Yield each field with its name as it came, and which of that name it is."""
    seen: Counter[bytes] = Counter()
    for span in spans:
        name = _name(span)
        seen[name.lower()] += 1
        yield name, seen[name.lower()], span


def _name(span: Span) -> bytes:
    return span.raw.partition(b":")[0]


def _value(span: Span, leading_space: bool) -> bytes:
    """Return a field's value as a milter writes it: LF between its lines, and none at its end."""
    value = span.value.rstrip(b"\r\n").replace(b"\r\n", b"\n")
    return value if leading_space else value.removeprefix(b" ")
