"""What is a Cloudmark Authority server asked about a message, and what does its score mean?

Pure. Its vendor's documents are not public. What stands here is what other gateways send and read:
the parts are all ``text/plain``, as the one that is used most really sends them.

Source: rspamd's lua_scanners/cloudmark.lua and MailCleaner's PreFilters/Cloudmark.pm, read for
facts; RFC 7578 for the form.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from common.envelope import Envelope
from common.frozen import dataclass
from common.verdict import printable
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.http_messages import HttpQuestion, HttpReply

SCORE_MAX = 100.0
ANALYSIS_LENGTH_MAX = 800
RECIPIENTS_MAX = 100  # that it is told
VALUE_LENGTH_MAX = 320
SIZE_LIMIT = HttpQuestion(method="GET", target="/score/v2/max-message-size")
ANALYSIS_FIELD = "x-cmae-analysis"  # of ``appendHeaders``, where there is no ``analysis``

_NUMBER = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudmarkScore:
    """What the server said.

    Args:
        score: 0 to 100; the more, the worse.
        analysis: its opaque words, printable; whoever complains to the vendor needs them.
    """

    score: float
    analysis: str


def question(
    envelope: Envelope, octets: bytes, *, boundary: str, message_type: str
) -> HttpQuestion:
    """Return what is asked about a message.

    Args:
        envelope, octets: the message.
        boundary: 32 hex digits that nobody could guess.
        message_type: the media type that its octets are called.
    """
    told = [
        *_part(boundary, "rfc822", octets, media_type=message_type),
        *(
            piece
            for name, value in _values(envelope)
            for piece in _part(boundary, name, _line(value), media_type="text/plain")
        ),
        f"--{boundary}--\r\n".encode("ascii"),
    ]
    return HttpQuestion(
        method="POST",
        target="/score/v2/message",
        fields=(("Content-Type", f'multipart/form-data; boundary="{boundary}"'),),
        body=b"".join(told),
    )


def size_limit(reply: HttpReply) -> int | None:
    """Return how many octets a message may have, None where the server does not say."""
    try:
        said = _object(reply).get("maxMessageSize")
    except Nonsense:
        return None
    is_limit = isinstance(said, int) and not isinstance(said, bool) and said > 0
    return said if is_limit else None


def score(reply: HttpReply) -> CloudmarkScore:
    """Return what a reply says.

    Raises:
        Nonsense: it is no answer, or has no score from 0 to 100.
    """
    said = _object(reply)
    analysis = said.get("analysis")
    return CloudmarkScore(
        score=_score(said.get("score")),
        analysis=printable(
            analysis if isinstance(analysis, str) and analysis else _appended(said),
            length_max=ANALYSIS_LENGTH_MAX,
        ),
    )


def _score(said: object) -> float:
    if isinstance(said, str) and _NUMBER.fullmatch(said):
        said = float(said)
    is_number = isinstance(said, int | float) and not isinstance(said, bool)
    if not is_number or (isinstance(said, float) and not math.isfinite(said)):
        raise Nonsense(f"Cloudmark answers without a score: {printable(repr(said)[:40])}")
    assert isinstance(said, int | float)
    if not 0 <= said <= SCORE_MAX:
        raise Nonsense("Cloudmark's score is not from 0 to 100")
    return float(said)


def _appended(said: dict[str, Any]) -> str:
    fields = said.get("appendHeaders")
    for field in fields[:20] if isinstance(fields, list) else []:
        if not isinstance(field, dict):
            continue
        name, body = field.get("headerField"), field.get("body")
        if isinstance(name, str) and name.lower() == ANALYSIS_FIELD and isinstance(body, str):
            return body.strip()
    return ""


def _object(reply: HttpReply) -> dict[str, Any]:
    if reply.status != 200:
        raise Nonsense(f"Cloudmark answers with {reply.status}")
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        raise Nonsense("Cloudmark answers with what is no JSON") from None
    if not isinstance(said, dict):
        raise Nonsense("Cloudmark answers with what is no JSON object")
    return said


def _values(envelope: Envelope) -> Iterator[tuple[str, str]]:
    if envelope.helo:
        yield "heloDomain", envelope.helo
    if envelope.sender:
        yield "mailFrom", envelope.sender
    told = envelope.recipients[:RECIPIENTS_MAX]
    yield "rcptTo", ",".join(one[:VALUE_LENGTH_MAX] for one in told)
    if envelope.client_address:
        yield "connIp", envelope.client_address


def _part(boundary: str, name: str, value: bytes, *, media_type: str) -> tuple[bytes, ...]:
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n'
        f"Content-Type: {media_type}\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    )
    return (head.encode("ascii"), value, b"\r\n")


def _line(value: str) -> bytes:
    return "".join(c if c >= " " and c != "\x7f" else "?" for c in value).encode("utf-8", "replace")
