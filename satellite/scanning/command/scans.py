"""How is one message shown to a scanner that is a program, and what comes of it?

Touches threads of its own, in which programs are begun, followed and cleaned up after: none of
that may hold the event loop. Whoever waits may go away at any time; the program is ended then, and
its thread takes everything away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from common.verdict import Outcome
from satellite.scanning.command.dsa_report import NAMELESS
from satellite.scanning.command.ended import Ended
from satellite.scanning.command.profile import LOG, SAMPLE, CommandProfile, Inquiry
from satellite.scanning.command.program import NotBegun, Order, Stop, run
from satellite.scanning.command.reading import Reading, told
from satellite.scanning.command.sample_folder import SampleFolder
from satellite.scanning.meaning import Meaning
from satellite.scanning.sample import Sample

TAKEN_AWAY = "unnamed (the file was removed or changed)"  # as some scanners "clean" it
NOT_ROOT = "it works for nobody but root; ask it over the network, or see engines.md"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a scanner tells of itself.

    Args:
        not_ready: why it cannot scan; empty: it can.
        version: of its definitions; empty: it does not say.
    """

    not_ready: str = ""
    version: str = ""


class Scans:
    """Runs one scanner, as often at once as there are threads.

    Args:
        profile: what it is and how it is asked.
        folder: where messages are laid out.
        memory_bytes: address space of each process.
        cpu_s: processor time of each process.
        threads: programs that may run at once.
        is_root: whether we are.
    """

    def __init__(
        self,
        profile: CommandProfile,
        *,
        folder: SampleFolder,
        memory_bytes: int,
        cpu_s: int,
        threads: int,
        is_root: bool,
    ) -> None:
        self._profile = profile
        self._reading = Reading(profile)
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._cpu_s = cpu_s
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="command")
        self._running: set[Stop] = set()
        self._may_not = NOT_ROOT if profile.needs_root and not is_root else ""

    async def scan(self, sample: Sample) -> Meaning:
        """Return what it says of a message.

        Raises:
            NotBegun: it cannot be begun.
            NotLaidOut: the message cannot be put where it could read it.
        """
        return await self._in_thread(lambda stop: self._scanned(sample, stop))

    async def state(self) -> Readiness:
        """Return what it tells of itself."""
        return await self._in_thread(self._state)

    def close(self) -> None:
        """End all that runs, and begin nothing more."""
        for stop in list(self._running):
            stop.request()
        self._threads.submit(self._folder.close)
        self._threads.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[Stop], T]) -> T:
        stop = Stop()
        self._running.add(stop)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work, stop)
        finally:
            stop.request()  # nothing, unless we were cancelled
            self._running.discard(stop)

    def _scanned(self, sample: Sample, stop: Stop) -> Meaning:
        stop.check()
        program = self._program(None)
        self._folder.open()
        with self._folder.laid_out(sample) as laid:
            place = str(laid.path)
            arguments = _filled(self._profile.arguments, SAMPLE, place)
            ended = run(self._order(program, arguments, laid.work), stop)
            said = self._reading.meaning(ended)
            if said.outcome is Outcome.INFECTED:
                return self._named(said, ended, place, laid.work, stop)
            if not laid.is_intact(sample):
                # By its own cleaning, or by real-time protection that was faster: a file that is
                # taken away was not clean, whatever the program says of what it saw.
                return Meaning(Outcome.INFECTED, (TAKEN_AWAY,), said.detail)
            return said

    def _named(self, said: Meaning, ended: Ended, place: str, work: Path, stop: Stop) -> Meaning:
        """Look up the names in the scanner's log, where it prints none."""
        question, log = self._profile.names, self._reading.log_of(ended)
        if question is None or not log or said.threats != (NAMELESS,):
            return said
        try:
            listed = self._asked(_about(question, log), work, stop)
        except NotBegun as error:
            return replace(said, detail=error.what)
        return replace(
            said, threats=self._reading.names_in_log(listed, sample=place) or (NAMELESS,)
        )

    def _state(self, stop: Stop) -> Readiness:
        try:
            self._program(None)
            if self._may_not:
                return Readiness(not_ready=self._may_not)
            self._folder.open()
            with self._folder.work() as work:
                return self._told(work, stop)
        except NotBegun as error:
            return Readiness(not_ready=error.what)

    def _told(self, work: Path, stop: Stop) -> Readiness:
        version, ready = self._profile.version, self._profile.ready
        if ready is not None:
            ended = self._asked(ready, work, stop)
            if told(ready.says, ended) is None:
                return Readiness(not_ready=self._reading.refusal(ended))
        if version is None:
            return Readiness()
        ended = self._asked(version, work, stop)
        if self._reading.is_unavailable(ended):
            return Readiness(not_ready=self._reading.refusal(ended))
        return Readiness(version=told(version.says, ended) or "")

    def _asked(self, question: Inquiry, work: Path, stop: Stop) -> Ended:
        program = self._program(question.program)
        return run(self._order(program, question.arguments, work), stop)

    def _program(self, named: str | None) -> str:
        """Return the first that is there."""
        candidates = self._profile.programs if named is None else (named,)
        for candidate in candidates:
            if Path(candidate).is_file():
                return candidate
        raise NotBegun(f"there is no {' and no '.join(candidates)}")

    def _order(self, program: str, arguments: tuple[str, ...], work: Path) -> Order:
        return Order(
            command=(program, *arguments),
            folder=work,
            environment=self._profile.environment,
            memory_bytes=self._memory_bytes,
            cpu_s=self._cpu_s,
        )


def _about(question: Inquiry, log: str) -> Inquiry:
    """Return a question about one log."""
    return question.model_copy(update={"arguments": _filled(question.arguments, LOG, log)})


def _filled(arguments: tuple[str, ...], mark: str, value: str) -> tuple[str, ...]:
    return tuple(argument.replace(mark, value) for argument in arguments)
