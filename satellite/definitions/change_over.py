"""How does an engine change over to another set of definitions, and back when that fails?

Touches the disk and the engine. What is being tried is written down before the first file moves,
and what is in use only once the engine was seen to work with it: whoever is killed in between finds
at the next start that the set in use has to be put back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import structlog

from common.clock import Clock
from common.errors import BorderScoutError, EnvironmentFailure
from common.tasks import finish
from satellite.definitions.clamd_trial import ClamdTrial, SetUse
from satellite.definitions.kept_sets import KeptSets, Standing
from satellite.definitions.memory_need import shortage
from satellite.definitions.set_name import SetName
from satellite.definitions.set_placing import damaged, place

log = structlog.get_logger()

LOOK_S = 0.25  # between looks at whether it has loaded
AWAY_S_MAX = 60.0  # without an answer while it loads: it ended of it, or loads for good

T = TypeVar("T")


class ChangeFailed(EnvironmentFailure):
    """The set before is in use.

    Args:
        what: why, one sentence without a full stop.
        hint: what an operator can do about it.
        is_final: the set itself is at fault: it is not tried again.
        is_tried: the engine was told to load it; else something of this node stands in the way.
    """

    def __init__(
        self, what: str, *, hint: str = "", is_final: bool = False, is_tried: bool = True
    ) -> None:
        super().__init__(what, hint=hint)
        self.is_final = is_final
        self.is_tried = is_tried


class ChangeOver:
    """Changes one engine over.

    Args:
        sets: that are kept.
        trial: the engine's servers.
        clock: the time.
        load_s: seconds for loading.
        memory_factor: octets of memory for each of a set's while it is loaded; 0: not asked.
    """

    def __init__(
        self,
        sets: KeptSets,
        trial: ClamdTrial,
        clock: Clock,
        *,
        load_s: float,
        memory_factor: float,
    ) -> None:
        self._sets = sets
        self._trial = trial
        self._clock = clock
        self._load_s = load_s
        self._memory_factor = memory_factor

    async def to(self, name: SetName) -> None:
        """Return once the engine works with a set that is here, and that is written down.

        Raises:
            ChangeFailed: it does not; what was in use before is in use again.
        """
        await self._look_before(name)
        before = self._sets.standing
        await _on_disk(lambda: self._sets.record(replace(before, trying=name)))
        try:
            await _on_disk(lambda: place(self._sets, name))
            await self._load(name)
        except BorderScoutError as error:
            log.warning("definitions.not_loaded", serial=name.serial, reason=error.what)
            await self.back()
            raise _as_change_failed(error) from None
        former = before.current if before.current != name else before.former
        await _on_disk(lambda: self._sets.record(Standing(current=name, former=former)))
        log.info("definitions.loaded", serial=name.serial)

    async def back(self) -> None:
        """Put the set in use where the engine reads, and have it loaded as far as that works.

        Raises:
            BorderScoutError: the disk failed, or files are in the way; it is to be called again.
        """
        standing = self._sets.standing
        await _on_disk(lambda: place(self._sets, standing.current))
        if not await self._trial.reload() and standing.current is not None:
            await self._used(standing.current)
        await _on_disk(lambda: self._sets.record(replace(standing, trying=None)))

    async def renew(self, name: SetName) -> None:
        """Return once the engine works again with the set that is in use.

        Raises:
            BorderScoutError: it does not.
        """
        await _on_disk(lambda: place(self._sets, name))  # an engine that begins anew needs them
        await _on_disk(lambda: self._ask_for_memory(name))
        await self._load(name)

    # ---- inside

    async def _look_before(self, name: SetName) -> None:
        if away := await self._trial.silent():
            raise ChangeFailed(
                f"{away} does not answer, so that nothing is changed there", is_tried=False
            )
        wrong = await _on_disk(lambda: damaged(self._sets, name))
        if wrong:
            await _on_disk(lambda: self._sets.forget(self._sets.path_of(name)))
            raise ChangeFailed(
                f"{', '.join(wrong[:5])} changed on this disk, and is fetched anew", is_tried=False
            )
        await _on_disk(lambda: self._ask_for_memory(name))

    def _ask_for_memory(self, name: SetName) -> None:
        missing = shortage(
            self._sets.manifest(name).size,
            factor=self._memory_factor,
            processes=self._trial.processes(),
        )
        if missing:
            raise ChangeFailed(
                missing,
                hint="give memory, or say `ConcurrentDatabaseReload no` in clamd.conf and"
                " `memory_factor: 0` in the node's settings",
                is_tried=False,
            )

    async def _load(self, name: SetName) -> None:
        if refused := await self._trial.reload():
            raise ChangeFailed(f"{refused} does not take RELOAD", is_tried=False)
        use = await self._used(name)
        if use is SetUse.SILENT:
            raise ChangeFailed("the engine did not answer any more when it was to load")
        if use is SetUse.OTHER:
            raise ChangeFailed(
                f"the engine has not loaded the set within {self._load_s:g} s",
                hint=f"does DatabaseDirectory in clamd.conf name {self._sets.folder}, and may"
                " clamd read there? its log says what it thinks of the files",
            )
        if fault := await self._trial.fault():
            raise ChangeFailed(f"with these definitions {fault}", is_final=True)

    async def _used(self, name: SetName) -> SetUse:
        """Return whether the engine works with a set, as soon as it does or time is up."""
        now_s = self._clock.monotonic_s()
        ends_s, answered_s = now_s + self._load_s, now_s
        while True:
            use = await self._trial.use_of(name)
            now_s = self._clock.monotonic_s()
            if use is not SetUse.SILENT:
                answered_s = now_s
            if use is SetUse.USED or now_s >= ends_s or now_s - answered_s >= AWAY_S_MAX:
                return use
            await self._clock.sleep(LOOK_S)


def _as_change_failed(error: BorderScoutError) -> ChangeFailed:
    if isinstance(error, ChangeFailed):
        return error
    return ChangeFailed(error.what, hint=error.hint, is_tried=False)


async def _on_disk(work: Callable[[], T]) -> T:
    """Do what waits for the disk in a thread, to its end whoever cancels.

    Raises:
        EnvironmentFailure: the disk failed.
    """
    try:
        return await finish(asyncio.to_thread(work))
    except OSError as error:
        raise EnvironmentFailure(f"the disk of definitions: {error.strerror or error}") from None
