"""When does a node take the settings that the core told, and is it ready with them?

Touches the workers, and through ``settings_steps`` the files. Every second the parent asks what the
core told, tells the workers how the node stands, and looks whether settings that are tried are
good. Before it begins anew it may take no mail for a while, and let what is under way end: where
another node of its site takes the mail meanwhile, and whoever told it knows that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from common.clock import Clock
from common.reports import SettingsState
from common.states import State
from satellite.node.health import StatusAnswer, StatusQuestion
from satellite.node.parent import Workers
from satellite.node.readiness import why_not_linked, why_not_listening
from satellite.node.service_unavailable import ServiceUnavailable
from satellite.node.settings_question import SettingsAnswer, SettingsQuestion
from satellite.node.settings_steps import SettingsSteps
from satellite.node.settings_trial import CandidateJudged, NodeLooked

log = structlog.get_logger()

LOOK_S = 1.0
UNDER_WAY = (State.RECEIVED, State.QUEUED, State.SENDING)  # these end by themselves, and soon
NOT_HERE = (
    "no settings of this node with that digest are applied here; is it behind the core, or are they"
    " not the newest?"
)


class SettingsOverLink:
    """The part of one parent in it.

    Args:
        steps: the files, and what is recorded.
        workers: who hears the core.
        service_unavailable: turns senders away, until the node begins anew.
        is_served: says whether metrics and health are.
        clock: the time.

    Attributes:
        begins_anew: whether the node is to become a new parent, once its workers have ended.
    """

    def __init__(
        self,
        steps: SettingsSteps,
        *,
        workers: Workers,
        service_unavailable: ServiceUnavailable,
        is_served: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self.begins_anew = False
        self._steps = steps
        self._workers = workers
        self._service_unavailable = service_unavailable
        self._is_served = is_served
        self._clock = clock
        self._taken = ""

    async def run(self) -> None:
        """Look every second, for ever."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Hear what the core told, and see whether settings that are tried are good."""
        if self.begins_anew:
            return
        if self._steps.trial.is_trying:
            await self._try()
        for answer in await self._told():
            await self._take(answer)

    async def _told(self) -> list[SettingsAnswer]:
        trial = self._steps.trial
        question = SettingsQuestion(
            in_force=self._steps.in_force,
            told=trial.digest,
            state=trial.state,
            problem=trial.problem,
            taken=self._taken,
        )
        answers = (await self._workers.ask_each(question)).values()
        return [one for one in answers if isinstance(one, SettingsAnswer) and one.token]

    async def _take(self, told: SettingsAnswer) -> None:
        if told.token == self._taken or self.begins_anew:
            return
        self._taken = told.token
        if not self._steps.wants(told.digest, now_s=self._clock.monotonic_s()):
            return
        judged = await self._judged(told)
        drains = bool(told.drain_s) and not judged.problem
        if drains:
            await self._drain(told)
            # Minutes later: the file in place may be somebody else's by now, which stays.
            judged = replace(await self._judged(told), was_ready=judged.was_ready)
        self._begin_anew(await asyncio.to_thread(self._steps.happens, judged))
        if drains and not self.begins_anew:  # it goes on as before
            await self._say(told, drains=False)

    async def _drain(self, told: SettingsAnswer) -> None:
        """Take no mail, and return once what is under way has ended, or its time is over."""
        log.info("node.drains", told=told.digest, seconds_max=told.drain_s)
        end_s = self._clock.monotonic_s() + told.drain_s
        while self._clock.monotonic_s() < end_s and not self._workers.was_told_to_stop:
            await self._say(told, drains=True)
            await self._clock.sleep(LOOK_S)
            said = (await self._workers.ask_each(StatusQuestion())).values()
            if all(isinstance(one, StatusAnswer) and not _under_way(one) for one in said):
                return

    async def _say(self, told: SettingsAnswer, *, drains: bool) -> None:
        """Tell the workers to take no mail for now, and how that shows at the core."""
        question = SettingsQuestion(
            in_force=self._steps.in_force,
            told=told.digest,
            state=SettingsState.TRYING,
            taken=told.token,
            drains=drains,
        )
        await self._workers.ask_each(question)

    async def _judged(self, told: SettingsAnswer) -> CandidateJudged:
        """Return whether the node can work with these settings, as far as reading them tells."""
        judged = CandidateJudged(digest=told.digest, problem=NOT_HERE)
        if told.tree is not None:
            running = self._workers.settings
            judge = partial(self._steps.judged, told.tree, told.digest, running=running)
            judged = await asyncio.to_thread(judge, was_ready=not await self._why_not())
        return judged

    async def _try(self) -> None:
        trial = self._steps.trial
        why_not = await self._why_not(must_accept=trial.was_ready, must_link=trial.must_link)
        looked = NodeLooked(
            now_s=self._clock.monotonic_s(),
            why_not=why_not,
            deaths=sum(worker.failures for worker in self._workers.all),
            deadline_s=self._workers.settings.trial_s,
        )
        self._begin_anew(await asyncio.to_thread(self._steps.happens, looked))

    async def _why_not(self, *, must_accept: bool = True, must_link: bool = False) -> list[str]:
        said = await self._workers.ask_each(StatusQuestion())
        retiring = {worker.shard for worker in self._workers.all if worker.retiring}
        found = why_not_listening(said, retiring=retiring, must_accept=must_accept)
        lines = [f"shard {shard}: {why}" for shard, why in found.items()]
        if must_link:
            lines += [f"shard {shard}: {why}" for shard, why in why_not_linked(said).items()]
        if must_accept and not self._is_served():
            lines.append("nobody is served metrics and health")
        if must_accept and not lines and await self._service_unavailable.look():
            lines.append("the parent answers 421")
        return lines

    def _begin_anew(self, is_to: bool) -> None:
        if not is_to or self._workers.was_told_to_stop:
            return
        log.info("node.begins_anew", told=self._steps.trial.digest)
        self.begins_anew = True
        self._service_unavailable.leave()
        self._workers.hand_over()


def _under_way(status: StatusAnswer) -> int:
    return sum(status.states.get(state, 0) for state in UNDER_WAY)
