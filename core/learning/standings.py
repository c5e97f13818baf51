"""What follows from what a learner made of a lesson?

Pure.
"""

from __future__ import annotations

from common.lessons import LessonAnswer, LessonOutcome
from core.store.lessons import LessonStanding

TRIES_MAX = 5  # of a lesson over which a learner breaks off
FIRST_WAIT_S = 60.0  # then twice as long each time


def standing_after(answer: LessonAnswer, *, tries: int, now_us: int) -> LessonStanding | None:
    """Return what is kept of a lesson, None: nothing changes, since the learner is away.

    Args:
        answer: what became of it.
        tries: how many it had before.
        now_us: the time, microseconds since the epoch, UTC.
    """
    match answer.outcome:
        case LessonOutcome.AWAY:
            return None
        case LessonOutcome.LEARNED | LessonOutcome.KNOWN:
            return LessonStanding(state=str(answer.outcome), tries=tries + 1)
        case LessonOutcome.FAILED if tries + 1 < TRIES_MAX:
            wait_us = round(FIRST_WAIT_S * 2.0**tries * 1_000_000)
            return LessonStanding(
                state="waiting", tries=tries + 1, next_us=now_us + wait_us, reason=answer.reason
            )
        case _:
            return LessonStanding(state="refused", tries=tries + 1, reason=answer.reason)
