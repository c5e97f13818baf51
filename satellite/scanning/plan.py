"""Which engines are shown a message, and in which order do their verdicts stand?

Pure. All engines that are asked work at once; the order of the settings is the order of the
verdicts. An engine that is not asked has a verdict too, so that its silence has a reason.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from common.frozen import dataclass
from common.settings.satellite import MIB, EngineSettings
from common.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBudget:
    """How long an engine may take for one message.

    Args:
        try_s: seconds of one try.
        tries: how often it is asked when it does not answer.
        total_s: seconds of all tries, with the pauses between them.
    """

    try_s: float
    tries: int = 1
    total_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPlan:
    """What to do with one message.

    Args:
        order: every engine, as the verdicts shall stand.
        ask: the engines to ask, with the time that each may take.
        skipped: the verdicts of the others.
    """

    order: tuple[str, ...]
    ask: tuple[tuple[str, TimeBudget], ...]
    skipped: tuple[Verdict, ...]


def plan(candidates: Sequence[EngineSettings], *, size: int) -> ScanPlan:
    """Return the plan for a message of ``size`` octets.

    Args:
        candidates: all configured engines.
        size: octets of the message.
    """
    fitting = [item for item in candidates if not _is_too_large(item, size)]
    return ScanPlan(
        order=tuple(item.name for item in candidates),
        ask=tuple((item.name, _budget(item, size)) for item in fitting),
        skipped=tuple(
            Verdict(
                by=item.name,
                outcome=Outcome.SKIPPED,
                detail=f"{size} octets are more than its {item.bytes_max}",
            )
            for item in candidates
            if _is_too_large(item, size)
        ),
    )


def usual_bytes_max(candidates: Sequence[EngineSettings]) -> int:
    """Return up to which size mail has the same plan as the smallest has: nearly all mail is."""
    bounds = [item.bytes_max for item in candidates if item.bytes_max]
    if any(item.timeout_s_per_mib for item in candidates):
        bounds.append(MIB - 1)
    return min(bounds, default=sys.maxsize)


def _budget(candidate: EngineSettings, size: int) -> TimeBudget:
    return TimeBudget(
        try_s=candidate.try_s(size), tries=candidate.tries, total_s=candidate.total_timeout_s
    )


def _is_too_large(candidate: EngineSettings, size: int) -> bool:
    return 0 < candidate.bytes_max < size
