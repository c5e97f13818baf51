"""What is said to DCC's dccifd of a message, and what do its replies mean?

Pure. dccifd reports what it is asked about, unless it is told to query: a message that is reported
twice counts twice, at every server of the network.

Source: DCC 2.3.167, include/dccif.h and dccifd(8).
"""

from __future__ import annotations

import re
from enum import StrEnum

from common.envelope import Envelope
from common.frozen import dataclass
from common.verdict import printable
from satellite.filtering.servers.failures import Nonsense

REPLY_BYTES_MAX = 16_384
RECIPIENTS_MAX = 100  # that it is told
VALUE_LENGTH_MAX = 320
MANY = 999_999  # what «many» counts as: more than anybody counts
COUNT_MAX = 99_999_999

_METRICS = re.compile(r"(?im)^X-DCC-[^:\s]{1,60}-Metrics: *(.{0,2000})$")
_COUNT = re.compile(r"\b(Body|Fuz1|Fuz2)=(many|ok2?|[0-9]{1,8})(?![0-9A-Za-z])")
_REPUTATION = re.compile(r"\brep=([0-9]{1,3})%")
_FOLD = re.compile(r"\r?\n[ \t]+")


class Telling(StrEnum):
    """What dccifd is to do with the checksums, in its own words."""

    QUERY = "query"
    REPORT = ""
    SPAM = "spam"


@dataclass(frozen=True, slots=True, kw_only=True)
class DccCounts:
    """What the network knows of a message.

    Args:
        count: the highest of its checksums' counts; ``MANY`` for «many».
        reputation: of the client, 0 to 100, None where it is not said.
        is_rejected: dccifd would reject it, by its own thresholds.
        metrics: its words, printable.
    """

    count: int
    reputation: int | None
    is_rejected: bool
    metrics: str


def question(envelope: Envelope, octets: bytes, *, telling: Telling) -> tuple[bytes, ...]:
    """Return what is sent, after which nothing more is.

    Args:
        envelope, octets: the message.
        telling: what is done with its checksums.
    """
    options = " ".join(word for word in ("header", "grey-off", telling.value) if word)
    lines = [
        options,
        _value(envelope.client_address),
        _value(envelope.helo),
        _value(envelope.sender),
        *(_value(recipient) or "unknown" for recipient in envelope.recipients[:RECIPIENTS_MAX]),
        "",
        "",
    ]
    return ("\n".join(lines).encode("utf-8", "replace"), octets)


def counts(said: bytes) -> DccCounts:
    """Return what a whole reply says.

    Raises:
        Nonsense: it is none, or says that dccifd failed.
    """
    lines = said.decode("latin-1").split("\n", 2)
    if len(lines) < 2 or not re.fullmatch(r"[AGRST]\r?", lines[0]):
        raise Nonsense(f"dccifd speaks another protocol: {printable(lines[0][:40])!r}")
    if lines[0][0] == "T":
        raise Nonsense("dccifd says that it failed for now: its servers are away")
    if not re.fullmatch(r"[AGR]{0,2000}\r?", lines[1]):
        raise Nonsense("dccifd's words about the recipients are unknown")
    header = _FOLD.sub(" ", lines[2] if len(lines) > 2 else "")
    found = _METRICS.search(header)
    if found is None:
        raise Nonsense("dccifd's reply has no counts: it is not whole")
    metrics = found[1].strip()
    known = [_count(match[2]) for match in _COUNT.finditer(metrics)]
    reputation = _REPUTATION.search(metrics)
    return DccCounts(
        count=max(known, default=0),
        reputation=min(100, int(reputation[1])) if reputation is not None else None,
        is_rejected=lines[0][0] == "R",
        metrics=printable(metrics),
    )


def _count(word: str) -> int:
    """Return a checksum's count; one that the server's white list has counts nothing."""
    if word == "many":
        return MANY
    return 0 if word.startswith("ok") else int(word)


def _value(text: str) -> str:
    """Return text as one line; CR would begin the name of a local user, LF another line."""
    return "".join(c if c >= " " and c != "\x7f" else "?" for c in text[:VALUE_LENGTH_MAX])
