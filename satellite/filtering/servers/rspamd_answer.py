"""What is rspamd told of a message, and what does its answer mean?

Pure. Only symbols and scores are taken over. What rspamd would do with the message (its action, a
greylisting, a soft reject) is told and done by nobody: our policy decides.

Source: rspamd's documentation, *Protocol* (``/checkv2``); rspamd 3.4.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any

from common.envelope import Envelope
from common.frozen import dataclass
from common.verdict import printable
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.http_messages import HttpQuestion, HttpReply
from satellite.filtering.servers.taken_over import TOTAL_MAX, Symbol, clamped

RECIPIENTS_MAX = 100  # that it is told
SYMBOLS_READ_MAX = 5_000
OPTIONS_MAX = 5  # of one symbol that are told
ACTION_LENGTH_MAX = 40
CUSTOMER_FIELD = "Customer"  # ours; rspamd's `per_user` is made to read it


@dataclass(frozen=True, slots=True, kw_only=True)
class RspamdAnswer:
    """What rspamd said.

    Args:
        score: the sum, as it says.
        required: from where on it would reject.
        action: what it would do.
        symbols: what it found.
        is_skipped: it did not look.
    """

    score: float
    required: float
    action: str
    symbols: tuple[Symbol, ...]
    is_skipped: bool


def question(envelope: Envelope, octets: bytes, *, user: str, customer: str = "") -> HttpQuestion:
    """Return what is asked about a message.

    Args:
        envelope, octets: the message.
        user: whose settings of rspamd's hold; empty: nobody's.
        customer: whose lessons count, by the name that rspamd knows him by; empty: nobody's.
    """
    return HttpQuestion(
        method="POST",
        target="/checkv2",
        fields=tuple(_fields(envelope, user, customer)),
        body=octets,
    )


def answer(reply: HttpReply) -> RspamdAnswer:
    """Return what a reply says.

    Raises:
        Nonsense: it is no answer, or says that rspamd failed.
    """
    if reply.status != 200:
        raise Nonsense(f"rspamd answers with {reply.status}: {_start(reply.body)}")
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        raise Nonsense(f"rspamd answers with what is no JSON: {_start(reply.body)}") from None
    if not isinstance(said, dict) or "error" in said:
        raise Nonsense(f"rspamd failed: {_start(reply.body)}")
    symbols = said.get("symbols", {})
    is_score = isinstance(said.get("score"), int | float) and not isinstance(said["score"], bool)
    if not is_score or not isinstance(symbols, dict):
        raise Nonsense(f"rspamd answers without a score: {_start(reply.body)}")
    score = clamped(said["score"], most=TOTAL_MAX)
    found = tuple(_symbols(symbols))
    return RspamdAnswer(
        score=score,
        required=clamped(said.get("required_score"), most=TOTAL_MAX),
        action=printable(str(said.get("action", "")), length_max=ACTION_LENGTH_MAX),
        symbols=found,
        # It says so of what it knows at a glance, too: GTUBE has a score all the same.
        is_skipped=said.get("is_skipped") is True and not found and not score,
    )


def _symbols(said: dict[str, Any]) -> Iterator[Symbol]:
    for name, symbol in list(said.items())[:SYMBOLS_READ_MAX]:
        if not isinstance(symbol, dict):
            continue
        options = symbol.get("options")
        told = options[:OPTIONS_MAX] if isinstance(options, list) else []
        yield Symbol(
            name=name,
            score=clamped(symbol.get("score")),
            detail="; ".join(option for option in told if isinstance(option, str)),
        )


def _fields(envelope: Envelope, user: str, customer: str) -> Iterator[tuple[str, str]]:
    if _is_ip(envelope.client_address):
        yield "IP", envelope.client_address
    if envelope.helo:
        yield "Helo", envelope.helo
    yield "From", f"<{envelope.sender}>"
    for recipient in envelope.recipients[:RECIPIENTS_MAX]:
        yield "Rcpt", f"<{recipient}>"
    if len(envelope.recipients) == 1:  # of several nobody's own settings would be right
        yield "Deliver-To", envelope.recipients[0]
    if user:
        yield "User", user
    if customer:
        yield CUSTOMER_FIELD, customer


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _start(body: bytes) -> str:
    return printable(body[:100].decode("utf-8", "replace"))
