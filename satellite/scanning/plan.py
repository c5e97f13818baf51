"""Which engines are shown a message, and in which order do their verdicts stand?

Pure. All engines that are asked work at once; the order of the settings is the order of the
verdicts. An engine that is not asked has a verdict too, so that its silence has a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCandidate:
    """What the plan needs to know of an engine.

    Args:
        name: in the settings.
        bytes_max: the largest message that it is shown, in octets; 0: any.
        timeout_s: for one message, in seconds.
    """

    name: str
    bytes_max: int
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPlan:
    """What to do with one message.

    Args:
        order: every engine, as the verdicts shall stand.
        ask: the engines to ask, with the seconds that each may take.
        skipped: the verdicts of the others.
        total_s: seconds after which whoever has not answered is given up.
    """

    order: tuple[str, ...]
    ask: tuple[tuple[str, float], ...]
    skipped: tuple[Verdict, ...]
    total_s: float


def plan(candidates: Sequence[EngineCandidate], *, size: int, total_s: float) -> ScanPlan:
    """Return the plan for a message of ``size`` octets.

    Args:
        candidates: all configured engines.
        size: octets of the message.
        total_s: seconds for all engines together; an engine's own time ends with it.
    """
    fitting = [item for item in candidates if not _is_too_large(item, size)]
    return ScanPlan(
        order=tuple(item.name for item in candidates),
        ask=tuple((item.name, min(item.timeout_s, total_s)) for item in fitting),
        skipped=tuple(
            Verdict(
                by=item.name,
                outcome=Outcome.SKIPPED,
                detail=f"{size} octets are more than its {item.bytes_max}",
            )
            for item in candidates
            if _is_too_large(item, size)
        ),
        total_s=total_s,
    )


def _is_too_large(candidate: EngineCandidate, size: int) -> bool:
    return 0 < candidate.bytes_max < size
