"""What did the engines say for the recipients of these scopes?

Pure. A rule may concern one customer alone: what it found stands in the verdict beside what holds
for everybody, with its scope. A recipient's own verdict is both together, weighed as if all rules
were his; nothing of anybody else's is left in it, neither a name nor that there was one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from common.verdict import Outcome, ScopedMatch, Verdict

# What a verdict is that says several of these: surely bad first, what is unknown next.
_WEIGHTIEST = (
    Outcome.INFECTED,
    Outcome.LIMITS,
    Outcome.ENCRYPTED,
    Outcome.MACRO,
    Outcome.UNREADABLE,
)


def has_scoped(verdicts: Sequence[Verdict]) -> bool:
    """Say whether anything in the verdicts holds for some recipients alone."""
    return bool([verdict for verdict in verdicts if verdict.scoped])  # quicker than any()


def concerning(verdicts: Sequence[Verdict], scopes: Collection[str]) -> tuple[Verdict, ...]:
    """Return the verdicts without what concerns nobody in these scopes."""
    return tuple(
        replace(verdict, scoped=_matches(verdict, scopes)) if verdict.scoped else verdict
        for verdict in verdicts
    )


def as_for(verdicts: Sequence[Verdict], scopes: Collection[str]) -> tuple[Verdict, ...]:
    """Return the verdicts as they are for a recipient in these scopes.

    Args:
        verdicts: of engines, on one message.
        scopes: all that the recipient stands in, as ``common.preferences.scopes`` writes them.
    """
    return tuple(_own(verdict, scopes) if verdict.scoped else verdict for verdict in verdicts)


def scoped_threats(verdicts: Sequence[Verdict]) -> set[tuple[str, str]]:
    """Return the threats that rules of some scope named, each with the engine."""
    return {
        (verdict.by, threat)
        for verdict in verdicts
        for match in verdict.scoped
        for threat in match.threats
    }


def _matches(verdict: Verdict, scopes: Collection[str]) -> tuple[ScopedMatch, ...]:
    return tuple(match for match in verdict.scoped if match.scope in scopes)


def _own(verdict: Verdict, scopes: Collection[str]) -> Verdict:
    matches = _matches(verdict, scopes)
    said = {verdict.outcome, *(match.outcome for match in matches)}
    outcome = next((one for one in _WEIGHTIEST if one in said), verdict.outcome)
    threats = verdict.threats
    naming = matches
    if outcome is Outcome.INFECTED:  # it is called by what makes it so, and by nothing less
        threats = threats if verdict.outcome is outcome else ()
        naming = tuple(match for match in matches if match.outcome is outcome)
    named = [*threats, *(threat for match in naming for threat in match.threats)]
    return replace(verdict, outcome=outcome, threats=tuple(dict.fromkeys(named)), scoped=matches)
