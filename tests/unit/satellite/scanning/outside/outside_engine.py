"""An engine of somebody else: asks a server of one's own over TCP.

One file and an entry point, as docs/engines.md describes. The server gets a length and the message,
and answers ``GOOD`` or ``BAD NAME``, a line each.
"""

from __future__ import annotations

import asyncio

from common.clock import Clock
from common.errors import LocalError
from common.verdict import Outcome, Verdict, printable
from satellite.scanning.engine import Engine, EngineContext, EngineHealth
from satellite.scanning.sample import Sample
from satellite.settings import EngineSettings, split_endpoint

CHUNK_BYTES = 65_536
PROBE_S = 5.0


def build(settings: EngineSettings, context: EngineContext) -> Engine:
    if not settings.address:
        raise LocalError("an address is missing", hint="write HOST:PORT")
    return Outside(settings.name, settings.address, context.clock)


class Outside:
    def __init__(self, name: str, address: str, clock: Clock) -> None:
        self.name = name
        self._host, self._port = split_endpoint(address)
        self._clock = clock

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        began_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(deadline_s):
                outcome, threats, detail = understood(await self._exchange(sample))
        except TimeoutError:
            outcome, threats, detail = Outcome.TIMEOUT, (), "no answer"
        except ConnectionRefusedError:
            outcome, threats, detail = Outcome.UNAVAILABLE, (), "nobody listens"
        except (OSError, asyncio.LimitOverrunError, asyncio.IncompleteReadError) as error:
            outcome, threats, detail = Outcome.ERROR, (), printable(repr(error))
        took_ms = round((self._clock.monotonic_s() - began_s) * 1000)
        return Verdict(by=self.name, outcome=outcome, threats=threats, detail=detail, ms=took_ms)

    async def probe(self) -> EngineHealth:
        try:
            async with asyncio.timeout(PROBE_S):
                _, writer = await asyncio.open_connection(self._host, self._port)
        except (OSError, TimeoutError) as error:
            return EngineHealth(answering=False, detail=printable(repr(error)))
        writer.close()
        return EngineHealth(answering=True)

    async def close(self) -> None:
        pass

    async def _exchange(self, sample: Sample) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(b"%d\n" % sample.size)
            for offset in range(0, sample.size, CHUNK_BYTES):
                writer.write(sample.read(offset, CHUNK_BYTES))
                await writer.drain()
            return await reader.readuntil(b"\n")
        finally:
            writer.transport.abort()


def understood(line: bytes) -> tuple[Outcome, tuple[str, ...], str]:
    if line == b"GOOD\n":
        return Outcome.CLEAN, (), ""
    if line.startswith(b"BAD ") and len(line) > len(b"BAD \n"):
        return Outcome.INFECTED, (printable(line[4:-1].decode("latin-1")),), ""
    return Outcome.ERROR, (), printable(f"unknown answer {line!r}")
