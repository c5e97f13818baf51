"""What is to be done next about the definitions that the core offers?

Pure. The first row that fits decides:

==================================================== ============
nothing is offered                                   rest
what is offered is in use                            rest
it failed, and neither time nor offer has changed    rest
it is not here yet                                   fetch
it may not be loaded yet                             await turn
else                                                 load
==================================================== ============

A lower number than the one in use is a roll-back, and treated like any other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from satellite.definitions.set_name import SetName

FIRST_RETRY_S = 15.0
LONGEST_RETRY_S = 1800.0


class NextStep(Enum):
    """What to do now."""

    REST = "rest"
    FETCH = "fetch"
    AWAIT_TURN = "await turn"
    LOAD = "load"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTry:
    """A set that could not be fetched or loaded.

    Args:
        name: of the set.
        detail: why, for people.
        is_tried: the engine was told to load it; else something of this node stood in the way.
        tries: in a row, at least 1.
        again_s: when it is tried again, on the monotonic clock; None: not before another is
            offered, since the set itself is at fault.
    """

    name: SetName
    detail: str
    is_tried: bool
    tries: int
    again_s: float | None


def next_step(
    offered: SetName | None,
    *,
    may_load: bool,
    current: SetName | None,
    fetched: Collection[SetName],
    failed: FailedTry | None,
    now_s: float,
) -> NextStep:
    """Return what to do.

    Args:
        offered: the set that the core wants to be used; None: it has said nothing yet.
        may_load: whether it may be taken into use: one site at a time.
        current: the set in use.
        fetched: the sets that are here, whole.
        failed: what failed last.
        now_s: the monotonic clock.
    """
    if offered is None or offered == current or _rests(offered, failed, now_s):
        return NextStep.REST
    if offered not in fetched:
        return NextStep.FETCH
    return NextStep.LOAD if may_load else NextStep.AWAIT_TURN


def _rests(offered: SetName, failed: FailedTry | None, now_s: float) -> bool:
    if failed is None or failed.name != offered:
        return False
    return failed.again_s is None or now_s < failed.again_s


def after_failure(
    name: SetName,
    detail: str,
    *,
    before: FailedTry | None,
    is_tried: bool,
    is_final: bool,
    now_s: float,
) -> FailedTry:
    """Return what is remembered of a failure; each further one of a set doubles the wait.

    Args:
        before: what was remembered until now.
        is_tried: the engine was told to load it.
        is_final: the set itself is at fault.
    """
    tries = before.tries + 1 if before is not None and before.name == name else 1
    wait_s = min(FIRST_RETRY_S * 2.0 ** (tries - 1), LONGEST_RETRY_S)
    again_s = None if is_final else now_s + wait_s
    return FailedTry(name=name, detail=detail, is_tried=is_tried, tries=tries, again_s=again_s)
