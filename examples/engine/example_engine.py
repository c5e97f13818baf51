"""What does a server of one's own say of a message?

Touches TCP. The server gets the length and the message; it answers ``GOOD`` or ``BAD NAME``, a line
each. Anything else, and silence, is never clean.
"""

from __future__ import annotations

import asyncio

from satellite.plugin import (
    Clock,
    Engine,
    EngineContext,
    EngineHealth,
    EngineSettings,
    LocalError,
    NoOptions,
    Outcome,
    Sample,
    Verdict,
    printable,
    split_endpoint,
    takes,
)

CHUNK_BYTES = 65_536
PROBE_S = 5.0  # for whoever asks whether we would answer


@takes(NoOptions)
def build(settings: EngineSettings, context: EngineContext) -> Engine:
    """Return the engine; the node's settings say where its server listens."""
    if not settings.address:
        raise LocalError("an address is missing", hint="write address: HOST:PORT")
    return ExampleEngine(settings.name, settings.address, context.clock)


class ExampleEngine:
    """Asks on a new connection for each message, so that no late answer meets another message."""

    def __init__(self, name: str, address: str, clock: Clock) -> None:
        self.name = name
        self._host, self._port = split_endpoint(address)
        self._clock = clock

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        """Return what the server says, or what kept it from saying so."""
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
        """Return whether somebody listens."""
        try:
            async with asyncio.timeout(PROBE_S):
                _, writer = await asyncio.open_connection(self._host, self._port)
        except (OSError, TimeoutError) as error:
            return EngineHealth(answering=False, detail=printable(repr(error)))
        writer.close()
        return EngineHealth(answering=True)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _exchange(self, sample: Sample) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(b"%d\n" % sample.size)
            for offset in range(0, sample.size, CHUNK_BYTES):
                writer.write(sample.read(offset, CHUNK_BYTES))
                await writer.drain()
            return await reader.readuntil(b"\n")
        finally:
            writer.transport.abort()  # synchronous: a cancelled scan leaves nothing behind


def understood(line: bytes) -> tuple[Outcome, tuple[str, ...], str]:
    """Return outcome, threats and detail; clean only when the server said so in its own words."""
    if line == b"GOOD\n":
        return Outcome.CLEAN, (), ""
    if line.startswith(b"BAD ") and len(line) > len(b"BAD \n"):
        return Outcome.INFECTED, (printable(line[4:-1].decode("latin-1")),), ""
    return Outcome.ERROR, (), printable(f"unknown answer {line!r}")
