"""Which verdict does ClamAV give of a message?

Touches clamd, over its socket; several of them where the settings name several. Only its explicit
``OK`` is clean. The generated clamd.conf must set ``AlertExceedsMax`` and ``AlertEncrypted``:
without them clamd itself says ``OK`` to what it has not looked at.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import reduce
from typing import Annotated

from pydantic import Field

from common.clock import Clock
from common.errors import LocalError
from common.kinds import Options, options_of, takes
from common.settings.satellite import EngineSettings
from common.settings.values import Server
from common.verdict import Outcome, Verdict
from satellite.scanning.clamd import replies
from satellite.scanning.clamd.server import UNKNOWN, ClamdServer
from satellite.scanning.engine import Engine, EngineContext, EngineHealth
from satellite.scanning.meaning import Meaning
from satellite.scanning.sample import Sample, SampleUnreadable
from satellite.scanning.sessions.connection import (
    CONNECT_S,
    CONNECT_S_OF_SEVERAL,
    Misunderstood,
    ServerUnreachable,
    SessionEnded,
)
from satellite.scanning.sessions.server_choice import ADDRESSES_MAX, ServerChoice, ServerTurn

ANSWER_S_OF_SEVERAL = 2.0  # for a version, before another clamd is asked instead
_ADDRESS = re.compile(r"unix:/.+|(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):[0-9]{1,5}")


class ClamavOptions(Options):
    """What a ``clamd`` engine may be told."""

    sessions_max: Annotated[int, Field(ge=1, le=100)] = 8
    """Scans at once, of one worker and one clamd. clamd has 10 threads by default (MaxThreads)."""
    addresses: Annotated[tuple[Server, ...], Field(max_length=ADDRESSES_MAX - 1)] = ()
    """Further clamds: each message is shown to the one that has the least to do."""
    descriptors: bool = True
    """Over a Unix socket, give it larger messages as open files; it is sent what it refuses."""


@takes(ClamavOptions)
def build(settings: EngineSettings, context: EngineContext) -> Engine:
    """Return the engine.

    Raises:
        LocalError: an address or an option is wrong.
    """
    options = options_of(settings, ClamavOptions)
    addresses = (settings.address, *options.addresses)
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise LocalError(
                f"address {address!r} is none of clamd's",
                hint="write unix:/PATH/OF/SOCKET or HOST:PORT",
            )
    if len(set(addresses)) < len(addresses):
        raise LocalError("an address stands there twice", hint="name each clamd once")
    return Clamav(
        settings.name,
        addresses,
        clock=context.clock,
        sessions_max=options.sessions_max,
        takes_descriptors=options.descriptors,
        connect_s=settings.connect_timeout_s,
    )


class Clamav:
    """The engine of the kind ``clamd``."""

    keeps_its_time = True  # every wait below is a socket's or a lock's, within the deadline
    judges_content_alone = True

    def __init__(
        self,
        name: str,
        addresses: Sequence[str],
        *,
        clock: Clock,
        sessions_max: int,
        takes_descriptors: bool = True,
        connect_s: float = CONNECT_S,
    ) -> None:
        self._name = name
        self._clock = clock
        is_alone = len(addresses) == 1
        self._servers = ServerChoice(
            [
                ClamdServer(
                    address,
                    clock=clock,
                    sessions_max=sessions_max,
                    connect_s=connect_s if is_alone else min(connect_s, CONNECT_S_OF_SEVERAL),
                    answer_s=None if is_alone else ANSWER_S_OF_SEVERAL,
                    takes_descriptors=takes_descriptors,
                )
                for address in addresses
            ],
            clock=clock,
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def servers_away(self) -> int:
        """Return how many of its servers are left alone now."""
        return self._servers.away

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        began_s = self._clock.monotonic_s()
        tries = 1
        turn: ServerTurn[ClamdServer] = ServerTurn(content=sample.sha256)
        try:
            async with asyncio.timeout(deadline_s):
                reply, tries = await self._servers.ask(
                    lambda server: server.scanned(sample, turn.shown),
                    has_failed=lambda answer: replies.is_own_failure(answer[0]),
                    turn=turn,
                )
            said = replies.meaning(reply)
        except TimeoutError:
            self._servers.was_late(turn)
            said = _late(deadline_s, was_shown=turn.shown.is_set())
        except ServerUnreachable as error:
            # Shown already: then it ended in a session of before, and is gone since.
            said = Meaning(Outcome.UNAVAILABLE, (), error.what, died=turn.shown.is_set())
        except SessionEnded as error:
            said = Meaning(Outcome.ERROR, (), error.what, died=turn.shown.is_set())
        except (Misunderstood, SampleUnreadable) as error:
            said = Meaning(Outcome.ERROR, (), error.what)
        has = turn.server.version if turn.server is not None else UNKNOWN
        return Verdict(
            by=self._name,
            outcome=said.outcome,
            version=has.version,
            definitions=has.definitions,
            definitions_us=has.definitions_us,
            ms=round((self._clock.monotonic_s() - began_s) * 1000),
            threats=said.threats,
            detail=said.detail,
            attempt=tries,
            died=said.died,
        )

    async def opens(self) -> frozenset[str]:
        """Return the kinds of archives that each clamd opens which may be asked."""
        found = await asyncio.gather(*(server.opens() for server in self._servers.present))
        return reduce(frozenset.intersection, found)

    async def probe(self) -> EngineHealth:
        return await self._servers.probe()

    async def close(self) -> None:
        self._servers.close()


def _late(deadline_s: float, *, was_shown: bool) -> Meaning:
    if was_shown:
        return Meaning(Outcome.TIMEOUT, (), f"no answer within {deadline_s:g} s")
    return Meaning(Outcome.UNAVAILABLE, (), f"no session within {deadline_s:g} s")
