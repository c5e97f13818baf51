"""Which messages was an engine not shown again, since it died of them or could not finish them?

Touches the metrics. Each such message is ``limits``, which the policy key ``unscannable`` weighs;
what operators see beside is here.
"""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry, Counter

from common.clock import Clock
from common.frozen import dataclass
from common.ids import MessageId
from common.verdict import Verdict

log = structlog.get_logger()

SHOWN_S = 3600.0  # after the last one operators are told no more


@dataclass(frozen=True, slots=True)
class LastSetAside:
    """How many there were in a row without an hour between them, and the last."""

    count: int
    message: MessageId
    at_s: float


class SetAside:
    """What one worker set aside.

    Args:
        clock: the time.
        registry: where the metrics go.
    """

    def __init__(self, clock: Clock, registry: CollectorRegistry) -> None:
        self._clock = clock
        self._total = Counter(
            "borderscout_scan_set_aside_total",
            "Messages that an engine is not shown again, since it died of them (died) or could not "
            "finish them while it read others (unfinished)",
            ["engine", "reason"],
            registry=registry,
        )
        self._last: dict[str, LastSetAside] = {}

    def add(self, verdict: Verdict, message: MessageId, *, has_died: bool) -> None:
        """Take note of a message, with the verdict that it has in the end.

        Args:
            verdict, message: which has which.
            has_died: the engine died of it, or of another one like it.
        """
        name, now_s = verdict.by, self._clock.monotonic_s()
        self._total.labels(name, "died" if has_died else "unfinished").inc()
        last = self._last.get(name)
        is_fresh = last is not None and now_s - last.at_s < SHOWN_S
        count = last.count + 1 if last is not None and is_fresh else 1
        self._last[name] = LastSetAside(count, message, now_s)
        log.warning("engine.set_aside", engine=name, message=message, detail=verdict.detail)

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know, a sentence for each engine."""
        now_s = self._clock.monotonic_s()
        return tuple(
            f"engine {name} died of messages, or could not finish them: {last.count} set aside as "
            f"unscannable, the last {last.message}"
            for name, last in self._last.items()
            if now_s - last.at_s < SHOWN_S
        )
