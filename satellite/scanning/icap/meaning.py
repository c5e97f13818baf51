"""Which verdict does an answer of an ICAP server mean?

Pure. Clean is what is said to be, in one of two ways, by who had asked for the whole message:

========================================= =========================================
a field that tells of a threat            what it tells: infected, encrypted, limits
204, the whole message shown              clean
204 or 200 before that                    limits: it looked at the beginning
200, HTTP 2xx, the very same octets       clean
200, HTTP 2xx, other octets               error: nobody knows why
200, HTTP 4xx                             infected: it was blocked
200, HTTP 3xx                             infected or error, as the product's profile says
200, HTTP 5xx                             error
words of a licence                        error
any other status                          as the table of refusals says, else error
========================================= =========================================

Source: RFC 3507 sections 4.3.3, 4.5 and 4.6; rspamd's icap.lua for what products do.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from common.frozen import dataclass
from common.verdict import DETAIL_LENGTH_MAX, Outcome, printable
from satellite.scanning.icap.findings import found
from satellite.scanning.icap.heads import AnswerHead
from satellite.scanning.icap.profiles import EXPLAINING, REFUSALS, Profile
from satellite.scanning.meaning import Meaning

UNSEEN = Meaning(
    Outcome.LIMITS, (), "it did not look at the whole message: too large, or of a kind it skips"
)
CHANGED = Meaning(Outcome.ERROR, (), "it changed the message, and does not say why")
NO_LICENCE = "no licence"
_LICENCE = re.compile(r"licen[cs]e|not activated", re.IGNORECASE)


class ReturnedBody(Enum):
    """How a message came back."""

    SAME = auto()  # octet by octet
    CHANGED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class IcapAnswer:
    """What came until the body.

    Args:
        icap: the answer's own head.
        http: the head of the HTTP answer in it, None where there is none.
        has_body: whether a body follows.
        saw_all: the server asked for the whole message and had it, before it answered.
        fault: what is wrong with the rest; empty: nothing.
    """

    icap: AnswerHead
    http: AnswerHead | None = None
    has_body: bool = False
    saw_all: bool = True
    fault: str = ""

    @property
    def heads(self) -> tuple[AnswerHead, ...]:
        return (self.icap,) if self.http is None else (self.icap, self.http)


def meaning(answer: IcapAnswer, profile: Profile) -> Meaning | None:
    """Return what the heads of an answer mean, None where its body decides."""
    threats = found(answer.heads, profile.readings)
    if threats is not None:
        detail = threats.detail or _explained(answer.heads)
        return Meaning(threats.outcome, threats.threats, detail)
    if answer.fault:
        return Meaning(Outcome.ERROR, (), answer.fault)
    match answer.icap.status:
        case 204:
            return Meaning(Outcome.CLEAN) if answer.saw_all else UNSEEN
        case 200 if answer.http is not None:
            return _of_http(answer, answer.http, profile)
        case 200:
            return Meaning(Outcome.ERROR, (), "it says 200, and brings no answer")
        case _:
            return refusal(answer.icap, profile)


def meaning_of_body(body: ReturnedBody) -> Meaning:
    """Return what it means that a message came back, and nothing told of a threat."""
    if body is ReturnedBody.SAME:
        return Meaning(Outcome.CLEAN)
    return CHANGED


def refusal(icap: AnswerHead, profile: Profile) -> Meaning:
    """Return what a status other than 200 and 204 means, also to OPTIONS."""
    outcome, words = REFUSALS.get(icap.status, (Outcome.ERROR, "an unknown status"))
    if _speaks_of_licence((icap,)):
        outcome, words = Outcome.ERROR, NO_LICENCE
    hint = profile.hints.get(icap.status, "")
    said = f"{words} ({icap.line})" + (f"; {hint}" if hint else "")
    return Meaning(outcome, (), said)


def _of_http(answer: IcapAnswer, http: AnswerHead, profile: Profile) -> Meaning | None:
    if http.status >= 300 and _speaks_of_licence(answer.heads):
        return Meaning(Outcome.ERROR, (), f"{NO_LICENCE} ({http.line})")
    match http.status // 100:
        case 2:
            return None if answer.saw_all else UNSEEN
        case 4:
            return _blocked(answer, http)
        case 3 if profile.redirect_is_block:
            return _blocked(answer, http)
        case _:
            return Meaning(Outcome.ERROR, (), f"it answers HTTP {http.line}")


def _blocked(answer: IcapAnswer, http: AnswerHead) -> Meaning:
    """Return that it blocked the message and names nothing: it may not be set to."""
    return Meaning(Outcome.INFECTED, (f"blocked: {http.line}",), _explained(answer.heads))


def _explained(heads: tuple[AnswerHead, ...]) -> str:
    words = [value for head in heads for name in EXPLAINING for value in head.all(name)]
    return printable("; ".join(dict.fromkeys(words)), length_max=DETAIL_LENGTH_MAX)


def _speaks_of_licence(heads: tuple[AnswerHead, ...]) -> bool:
    return any(
        _LICENCE.search(text)
        for head in heads
        for text in (head.reason, *(value for name in EXPLAINING for value in head.all(name)))
    )
