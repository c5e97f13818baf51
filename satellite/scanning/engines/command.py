"""Which verdict does a scanner give that is a program, started for each message?

Touches the disk and child processes, through ``satellite.scanning.command``: which scanners there
are and what their exit codes and words mean is data there. It may be what a site has of NOD32 or
of Trend Micro; ICAP costs less where it can be had, since a program loads its definitions for
each message.
"""

from __future__ import annotations

import asyncio
import math
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from common.clock import Clock
from common.kinds import Options, options_of, takes
from common.settings.satellite import EngineSettings
from common.verdict import DETAIL_LENGTH_MAX, Outcome, Verdict, printable
from satellite.scanning.command.day_made import day_made_us
from satellite.scanning.command.profile import AbsolutePath, CommandProfile
from satellite.scanning.command.profiles import PROFILES
from satellite.scanning.command.program import NotBegun
from satellite.scanning.command.sample_folder import NotLaidOut, SampleFolder
from satellite.scanning.command.scans import Readiness, Scans
from satellite.scanning.engine import Engine, EngineContext, EngineHealth
from satellite.scanning.meaning import Meaning
from satellite.scanning.sample import Sample
from satellite.working_places import WorkingPlaces

STATE_S = 60.0  # how old the version and the licence may be that we know of
NOT_READY_S = 5.0  # the same, while it is not ready
TELLING_S = 10.0  # to say how it is
# A program that a message holds for so long lets another one begin beside it.
HELD_S = 10.0
PROGRAMS_TIMES_MAX = 2  # so many times those that are to run at once, slow ones included
MESSAGE_BYTES_MAX = 1 << 30  # as large as any may be; the deadline of a smaller one comes before
CPUS = os.cpu_count() or 1


class CommandOptions(Options):
    """What a ``command`` engine may be told."""

    profile: str = ""
    """One that comes with us, by its name."""
    own: CommandProfile | None = None
    """Or one of your own."""
    program: AbsolutePath | None = None
    """Where the program is, if not where its maker puts it."""
    folder: AbsolutePath | None = None
    """Where messages lie while they are scanned; none: the system's folder for temporary files."""
    programs_max: Annotated[int, Field(ge=1, le=100)] = 2
    """At work at once, of one worker."""
    memory_bytes: Annotated[int, Field(ge=64 * 1024 * 1024)] = 2 * 1024 * 1024 * 1024
    """Address space of each of its processes."""

    @model_validator(mode="after")
    def _has_one_profile(self) -> CommandOptions:
        if (self.profile == "") is (self.own is None):
            raise ValueError("there must be either `profile` or `own`; set one of them")
        if self.own is None and self.profile not in PROFILES:
            known = ", ".join(PROFILES)
            raise ValueError(f"there is no profile {self.profile!r}; take one of {known}, or `own`")
        return self

    def chosen(self) -> CommandProfile:
        """Return the profile, with the program that was named."""
        profile = self.own or PROFILES[self.profile]
        if self.program is None:
            return profile
        return profile.model_copy(update={"programs": (self.program,)})


@takes(CommandOptions)
def build(settings: EngineSettings, context: EngineContext) -> Engine:
    """Return the engine.

    Raises:
        LocalError: an option is wrong.
    """
    options = options_of(settings, CommandOptions)
    profile = options.chosen()
    scans = Scans(
        profile,
        folder=SampleFolder(Path(options.folder) if options.folder else None),
        memory_bytes=options.memory_bytes,
        cpu_s=math.ceil(settings.try_s(settings.bytes_max or MESSAGE_BYTES_MAX)) * CPUS,
        threads=options.programs_max * PROGRAMS_TIMES_MAX + 1,  # and a question
        is_root=os.geteuid() == 0,
    )
    return Command(
        settings.name,
        scans,
        clock=context.clock,
        programs_max=options.programs_max,
        heuristics=profile.heuristics,
    )


class Command:
    """The engine of the kind ``command``."""

    keeps_its_time = True  # what its threads do nobody waits for beyond the deadline
    judges_content_alone = True  # where the program tells its version

    def __init__(
        self, name: str, scans: Scans, *, clock: Clock, programs_max: int, heuristics: str
    ) -> None:
        self._name = name
        self._scans = scans
        self._clock = clock
        self._depth = printable(heuristics)
        self._places = WorkingPlaces(
            programs_max, held_s=HELD_S, most=programs_max * PROGRAMS_TIMES_MAX
        )
        self._state = Readiness()
        self._state_until_s = float("-inf")
        self._asking = asyncio.Lock()

    @property
    def name(self) -> str:
        return self._name

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        began_s = self._clock.monotonic_s()
        shown = asyncio.Event()  # to the program: before, no silence has to do with the message
        try:
            async with asyncio.timeout(deadline_s):
                said = await self._asked(sample, shown)
        except TimeoutError:
            said = _late(deadline_s, was_shown=shown.is_set())
        except NotBegun as error:
            said = Meaning(Outcome.UNAVAILABLE, (), error.what)
        except NotLaidOut as error:
            said = Meaning(Outcome.ERROR, (), error.what)
        return Verdict(
            by=self._name,
            outcome=said.outcome,
            version=self._depth,
            definitions=self._state.version,
            definitions_us=day_made_us(self._state.version),
            ms=round((self._clock.monotonic_s() - began_s) * 1000),
            threats=said.threats,
            detail=printable(said.detail, length_max=DETAIL_LENGTH_MAX),
            died=said.died,
        )

    async def probe(self) -> EngineHealth:
        try:
            state = await self._known_state()
        except NotLaidOut as error:
            return EngineHealth(answering=False, detail=error.what)
        if state.not_ready:
            return EngineHealth(answering=False, detail=state.not_ready)
        return EngineHealth(
            answering=True,
            version=self._depth,
            detail="installed",
            definitions=self._state.version,
            definitions_us=day_made_us(self._state.version),
        )

    async def close(self) -> None:
        self._scans.close()

    async def _asked(self, sample: Sample, shown: asyncio.Event) -> Meaning:
        state = await self._known_state()
        if state.not_ready:
            return Meaning(Outcome.UNAVAILABLE, (), state.not_ready)
        async with self._places.place():
            shown.set()
            return await self._scans.scan(sample)

    async def _known_state(self) -> Readiness:
        """Return what it tells of itself, not too old; definitions and licences change."""
        async with self._asking:
            if self._clock.monotonic_s() >= self._state_until_s:
                self._state = await self._told()
                fresh_s = NOT_READY_S if self._state.not_ready else STATE_S
                self._state_until_s = self._clock.monotonic_s() + fresh_s
            return self._state

    async def _told(self) -> Readiness:
        try:
            async with asyncio.timeout(TELLING_S):
                return await self._scans.state()
        except TimeoutError:
            return Readiness(not_ready=f"no word of itself within {TELLING_S:g} s")


def _late(deadline_s: float, *, was_shown: bool) -> Meaning:
    if was_shown:
        return Meaning(Outcome.TIMEOUT, (), f"no answer within {deadline_s:g} s")
    return Meaning(Outcome.UNAVAILABLE, (), f"no turn within {deadline_s:g} s")
