"""What becomes of mail that an engine read with old definitions, under each policy?

Touches a socket of a folder. ClamAV alone says when its definitions were made; here they are some
weeks old, it does not know yet what it would name with new ones, and calls the message clean.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

from common.settings.satellite import EngineSettings
from tests.support.scanning.engine_faults import Fault, Make, made, timeout_s
from tests.support.scanning.engine_faults.weighing import PolicyCase
from tests.support.scanning.scripted_clamd import ScriptedClamd

OLD = b"ClamAV 1.4.6/27700/Mon Dec 15 08:00:00 2025"  # the clock of these tests is in January

STALE_CASES = (
    PolicyCase(words="`stale: deliver`", keys={"stale": "deliver"}),
    PolicyCase(words="`mark`", keys={"stale": "mark"}),
    PolicyCase(words="`quarantine`", keys={"stale": "quarantine"}),
    PolicyCase(words="`wait`", keys={"stale": "wait"}),
    PolicyCase(words="`wait`, and it need not answer", keys={"stale": "wait"}, is_required=False),
    PolicyCase(
        words="`wait`, and the other one is away",
        keys={"stale": "wait", "unavailable": "mark"},
        other_reads=False,
    ),
    PolicyCase(
        words="`wait`, it need not answer, and the other one is away",
        keys={"stale": "wait", "unavailable": "mark"},
        is_required=False,
        other_reads=False,
    ),
)


class StaleBench:
    """A clamd whose definitions are old; all is well with it once they are new."""

    engine = "clamd, its definitions"
    impossible: ClassVar[Mapping[Fault, str]] = {
        fault: "it stands in clamd's own table" for fault in Fault if fault is not Fault.STALE
    }

    def __init__(self, folder: Path) -> None:
        self._path = folder / "stale.sock"

    @asynccontextmanager
    async def arrange(self, fault: Fault | None) -> AsyncIterator[Make]:
        says = b"stream: OK" if fault is Fault.STALE else b"stream: Eicar-Test-Signature FOUND"
        kind = OldClamd if fault is Fault.STALE else ScriptedClamd
        async with kind(self._path, lambda _: says):
            yield lambda name: made(
                EngineSettings(
                    name=name,
                    kind="clamd",
                    address=f"unix:{self._path}",
                    timeout_s=timeout_s(fault),
                )
            )


class OldClamd(ScriptedClamd):
    """Says of its definitions that they are old."""

    async def _reply(self, command: bytes, reader: asyncio.StreamReader) -> bytes:
        return OLD if command == b"VERSION" else await super()._reply(command, reader)
