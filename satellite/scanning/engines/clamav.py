"""Which verdict does ClamAV give of a message?

Touches clamd, over its socket. Only its explicit ``OK`` is clean. The generated clamd.conf must
set ``AlertExceedsMax`` and ``AlertEncrypted``: without them clamd itself says ``OK`` to what it
has not looked at.
"""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

from pydantic import Field

from common.clock import Clock
from common.errors import LocalError
from common.kinds import Options, options_of, takes
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.scanning.clamd import replies
from satellite.scanning.clamd.control import ClamdControl, Stats
from satellite.scanning.clamd.pool import Pool
from satellite.scanning.clamd.replies import Meaning
from satellite.scanning.clamd.session import (
    ClamdUnreachable,
    Misunderstood,
    SampleUnreadable,
    SessionEnded,
)
from satellite.scanning.engine import Engine, EngineContext, EngineHealth
from satellite.scanning.sample import Sample

VERSION_S = 30.0  # how old the version in a verdict may be


_ADDRESS = re.compile(r"unix:/.+|(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):[0-9]{1,5}")


class ClamavOptions(Options):
    """What a ``clamd`` engine may be told."""

    sessions_max: Annotated[int, Field(ge=1, le=100)] = 8
    """Scans at once, of one worker. clamd has 10 threads by default (MaxThreads)."""


@takes(ClamavOptions)
def build(settings: EngineSettings, context: EngineContext) -> Engine:
    """Return the engine.

    Raises:
        LocalError: the address or an option is wrong.
    """
    options = options_of(settings, ClamavOptions)
    if not _ADDRESS.fullmatch(settings.address):
        raise LocalError(
            f"address {settings.address!r} is none of clamd's",
            hint="write unix:/PATH/OF/SOCKET or HOST:PORT",
        )
    return Clamav(
        settings.name, settings.address, clock=context.clock, sessions_max=options.sessions_max
    )


class Clamav:
    """The engine of the kind ``clamd``."""

    keeps_its_time = True  # every wait below is a socket's or a lock's, within the deadline

    def __init__(self, name: str, address: str, *, clock: Clock, sessions_max: int) -> None:
        self._name = name
        self._clock = clock
        self._pool = Pool(address, clock=clock, sessions_max=sessions_max)
        self._control = ClamdControl(address)
        self._version = ""
        self._version_until_s = float("-inf")
        self._asking_version = asyncio.Lock()

    @property
    def name(self) -> str:
        return self._name

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        began_s = self._clock.monotonic_s()
        tries = 1
        try:
            async with asyncio.timeout(deadline_s):
                said, tries = await self._asked(sample)
        except TimeoutError:
            said = Meaning(Outcome.TIMEOUT, (), f"no answer within {deadline_s:g} s")
        except ClamdUnreachable as error:
            said = Meaning(Outcome.UNAVAILABLE, (), error.what)
        except (SessionEnded, Misunderstood, SampleUnreadable) as error:
            said = Meaning(Outcome.ERROR, (), error.what)
        return Verdict(
            by=self._name,
            outcome=said.outcome,
            version=self._version,
            ms=round((self._clock.monotonic_s() - began_s) * 1000),
            threats=said.threats,
            detail=said.detail,
            attempt=tries,
        )

    async def probe(self) -> EngineHealth:
        if not await self._control.ping():
            return EngineHealth(answering=False, detail="clamd does not answer PING")
        line = await self._control.version()
        version = replies.version(line.encode()) if line is not None else ""
        stats = await self._control.stats()
        return EngineHealth(answering=True, version=version, detail=_busy(stats))

    async def close(self) -> None:
        self._pool.close()

    async def _asked(self, sample: Sample) -> tuple[Meaning, int]:
        if self._clock.monotonic_s() >= self._version_until_s:
            await self._learn_version()
        session = await self._pool.lend()
        was_kept = not session.is_fresh
        try:
            return replies.meaning(await session.scan(sample)), 1
        except SessionEnded:
            if not was_kept:
                raise  # it died of this message, or with it
        finally:
            self._pool.take_back(session)
        # clamd had closed the kept session, or was restarted: that says nothing of the message.
        session = await self._pool.lend(fresh=True)
        try:
            return replies.meaning(await session.scan(sample)), 2
        finally:
            self._pool.take_back(session)

    async def _learn_version(self) -> None:
        """Ask for the version when what we know of it is old; it changes with the definitions."""
        async with self._asking_version:
            if self._clock.monotonic_s() < self._version_until_s:
                return
            session = await self._pool.lend()
            try:
                self._version = replies.version(await session.command("VERSION"))
            except (SessionEnded, Misunderstood):
                self._version = ""  # it may be forbidden to ask; scanning goes on
            finally:
                self._pool.take_back(session)
            self._version_until_s = self._clock.monotonic_s() + VERSION_S


def _busy(stats: Stats | None) -> str:
    if stats is None:
        return "gives no statistics"
    return f"threads {stats.threads}, queued {stats.queued}"
