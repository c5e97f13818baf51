"""Which findings do the engines' verdicts amount to: virus, encrypted, macro, unavailable?

Pure. Fail closed (P5): a required engine without an answer is a finding, and so is one without a
record at all. What an engine *found* counts whether it is required or not.

=============================== ============================ ===========================
outcome                         of a required engine         of another one
=============================== ============================ ===========================
clean                           nothing                      nothing
infected                        virus                        virus
encrypted                       encrypted                    encrypted
macro                           macro                        macro
limits                          unscannable                  unscannable
skipped                         unscannable                  nothing
error, timeout, unavailable     unavailable                  nothing
no record                       unavailable                  nothing
=============================== ============================ ===========================

Nothing does not mean unseen: each verdict stands in the header, the record and the metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from common.verdict import Outcome, Verdict
from satellite.judging.disposition import Finding, FindingKind

_FOUND = {
    Outcome.INFECTED: FindingKind.VIRUS,
    Outcome.ENCRYPTED: FindingKind.ENCRYPTED,
    Outcome.MACRO: FindingKind.MACRO,
    Outcome.LIMITS: FindingKind.UNSCANNABLE,
}


def findings(verdicts: Sequence[Verdict], *, required: Mapping[str, bool]) -> tuple[Finding, ...]:
    """Return what has to be weighed, in the order of the verdicts, silent engines last.

    Args:
        verdicts: of engines, on one message.
        required: every configured engine, and whether it must answer.
    """
    found = [
        finding
        for verdict in verdicts
        if (finding := _finding(verdict, must_answer=required.get(verdict.by, True))) is not None
    ]
    heard = {verdict.by for verdict in verdicts}
    found.extend(
        Finding(FindingKind.UNAVAILABLE, name, "no record")
        for name, must_answer in required.items()
        if must_answer and name not in heard
    )
    return tuple(found)


def _finding(verdict: Verdict, *, must_answer: bool) -> Finding | None:
    kind = _kind(verdict.outcome, must_answer=must_answer)
    if kind is None:
        return None
    named = ", ".join(verdict.threats) or verdict.detail or str(verdict.outcome)
    return Finding(kind, verdict.by, named)


def _kind(outcome: Outcome, *, must_answer: bool) -> FindingKind | None:
    match outcome:
        case Outcome.CLEAN:
            return None
        case Outcome.INFECTED | Outcome.ENCRYPTED | Outcome.MACRO | Outcome.LIMITS:
            return _FOUND[outcome]
        case Outcome.SKIPPED:
            return FindingKind.UNSCANNABLE if must_answer else None
        case Outcome.ERROR | Outcome.TIMEOUT | Outcome.UNAVAILABLE | Outcome.SCORED:
            # Scored is a filter's word; from an engine it is no answer.
            return FindingKind.UNAVAILABLE if must_answer else None
        case _:
            assert_never(outcome)
