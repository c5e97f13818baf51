"""The ICAP engine passes the suite of engines, against a server that follows a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
import uvloop

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from satellite.scanning.conformance import CHECKS, Arranged, Condition, ConformanceCheck
from satellite.scanning.engine import EngineContext
from satellite.scanning.engines import icap as engine_of_icap
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from tests.support.network.ports import free_port
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import numbered_sample, plain, sample_of
from tests.support.scanning.scripted_icap import CLEAN, Hang, ScriptedIcap, icap, says

FORBIDDEN = b"HTTP/1.0 403 Forbidden\r\nContent-Type: text/html\r\n\r\n"


def found(name: str | bytes, kind: int = 0) -> bytes:
    octets = name.encode() if isinstance(name, str) else name
    field = b"X-Infection-Found: Type=%d; Resolution=2; Threat=%b;" % (kind, octets)
    return icap("200 OK", field, http=FORBIDDEN, body=b"<html>virus</html>")


SAYS: dict[Condition, bytes] = {
    Condition.CLEAN: CLEAN,
    Condition.INFECTED: found("Eicar"),
    Condition.ENCRYPTED: found("Encrypted container violation", kind=2),
    Condition.MACRO: found("Heuristics.OLE2.ContainsMacros.VBA"),
    Condition.LIMITS: found("Container size violation", kind=2),
    Condition.ERROR: icap("500 Server error", "Connection: close"),
    Condition.GARBAGE: b"\xff\xfe ICAP/1.0 204 Unmodified 204\r\n\r\n",
    Condition.EMPTY: b"",
    Condition.DIES: b"ICAP/1.0 204 Unmodif",
    Condition.SPLIT: found("Eicar"),
    Condition.NAME_EIGHT_BIT: found(b"W\xfcrm.\xe9"),
    Condition.NAME_LONG: found("N" * 10_000),
    Condition.NAME_CONTROL: found("Evil\r\nX-Injected: yes\x1b[2J\x07"),
}


def _hang(_: bytes) -> bytes:
    raise Hang


def script_of(condition: Condition) -> Callable[[bytes], bytes]:
    match condition:
        case Condition.SILENT:
            return _hang
        case Condition.BY_CONTENT | Condition.TOO_LARGE | Condition.REFUSED:
            return lambda content: SAYS[Condition.INFECTED] if EICAR in content else CLEAN
        case _:
            return says(SAYS[condition])


class ClosingIcap(ScriptedIcap):
    """Ends in the middle of its answer."""

    async def _send(self, *said: object) -> bool:
        answer = await super()._send(*said)  # type: ignore[arg-type]  # as it was given
        return answer and said[1] is self.offer


class IcapBench:
    impossible: ClassVar[dict[Condition, str]] = {}

    def __init__(self) -> None:
        self._port = free_port()  # keeps a descriptor

    @asynccontextmanager
    async def arrange(self, condition: Condition) -> AsyncIterator[Arranged]:
        kind = ClosingIcap if condition is Condition.DIES else ScriptedIcap
        peer = kind(
            script_of(condition),
            port=self._port,
            piece_bytes=1 if condition is Condition.SPLIT else 0,
            at_preview=CLEAN if condition is Condition.TOO_LARGE else None,
        )
        clock = SystemClock()
        engine = engine_of_icap.build(
            EngineSettings(name="nod32", kind="icap", address=peer.address),
            EngineContext(clock=clock, helper=Helper(clock=clock)),
        )
        arranged = Arranged(
            engine=engine, sample=sample_of(plain(b"x" * 2_000)), reached=peer.received.wait
        )
        if condition is Condition.REFUSED:
            yield arranged
        else:
            async with peer:
                yield arranged

    def sample(self, number: int, *, infected: bool) -> Sample:
        return numbered_sample(number, infected=infected)


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_the_icap_engine_passes(check: ConformanceCheck) -> None:
    await check.run(IcapBench())


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_it_passes_on_the_event_loop_of_production_too(check: ConformanceCheck) -> None:
    uvloop.run(check.run(IcapBench()))
