"""Which archives that one engine could not open did another one open?

Pure. Whoever looked into an archive and answered has opened it for all; what nobody opened stays in
the verdict of the one that saw it, and the policy key ``archive.unreadable`` weighs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from common.verdict import DETAIL_LENGTH_MAX, Outcome, Verdict, printable

_ANSWERED = frozenset({Outcome.CLEAN, Outcome.INFECTED, Outcome.MACRO, Outcome.ENCRYPTED})


def with_opened(
    verdicts: Sequence[Verdict], opens: Mapping[str, frozenset[str]]
) -> tuple[Verdict, ...]:
    """Return the verdicts, without the kinds of archives that another engine opened.

    Args:
        verdicts: of all engines on one message.
        opens: for each engine that says so, the kinds that it opens.
    """
    return tuple(_settled(verdict, verdicts, opens) for verdict in verdicts)


def _settled(
    verdict: Verdict, verdicts: Sequence[Verdict], opens: Mapping[str, frozenset[str]]
) -> Verdict:
    openers = {
        kind: other.by
        for kind in verdict.unreadable
        for other in verdicts
        if other.by != verdict.by
        and other.outcome in _ANSWERED
        and kind in opens.get(other.by, frozenset())
    }
    if not openers:
        return verdict
    left = tuple(kind for kind in verdict.unreadable if kind not in openers)
    is_settled = verdict.outcome is Outcome.UNREADABLE and not left
    said = "; ".join(f"{kind}: opened by {by}" for kind, by in openers.items())
    detail = f"{verdict.detail}; {said}" if verdict.detail else said
    return replace(
        verdict,
        outcome=Outcome.CLEAN if is_settled else verdict.outcome,
        unreadable=left,
        detail=printable(detail, length_max=DETAIL_LENGTH_MAX),
    )
