"""What do the operators see of the engines?

Touches the metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from common.clock import Clock
from common.verdict import Outcome, Verdict
from satellite.durations import Durations
from satellite.occurrences import Occurrences
from satellite.scanning.engine import Engine, HasServers

BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0)

_LOOKED_NOWHERE = frozenset({Outcome.ERROR, Outcome.TIMEOUT, Outcome.UNAVAILABLE, Outcome.SKIPPED})


class ScanMetrics:
    """What the operators see of the engines."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.took = Durations(
            "borderscout_scan_duration_seconds",
            "Time an engine took for one message",
            label="engine",
            bounds_s=BUCKETS_S,
            registry=registry,
        ).took
        self.result = Occurrences(
            "borderscout_scan_results_total",
            "Verdicts of an engine by outcome",
            ["engine", "result"],
            registry=registry,
        ).count
        self.up = Gauge(
            "borderscout_engine_up",
            "1 while the engine answers when it is asked, else 0",
            ["engine"],
            registry=registry,
        )
        self.open = Gauge(
            "borderscout_engine_breaker_open",
            "1 while the engine is left alone since it answered nobody of late, with mail of some "
            "size at least, 0.5 while a few messages try it, else 0",
            ["engine"],
            registry=registry,
        )
        self.definitions_age = Gauge(
            "borderscout_engine_definitions_age_seconds",
            "Age of the definitions that an engine says it has; none where it does not say it",
            ["engine"],
            registry=registry,
        )
        self.looked_up = Occurrences(
            "borderscout_scan_cache_total",
            "Messages looked up in the cache of an engine's verdicts: hit, miss, or kept, where a "
            "message that waited for another engine found what this one had said of it",
            ["engine", "result"],
            registry=registry,
        ).count
        self._found_alone = Counter(
            "borderscout_scan_found_alone_total",
            "Messages that this engine alone called infected, though another one looked",
            ["engine"],
            registry=registry,
        )
        self.away = Gauge(
            "borderscout_engine_servers_away",
            "Servers of the engine that are left alone, since they do not answer or say that they "
            "fail; the others are asked",
            ["engine"],
            registry=registry,
        )
        self._is_up: dict[str, bool] = {}
        self._made_us: dict[str, int] = {}

    def looked(self, verdicts: Sequence[Verdict]) -> None:
        """Count what all engines said of one message."""
        found = [verdict.by for verdict in verdicts if verdict.outcome is Outcome.INFECTED]
        if len(found) == 1 and sum(v.outcome not in _LOOKED_NOWHERE for v in verdicts) > 1:
            self._found_alone.labels(found[0]).inc()

    def is_up(self, engine: str, *, is_up: bool) -> None:
        """Note whether an engine answered."""
        if self._is_up.get(engine) is not is_up:
            self._is_up[engine] = is_up
            self.up.labels(engine).set(1 if is_up else 0)

    def made(self, engine: str, made_us: int, clock: Clock) -> None:
        """Note when an engine's definitions were made; their age is seen whenever somebody looks.

        Args:
            engine: its name.
            made_us: microseconds since the epoch; 0: it does not say it.
            clock: the time.
        """
        if made_us == self._made_us.get(engine, 0):
            return
        self._made_us[engine] = made_us
        if not made_us:
            self.definitions_age.remove(engine)
            return
        age = self.definitions_age.labels(engine)
        age.set_function(lambda: (clock.now_us() - made_us) / 1_000_000)

    def show_breaker(self, engine: str, openness: Callable[[], float]) -> None:
        """Let an engine's breakers be seen, as they are whenever somebody looks."""
        self.open.labels(engine).set_function(openness)
        self._found_alone.labels(engine)  # from 0 on: else its first find would be no change

    def show_servers(self, name: str, engine: Engine) -> None:
        """Let be seen how many of an engine's servers are away, where it has several."""
        if isinstance(engine, HasServers):
            self.away.labels(name).set_function(lambda: engine.servers_away)
