"""Which verdict does a scanner that speaks ICAP give of a message?

Touches its server, over its socket; several of them where the settings name several. NOD32 and
Trend Micro are asked in this way, and many others. Clean is only what ``icap.meaning`` says is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.clock import Clock
from common.errors import LocalError
from common.kinds import Options, options_of, takes
from common.server_tls import server_tls
from common.settings.satellite import EngineSettings
from common.settings.values import Endpoint
from common.verdict import DETAIL_LENGTH_MAX, Outcome, Verdict, printable
from satellite.scanning.engine import Engine, EngineContext, EngineHealth
from satellite.scanning.icap.meaning import CHANGED
from satellite.scanning.icap.profiles import PROFILES
from satellite.scanning.icap.requests import Service
from satellite.scanning.icap.server import IcapServer
from satellite.scanning.meaning import Meaning
from satellite.scanning.sample import Sample, SampleUnreadable
from satellite.scanning.sessions.connection import (
    CONNECT_S_OF_SEVERAL,
    Misunderstood,
    ServerUnreachable,
    SessionEnded,
)
from satellite.scanning.sessions.encryption import TlsEncryption
from satellite.scanning.sessions.server_choice import ADDRESSES_MAX, ServerChoice, ServerTurn

ANSWER_S_OF_SEVERAL = 2.0  # for what it offers, before another server is asked instead
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\s\[\]/]+):[0-9]{1,5}")
# What came back changed may have been cleaned: nobody else is asked to call it clean.
_FAILED = frozenset({Outcome.ERROR, Outcome.UNAVAILABLE})
_Opened = Literal[
    "7z", "ace", "alz", "ar", "arj", "cab", "chm", "cpio", "dmg", "egg", "iso", "lha", "lz4",
    "lzip", "rar", "rpm", "squashfs", "udf", "vhd", "vhdx", "wim", "xar", "zoo", "zstd",
    "zip Deflate64", "zip Implode",
]  # fmt: skip


class IcapOptions(Options):
    """What an ``icap`` engine may be told."""

    profile: Literal["eset", "generic", "squidclamav", "trend-iwsva", "trend-webgateway"] = (
        "generic"
    )
    """The product: it decides on the service, and on how its answers are read."""
    service: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~/?=&-]{0,200}$")] = ""
    """Path of the service; empty: the profile's."""
    sessions_max: Annotated[int, Field(ge=1, le=100)] = 8
    """Scans at once, of one worker and one server; fewer where it asks for it (Max-Connections)."""
    addresses: Annotated[tuple[Endpoint, ...], Field(max_length=ADDRESSES_MAX - 1)] = ()
    """Further servers: each message is shown to the one that has the least to do."""
    opens: tuple[_Opened, ...] = ()
    """Kinds of archives that you have seen it open, which then count as opened; ICAP tells none."""
    tls: bool = False
    """Encrypt the way to it (icaps); its certificate must name the host of its address."""
    tls_authorities: Annotated[str, Field(max_length=4096)] = ""
    """A file with the certificates (PEM) of who may vouch for it; empty: the system's."""

    @model_validator(mode="after")
    def _hides_what_it_says(self) -> IcapOptions:
        if self.tls_authorities and not self.tls:
            raise ValueError("tls_authorities without tls: all goes in the clear; say tls: true")
        return self


@takes(IcapOptions)
def build(settings: EngineSettings, context: EngineContext) -> Engine:
    """Return the engine.

    Raises:
        LocalError: an address or an option is wrong.
    """
    options = options_of(settings, IcapOptions)
    addresses = (settings.address, *options.addresses)
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise LocalError(
                f"address {address!r} is none of an ICAP server", hint="write HOST:1344"
            )
    if len(set(addresses)) < len(addresses):
        raise LocalError("an address stands there twice", hint="name each server once")
    encryption = TlsEncryption(server_tls(options.tls_authorities)) if options.tls else None
    profile = PROFILES[options.profile]
    path = (options.service or profile.service).removeprefix("/")
    is_alone, connect_s = len(addresses) == 1, settings.connect_timeout_s
    servers = [
        IcapServer(
            Service(host=address, path=path, profile=profile),
            clock=context.clock,
            sessions_max=options.sessions_max,
            connect_s=connect_s if is_alone else min(connect_s, CONNECT_S_OF_SEVERAL),
            answer_s=None if is_alone else ANSWER_S_OF_SEVERAL,
            encryption=encryption,
        )
        for address in addresses
    ]
    return Icap(settings.name, servers, clock=context.clock, opens=frozenset(options.opens))


class Icap:
    """The engine of the kind ``icap``."""

    keeps_its_time = True  # every wait below is a socket's or a lock's, within the deadline

    def __init__(
        self, name: str, servers: Sequence[IcapServer], *, clock: Clock, opens: frozenset[str]
    ) -> None:
        self._name = name
        self._opens = opens
        self._clock = clock
        self._servers = ServerChoice(servers, clock=clock)
        self._tells_client = any(server.tells_client for server in servers)

    @property
    def name(self) -> str:
        return self._name

    @property
    def judges_content_alone(self) -> bool:
        """Say so unless the product is told the client, and may go by that."""
        return not self._tells_client

    @property
    def servers_away(self) -> int:
        """Return how many of its servers are left alone now."""
        return self._servers.away

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        began_s = self._clock.monotonic_s()
        tries = 1
        turn: ServerTurn[IcapServer] = ServerTurn(content=sample.sha256)
        try:
            async with asyncio.timeout(deadline_s):
                said, tries = await self._asked(sample, turn)
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
        server = turn.server
        return Verdict(
            by=self._name,
            outcome=said.outcome,
            version=server.product if server is not None else "",
            definitions=server.tag if server is not None else "",
            ms=round((self._clock.monotonic_s() - began_s) * 1000),
            threats=said.threats,
            detail=printable(said.detail, length_max=DETAIL_LENGTH_MAX),
            attempt=tries,
            died=said.died,
        )

    async def opens(self) -> frozenset[str]:
        """Return the kinds of archives that it opens, as the settings say."""
        return self._opens

    async def probe(self) -> EngineHealth:
        return await self._servers.probe()

    async def close(self) -> None:
        self._servers.close()

    async def _asked(self, sample: Sample, turn: ServerTurn[IcapServer]) -> tuple[Meaning, int]:
        return await self._servers.ask(
            lambda server: server.scanned(sample, turn.shown),
            has_failed=lambda answer: answer[0].outcome in _FAILED and answer[0] != CHANGED,
            turn=turn,
        )


def _late(deadline_s: float, *, was_shown: bool) -> Meaning:
    if was_shown:
        return Meaning(Outcome.TIMEOUT, (), f"no answer within {deadline_s:g} s")
    return Meaning(Outcome.UNAVAILABLE, (), f"no session within {deadline_s:g} s")
