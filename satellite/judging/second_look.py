"""Does a new definition know what was delivered already?

Touches the ring of delivered mail, the engines and the spool. When the definitions of an engine
have changed, or of one that does not tell them an hour has passed, what lies in the ring is scanned
again, the newest first: one message at a time, a few a second, and only while no mail waits for its
judgement. What is found is a record, and the core makes an alarm of it; nobody can take the mail
back. What has not left yet, since a server is away, is stopped for an operator to decide.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from common.clock import Clock
from common.ids import MessageId
from common.preferences import Preferences
from common.records import CondemnedRecord
from common.verdict import Outcome, Verdict
from satellite.judging.condemning import condemned, digests_in, named_threat
from satellite.judging.delivered_ring import DeliveredMessage, DeliveredRing
from satellite.judging.threats import spared
from satellite.scanning.sample import Sample

log = structlog.get_logger()

LOOK_S = 10.0  # between looks at the definitions; as often as the engines are probed
PAUSE_S = 0.2  # between two messages: five a second
BUSY_S = 1.0  # between looks whether the node is idle again
BLIND_S = 3600.0  # after which definitions that are not told may have changed

Definitions = Mapping[str, str]  # of each engine that answers; empty: it does not tell them


class ScansAgain(Protocol):
    """The scanning room, as far as it is asked."""

    async def scan(self, sample: Sample) -> tuple[Verdict, ...]: ...


class TellsOfThreats(Protocol):
    """The spool, as far as it is asked."""

    @property
    def preferences(self) -> Preferences: ...

    async def condemn(self, message: MessageId, record: CondemnedRecord) -> None: ...


class SecondLook:
    """Scans again what one shard has delivered.

    Args:
        ring: what is left of it.
        scanner, spool: who is asked, and who is told.
        stop: freezes what has not left of a message, for a reason.
        definitions: returns those that engines have now.
        is_idle: whether no mail waits to be judged.
        clock: the time.
        registry: where the metrics go.

    Attributes:
        ring: what was delivered of late.
    """

    def __init__(
        self,
        ring: DeliveredRing,
        *,
        scanner: ScansAgain,
        spool: TellsOfThreats,
        stop: Callable[[MessageId, str], Awaitable[object]],
        definitions: Callable[[], Definitions],
        is_idle: Callable[[], bool],
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self.ring = ring
        self._scanner = scanner
        self._spool = spool
        self._stop = stop
        self._definitions = definitions
        self._is_idle = is_idle
        self._clock = clock
        self._known: Definitions | None = None  # those of the last look; None: nobody knows
        self._looked_s = float("-inf")
        self._began_us = 0  # the wall clock when the last look began
        self._stragglers: list[DeliveredMessage] = []
        self._changes = 0  # that were told of, beside what engines tell of themselves
        self._awaited: frozenset[str] = frozenset()  # engines whose definitions are looked with
        self._done: set[MessageId] = set()  # of a look that is not at its end
        self._done_with: tuple[Definitions, int] | None = None
        self._scans = Counter(
            "borderscout_second_look_scans_total",
            "Delivered messages that were scanned again",
            registry=registry,
        )
        self._found = Counter(
            "borderscout_second_look_condemned_total",
            "Delivered messages in which a later definition knows a threat",
            registry=registry,
        )
        kept = Gauge(
            "borderscout_second_look_bytes",
            "Octets of delivered messages that are kept for a second look",
            registry=registry,
        )
        kept.set_function(lambda: ring.kept_bytes)

    def definitions_changed(self) -> None:
        """Look again although engines may tell the same of themselves: there is another set."""
        self._changes += 1
        self._known = None

    async def run(self) -> None:
        """Look again whenever there is a reason, until cancelled."""
        await self.ring.open()
        while True:
            await self._clock.sleep(LOOK_S)
            self.ring.tidy()
            definitions = dict(self._definitions())
            if not self.ring.is_on:
                continue
            if self._is_due(definitions):
                began_s, changes = self._clock.monotonic_s(), self._changes
                self._begin(definitions)
                if await self._look() and changes == self._changes:
                    self._known, self._looked_s = definitions, began_s
                    self._done_with = None
            else:
                await self._look_at_stragglers()

    def _is_due(self, definitions: Definitions) -> bool:
        if not definitions:
            return False  # no engine answers
        if self._known is None or definitions.items() - self._known.items():
            return True
        waited_s = self._clock.monotonic_s() - self._looked_s
        return "" in definitions.values() and waited_s >= BLIND_S

    def _begin(self, definitions: Definitions) -> None:
        """Begin a look, or go on with the one that ended since an engine was gone."""
        known = self._known or {}
        self._began_us = self._clock.now_us()
        self._awaited = frozenset(
            name for name, has in definitions.items() if not has or known.get(name) != has
        )
        if self._done_with != (definitions, self._changes):
            self._done_with = definitions, self._changes
            self._done.clear()

    async def _look(self) -> bool:
        """Scan all that is kept; return False when an engine is gone that knows something new."""
        self.ring.entered()
        self._stragglers.clear()
        return await self._look_at(self.ring.newest_first())

    async def _look_at_stragglers(self) -> None:
        """Scan what came in since, and had been shown to engines before the last look began."""
        entered = self.ring.entered()
        self._stragglers += [one for one in entered if one.kept_s * 1e6 < self._began_us]
        if await self._look_at(self._stragglers):  # else once that engine is back
            self._stragglers.clear()

    async def _look_at(self, kept: Sequence[DeliveredMessage]) -> bool:
        for one in kept:
            if one.id in self._done:
                continue
            await self._clock.sleep(PAUSE_S)
            while not self._is_idle():
                await self._clock.sleep(BUSY_S)
            if not await self._scan(one):
                return False
            self._done.add(one.id)
        return True

    async def _scan(self, one: DeliveredMessage) -> bool:
        sample = await self.ring.sample(one)
        if sample is None:
            return True
        verdicts = await self._scanner.scan(sample)
        self._scans.inc()
        none = spared(verdicts, self._spool.preferences.threats(), now_us=self._clock.now_us())
        threat = named_threat(verdicts, none.threats)
        if threat is not None:
            record = condemned(threat, await digests_in(sample), late=True)
            assert record is not None
            log.warning("second_look.condemned", message=one.id, threat=threat.name)
            await self._stop(one.id, f"a second look: {record.engine} names {record.threat}")
            # Before the octets go: a crash in between tells of it twice, and never not at all.
            await self._spool.condemn(one.id, record)
            self._found.inc()
            self.ring.remove(one.id)
        return _somebody_answered(verdicts) and not self._awaited & _away(verdicts)


def _somebody_answered(verdicts: Collection[Verdict]) -> bool:
    silent = {Outcome.UNAVAILABLE, Outcome.TIMEOUT, Outcome.ERROR}
    return any(verdict.outcome not in silent for verdict in verdicts)


def _away(verdicts: Collection[Verdict]) -> set[str]:
    """Return the engines that nobody could ask; a time-out or an error may be the message's own."""
    return {verdict.by for verdict in verdicts if verdict.outcome is Outcome.UNAVAILABLE}
