"""How are a node's definitions kept as the core offers them?

Touches the disk, the network and the engine, through the files beside it. One task of one worker of
the node does it, step by step, and mail waits for none of it: the engine serves with what it has
until it works with what is new. With the core away all stays as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from common.clock import Clock
from common.errors import BorderScoutError, EnvironmentFailure
from common.link import DefinitionsOffer
from common.reports import DefinitionsReport, DefinitionsState
from satellite.definitions.change_over import ChangeFailed, ChangeOver
from satellite.definitions.clamd_trial import ClamdTrial, SetUse
from satellite.definitions.fetching import SetFetching, SetSource
from satellite.definitions.kept_sets import KeptSets
from satellite.definitions.next_step import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    FailedTry,
    NextStep,
    after_failure,
    next_step,
)
from satellite.definitions.set_name import SetName
from satellite.definitions.set_placing import is_placed

log = structlog.get_logger()

LOOK_S = 300.0  # between looks at whether the engine works with the set in use; its log has each
FOLDER_S = 60.0  # between looks at whether a folder can be used that could not
STEP_S = 1.0  # between looks at what is to be done

SourceOf = Callable[[DefinitionsOffer], SetSource]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepMeans:
    """What upkeep works with.

    Args:
        family: whose definitions they are.
        folder: that the engine reads.
        trial: the engine's servers.
        source: returns where an offered set is served; raises ``BorderScoutError``.
        load_s: seconds for loading.
        memory_factor: octets of memory for each of a set's while it is loaded; 0: not asked.
        reserve_bytes: what must stay free on the disk.
    """

    family: str
    folder: Path
    trial: ClamdTrial
    source: SourceOf
    load_s: float
    memory_factor: float
    reserve_bytes: int


class DefinitionsUpkeep:
    """The upkeep of one family.

    Args:
        means: what it works with.
        clock: the time.
    """

    def __init__(self, means: UpkeepMeans, clock: Clock) -> None:
        self.family = means.family
        self._means = means
        self._clock = clock
        self._offer: DefinitionsOffer | None = None
        self._current: SetName | None = None
        self._fetched: frozenset[SetName] = frozenset()
        self._doing: DefinitionsState | None = None
        self._failed: FailedTry | None = None
        self._trouble = ""  # with the set in use, or with the folder
        self._is_tried = False  # it is the engine's, which was told to load that set
        self._version = ""
        self._made_us = 0
        self._look_s = float("-inf")
        self._renewal_wait_s = LOOK_S
        self._kick = asyncio.Event()

    def offered(self, offer: DefinitionsOffer) -> None:
        """Take note of what the core offers; the last word counts."""
        if offer != self._offer:
            self._offer = offer
            self._kick.set()

    def report(self) -> DefinitionsReport:
        """Return what the core is told."""
        state, detail = self._state()
        return DefinitionsReport(
            family=self.family,
            serial=self._current.serial if self._current else 0,
            offered=self._offer.serial if self._offer else 0,
            state=state,
            detail=detail,
            version=self._version,
            made_us=self._made_us,
        )

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know, a sentence each."""
        failed = self._failure()
        found = [self._trouble] if self._trouble else []
        if failed is not None:
            found.append(f"the set {failed.name.serial} is not in use: {failed.detail}")
        return tuple(f"definitions of {self.family}: {one}" for one in found)

    async def run(self) -> None:
        """Keep them until cancelled."""
        sets = await self._opened()
        change = ChangeOver(
            sets,
            self._means.trial,
            self._clock,
            load_s=self._means.load_s,
            memory_factor=self._means.memory_factor,
        )
        fetching = SetFetching(sets, reserve_bytes=self._means.reserve_bytes)
        while True:
            self._kick.clear()
            if not await self._is_settled(sets, change):
                await self._clock.sleep(FIRST_RETRY_S)
            elif not await self._step(sets, change, fetching):
                await self._look(sets, change)
                await self._pause()

    # ---- inside

    def _state(self) -> tuple[DefinitionsState, str]:
        """Return how far the offered set is, and what stands in its way.

        ``failed`` stops the roll-out at all other sites: it is said only where the engine was told
        to load, and did not work with the set. A full disk, say, is this node's own trouble.
        """
        failed = self._failure()
        why = failed.detail if failed is not None else self._trouble
        if self._doing is not None:
            return self._doing, why
        if failed.is_tried if failed is not None else self._is_tried:
            return DefinitionsState.FAILED, why
        state, usual = self._state_without_fault()
        if why and state is DefinitionsState.CURRENT:
            state = DefinitionsState.WAITING
        return state, why or usual

    def _state_without_fault(self) -> tuple[DefinitionsState, str]:
        offered = self._offered_name()
        if offered is None and self._current is None:
            return DefinitionsState.WAITING, "the core offers none yet"
        if offered is None or offered == self._current:
            return DefinitionsState.CURRENT, ""
        if offered not in self._fetched:
            return DefinitionsState.FETCHING, ""
        return DefinitionsState.WAITING, "fetched and checked, waits for its turn"

    def _failure(self) -> FailedTry | None:
        """Return how the set failed that is offered; what failed before no longer matters."""
        if self._failed is not None and self._failed.name == self._offered_name():
            return self._failed
        return None

    def _offered_name(self) -> SetName | None:
        offer = self._offer
        return None if offer is None else SetName(offer.serial, offer.sha256.hex())

    async def _opened(self) -> KeptSets:
        """Return the sets that are kept, as soon as their folder can be used."""
        while True:
            try:
                sets = await asyncio.to_thread(KeptSets, self._means.folder)
            except EnvironmentFailure as error:
                self._say(error)
                await self._clock.sleep(FOLDER_S)
            else:
                self._say(None)
                self._current = sets.standing.current
                # What is in use must not be called current before it is put back.
                self._doing = DefinitionsState.LOADING if sets.standing.trying else None
                return sets

    async def _is_settled(self, sets: KeptSets, change: ChangeOver) -> bool:
        """Put back what a change that was cut short has left, and say whether all is in order."""
        if sets.standing.trying is None:
            return True
        self._doing = DefinitionsState.LOADING
        try:
            await change.back()
        except BorderScoutError as error:
            self._say(error)
            return False
        finally:
            self._doing = None
        self._say(None)
        return True

    async def _step(self, sets: KeptSets, change: ChangeOver, fetching: SetFetching) -> bool:
        """Do what is next; say whether anything was to be done."""
        name, offer = self._offered_name(), self._offer
        self._fetched = await asyncio.to_thread(sets.fetched)
        step = next_step(
            name,
            may_load=offer is not None and offer.may_load,
            current=sets.standing.current,
            fetched=self._fetched,
            failed=self._failed,
            now_s=self._clock.monotonic_s(),
        )
        if name is None or offer is None or step in (NextStep.REST, NextStep.AWAIT_TURN):
            return False
        await asyncio.to_thread(sets.forget_others, {name})
        if step is NextStep.FETCH:
            offered = offer
            await self._tried(
                name,
                DefinitionsState.FETCHING,
                lambda: fetching.fetch(name, self._means.source(offered)),
            )
        else:
            await self._tried(name, DefinitionsState.LOADING, lambda: change.to(name))
            self._current = sets.standing.current
            self._look_s = float("-inf")
            await asyncio.to_thread(sets.forget_others, {name})
        return True

    async def _tried(
        self, name: SetName, doing: DefinitionsState, work: Callable[[], Awaitable[None]]
    ) -> None:
        """Do a step, and take note of how it ended."""
        self._doing = doing
        log.info(f"definitions.{doing.value}", family=self.family, serial=name.serial)
        try:
            await work()
        except BorderScoutError as error:
            log.warning(
                "definitions.failed", family=self.family, serial=name.serial, reason=str(error)
            )
            self._failed = after_failure(
                name,
                str(error),
                before=self._failed,
                is_tried=isinstance(error, ChangeFailed) and error.is_tried,
                is_final=isinstance(error, ChangeFailed) and error.is_final,
                now_s=self._clock.monotonic_s(),
            )
        else:
            self._failed = None
        finally:
            self._doing = None

    async def _look(self, sets: KeptSets, change: ChangeOver) -> None:
        """See from time to time that the engine works with the set in use; else have it load it."""
        name, now_s = sets.standing.current, self._clock.monotonic_s()
        if now_s < self._look_s:
            return
        self._look_s = now_s + LOOK_S
        self._version = await self._means.trial.version()
        if name is None:
            return
        try:
            self._made_us = (await asyncio.to_thread(sets.manifest, name)).made_us
            is_there = await asyncio.to_thread(is_placed, sets, name)
            if not is_there or await self._means.trial.use_of(name) is SetUse.OTHER:
                log.warning("definitions.lost", family=self.family, serial=name.serial)
                await change.renew(name)
        except BorderScoutError as error:
            self._say(error)
            # To load takes twice the memory: it is not done again and again for nothing.
            self._look_s = self._clock.monotonic_s() + self._renewal_wait_s
            self._renewal_wait_s = min(2.0 * self._renewal_wait_s, LONGEST_RETRY_S)
        else:
            self._say(None)
            self._renewal_wait_s = LOOK_S

    def _say(self, error: BorderScoutError | None) -> None:
        trouble = "" if error is None else str(error)
        if trouble and trouble != self._trouble:
            log.warning("definitions.trouble", family=self.family, reason=trouble)
        self._trouble = trouble
        self._is_tried = isinstance(error, ChangeFailed) and error.is_tried

    async def _pause(self) -> None:
        """Return when something is offered, or after a moment."""
        waits = [
            asyncio.ensure_future(self._kick.wait()),
            asyncio.ensure_future(self._clock.sleep(STEP_S)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:  # and not awaited: our own cancellation may come just then
                one.cancel()
