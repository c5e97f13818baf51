"""Who calls with a certificate of ours and is not let in, and was it said in the log just now?

Touches the log. An operator sees each such caller in ``status`` for as long as it
tries; the log has a line a minute for each certificate and kind of refusal, with how many it left
out. Both tables have a bound, and what a caller says chooses no entry of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from common.clock import Clock
from common.repeats import Repeats

log = structlog.get_logger()

SHOWN_S = 600.0  # a satellite that is not let in tries again within seconds
CALLERS_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCaller:
    """A caller that is not let in.

    Attributes:
        name: as its certificate says; empty when that holds no name of ours.
        host: where the last call came from.
        reason: why the last one was refused.
        times: how often it was, since it began.
        heard_s: when it last was, of the monotonic clock.
    """

    name: str
    host: str
    reason: str
    times: int
    heard_s: float


class RefusedCallers:
    """The callers that were not let in lately.

    Args:
        clock: for the time between two lines, and how long a caller is shown.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._repeats = Repeats()
        self._callers: dict[tuple[str, str], RefusedCaller] = {}

    def say(
        self, tell: Callable[..., object], event: str, *, who: str, kind: str = "", **facts: object
    ) -> None:
        """Write a line of the log, unless the same was said within the last minute.

        Args:
            tell: such as ``log.warning``.
            event: what happened.
            who: whose call it was, in words that it does not choose.
            kind: of the refusal, where one event has several.
            facts: stand in the line, beside how many were left out since the last one.
        """
        left_out = self._repeats.again((event, kind, who), now_s=self._clock.monotonic_s())
        if left_out is not None:
            tell(event, **facts, **({"left_out": left_out} if left_out else {}))

    def refused(self, *, name: str, host: str, kind: str, reason: str) -> None:
        """Show a caller that was not let in.

        Args:
            name: as its certificate says.
            host: where it called from.
            kind: of refusal.
            reason: in words.
        """
        now_s, key = self._clock.monotonic_s(), (name, kind)
        former = self._callers.pop(key, None)
        times = 1 if former is None else former.times + 1
        if len(self._callers) >= CALLERS_MAX:
            del self._callers[next(iter(self._callers))]
        self._callers[key] = RefusedCaller(
            name=name, host=host, reason=reason, times=times, heard_s=now_s
        )

    def shown(self) -> list[RefusedCaller]:
        """Return those that tried lately, sorted by name."""
        now_s = self._clock.monotonic_s()
        self._callers = {
            key: one for key, one in self._callers.items() if now_s - one.heard_s <= SHOWN_S
        }
        return sorted(self._callers.values(), key=lambda one: (one.name, one.reason))
