"""What stands behind an engine, in each fault, where it is installed: a real clamd or c-icap.

Touches processes, sockets of loopback and a folder. They suffer what a real one can be made to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import ClassVar

from common.settings.satellite import EngineSettings
from satellite.scanning.engine import Fitted
from tests.support.scanning.c_icap import CIcap
from tests.support.scanning.clamd import Clamd
from tests.support.scanning.engine_faults import Fault, Make, made, timeout_s

_UNREAL = dict.fromkeys(Fault, "a real one does not do it when it is told to")


class RealClamdBench:
    """The kind ``clamd``, with a clamd."""

    engine = "clamd, the real one"
    impossible: ClassVar[Mapping[Fault, str]] = {
        fault: why for fault, why in _UNREAL.items() if fault not in (Fault.ABSENT, Fault.HUNG)
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "real"
        self._folder.mkdir()

    @asynccontextmanager
    async def arrange(self, fault: Fault | None) -> AsyncIterator[Make]:
        with Clamd(self._folder) as clamd:
            if fault is Fault.ABSENT:
                clamd.kill()
            if fault is Fault.HUNG:
                clamd.freeze()
            yield lambda name: made(
                EngineSettings(
                    name=name, kind="clamd", address=clamd.address, timeout_s=timeout_s(fault)
                )
            )


class RealIcapBench:
    """The kind ``icap``, with a c-icap that asks a clamd."""

    engine = "icap, with a real c-icap"
    impossible: ClassVar[Mapping[Fault, str]] = {
        fault: why
        for fault, why in _UNREAL.items()
        if fault not in (Fault.ABSENT, Fault.BEHIND, Fault.HUNG)
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "icap"
        self._folder.mkdir()

    @asynccontextmanager
    async def arrange(self, fault: Fault | None) -> AsyncIterator[Make]:
        with ExitStack() as stack:
            clamd = stack.enter_context(Clamd(self._folder))
            server = CIcap(clamd)
            if fault is not Fault.ABSENT:
                stack.enter_context(server)

            def make(name: str) -> Fitted:
                return made(
                    EngineSettings(
                        name=name,
                        kind="icap",
                        address=server.address,
                        timeout_s=timeout_s(fault),
                        options={"service": "virus_scan"},
                    )
                )

            if fault is not Fault.ABSENT:
                first = make("first").engine
                await first.probe()  # before the first question it knows no clamd
                await first.close()
            match fault:
                case Fault.BEHIND:
                    clamd.kill()
                case Fault.HUNG:
                    clamd.freeze()
                    stack.callback(clamd.thaw)
                case _:
                    pass
            yield make
