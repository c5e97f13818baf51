"""How does a worker answer each console question: status, metrics, holds and mail?

Touches the shard's rooms. Questions come from the parent: for its metrics and readiness, and for
an operator on the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol, assert_never, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from common.clock import Clock
from common.errors import BorderScoutError
from common.loop_lag import LoopLag
from common.states import State
from satellite.console.inspection import Inspection
from satellite.console.questions import (
    BounceQuestion,
    DrainAnswer,
    DrainQuestion,
    DropQuestion,
    FlushQuestion,
    FreezeQuestion,
    HoldsAnswer,
    HoldsQuestion,
    LeftAnswer,
    LeftLine,
    LeftQuestion,
    ListQuestion,
    OperatorQuestion,
    RenewAnswer,
    RenewQuestion,
    ResumeQuestion,
    ShowQuestion,
)
from satellite.delivery.decisions.hold import HOLD_DAYS_DEFAULT, expires_age_us
from satellite.delivery.worker import Delivery
from satellite.link.status import LinkStatus
from satellite.node.channel import JsonObject
from satellite.node.health import (
    ListeningAnswer,
    ListeningQuestion,
    MetricsAnswer,
    MetricsQuestion,
    StatusAnswer,
    StatusQuestion,
)
from satellite.node.question import ErrorAnswer, as_json, read_question, words_of
from satellite.node.settings_question import SettingsQuestion
from satellite.node.told_settings import ToldSettings
from satellite.spool.leftover import Left
from satellite.spool.model.states import LYING
from satellite.spool.store import Spool

WorkerQuestion = MetricsQuestion | ListeningQuestion | SettingsQuestion | OperatorQuestion
WORKER_QUESTIONS: Mapping[str, type[WorkerQuestion]] = words_of(*get_args(WorkerQuestion))
HOLDS_MAX = 1000  # in one answer
AT_ONCE = (State.RECEIVED, State.QUEUED, State.SENDING)  # somebody works on these
EXPIRING = frozenset({State.WAITING, State.QUEUED, State.SENDING, State.DEFERRED, State.HELD})


class AskedShard(Protocol):
    """What is needed of a shard."""

    spool: Spool
    delivery: Delivery
    registry: CollectorRegistry
    loop_lag: LoopLag
    settings_told: ToldSettings
    listening: bool
    clock: Clock

    @property
    def not_accepting_reason(self) -> str: ...

    def problems(self) -> tuple[str, ...]: ...

    def link_status(self) -> LinkStatus: ...

    async def empty(self, on: bool) -> None: ...

    async def pause(self, on: bool) -> None: ...

    async def renew(self) -> None: ...


class ShardConsole:
    """Answers the parent's questions."""

    def __init__(self, shard: AskedShard) -> None:
        self._shard = shard
        self._inspection = Inspection(shard)

    async def answer(self, body: JsonObject) -> JsonObject:
        """Return the answer, or why there is none; a question never ends the worker."""
        try:
            return as_json(await self._answer(read_question(body, WORKER_QUESTIONS)))
        except (BorderScoutError, OSError) as error:
            return as_json(ErrorAnswer(error=str(error)))

    async def _answer(self, question: WorkerQuestion) -> object:  # noqa: PLR0911, PLR0912 - a table
        match question:
            case MetricsQuestion():
                return MetricsAnswer(text=generate_latest(self._shard.registry).decode())
            case ListeningQuestion():
                return ListeningAnswer(listening=self._shard.listening)
            case SettingsQuestion():
                await self._shard.pause(question.drains)
                return self._shard.settings_told.asked(question)
            case StatusQuestion():
                return self._status()
            case HoldsQuestion():
                return self._holds()
            case LeftQuestion():
                return await self._left(question)
            case ListQuestion():
                return await self._inspection.look(question)
            case ShowQuestion():
                return self._inspection.show(question)
            case FlushQuestion():
                return self._inspection.flush(question)
            case FreezeQuestion():
                return await self._inspection.freeze(question)
            case ResumeQuestion():
                return await self._inspection.resume(question)
            case DropQuestion():
                return await self._inspection.drop(question)
            case BounceQuestion():
                return await self._inspection.bounce(question)
            case DrainQuestion():
                await self._shard.empty(question.on)
                return DrainAnswer(done=True)
            case RenewQuestion():
                await self._shard.renew()
                return RenewAnswer(done=True)
            case _:
                assert_never(question)

    def _status(self) -> StatusAnswer:
        spool = self._shard.spool
        records, uploads = spool.backlog_sizes()
        return StatusAnswer(
            listening=self._shard.listening,
            not_accepting_reason=self._shard.not_accepting_reason,
            revision=spool.preferences.position.revision,
            states=spool.counts(),
            outbox_records=records,
            outbox_quarantine=uploads,
            problems=self._shard.problems(),
            link=self._shard.link_status(),
            loop_lag_max_s=self._shard.loop_lag.longest_s(),
        )

    def _holds(self) -> HoldsAnswer:
        holds = self._shard.delivery.holds()
        return HoldsAnswer(holds=tuple(hold.report() for hold in holds[:HOLDS_MAX]))

    async def _left(self, question: LeftQuestion) -> LeftAnswer:
        spool = self._shard.spool
        found: list[Left] = []
        after = None
        # By the domain, and a domain has no more lines than there are states.
        if question.lines >= len(State):
            before = question.after.get(spool.shard, "")
            found = await spool.left(after=before, limit=question.lines)
            lying = [line.domain for line in found if line.state in LYING]
            after = lying[-1] if len(lying) + len(State) > question.lines else None
        records, uploads = spool.backlog_sizes()
        counts = spool.counts()
        return LeftAnswer(
            left=tuple(self._line(line) for line in found),
            states={state: count for state, count in counts.items() if count},
            after=after,
            records=records,
            quarantine=uploads,
            is_idle=self._shard.delivery.is_idle() and not any(counts[one] for one in AT_ONCE),
        )

    def _line(self, line: Left) -> LeftLine:
        """Return a line of what is left, with the time at which its first message expires."""
        spool = self._shard.spool
        route = spool.preferences.route(line.domain)
        expires_us = 0
        if line.state in EXPIRING:
            days = route.hold_days if route is not None else HOLD_DAYS_DEFAULT
            left_us = expires_age_us(line.oldest_age_us, hold_days=days) - spool.age_us()
            expires_us = self._shard.clock.now_us() + max(0, left_us)
        return LeftLine(
            domain=line.domain,
            customer=route.customer if route is not None else "",
            state=line.state,
            recipients=line.recipients,
            bytes=line.bytes,
            oldest=_iso(line.oldest_us),
            expires=_iso(expires_us) if expires_us else "",
        )


def _iso(time_us: int) -> str:
    time = datetime.fromtimestamp(time_us / 1e6, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
