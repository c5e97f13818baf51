"""Is what an engine named a threat, by the recipient's rule for the votes of all engines?

Pure. By the rule ``any`` each threat is one, and nothing is counted. A vote has who read the mail:
``infected`` is one for, ``clean`` and ``macro`` are against; who was silent, skipped it or could
not open it has none. In doubt it is a threat:

=================== ============================================================================
majority            at least half of the votes are for: a tie is a threat
engines:NAME,NAME   one of the named engines is for; or none of them has a vote, and any one is
=================== ============================================================================

A threat that is outvoted is a finding still: ``virus.outvoted``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from common.preferences.virus_rule import ANY, VirusRule
from common.verdict import Outcome, Verdict
from satellite.judging.disposition import Finding, FindingKind

_AGAINST = frozenset({Outcome.CLEAN, Outcome.MACRO})


def counted(
    findings: Sequence[Finding], *, rule: VirusRule, verdicts: Sequence[Verdict]
) -> Sequence[Finding]:
    """Return the findings, with those threats that the rule lets pass as outvoted.

    Args:
        findings: of one message.
        rule: of one recipient.
        verdicts: of all engines on the message.
    """
    if rule == ANY:
        return findings
    accusing = {finding.by for finding in findings if finding.kind is FindingKind.VIRUS}
    if not accusing:
        return findings
    against = {verdict.by for verdict in verdicts if verdict.outcome in _AGAINST}
    if _is_threat(rule, accusing, against):
        return findings
    return [_outvoted(each) if each.kind is FindingKind.VIRUS else each for each in findings]


def _is_threat(rule: VirusRule, accusing: set[str], against: set[str]) -> bool:
    if not rule.engines:
        return len(accusing) >= len(against)
    return not rule.engines.isdisjoint(accusing) or rule.engines.isdisjoint(against)


def _outvoted(finding: Finding) -> Finding:
    return replace(finding, kind=FindingKind.VIRUS_OUTVOTED)
