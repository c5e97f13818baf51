"""What stands behind the kind ``trend-v1fs``, in each fault: a File Security that follows a script.

Touches a port of loopback.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import ClassVar

import grpc

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from satellite.scanning.engine import EngineContext, Fitted
from satellite.scanning.engines import trend_v1fs
from satellite.scanning.helper import Helper
from tests.support.network.ports import free_port
from tests.support.scanning.engine_faults import Fault, Make, timeout_s
from tests.support.scanning.engine_faults.servers import Greeter
from tests.support.scanning.scripted_file_security import (
    Close,
    Hang,
    Refuse,
    ScriptedFileSecurity,
    verbose,
)


class FileSecurityBench:
    """The kind ``trend-v1fs``."""

    engine = "trend-v1fs"
    impossible: ClassVar[Mapping[Fault, str]] = {
        Fault.SLOW: "gRPC gives whole messages or none",
        Fault.HALF: "gRPC gives whole messages or none",
        Fault.STALE: "clamd stands for all that say how old they are",
    }

    def __init__(self) -> None:
        self._port = free_port()

    @asynccontextmanager
    async def arrange(self, fault: Fault | None) -> AsyncIterator[Make]:
        def make(name: str) -> Fitted:
            settings = EngineSettings(
                name=name,
                kind="trend-v1fs",
                address=f"127.0.0.1:{self._port}",
                timeout_s=timeout_s(fault),
                options={"tls": False},
            )
            clock = SystemClock()
            context = EngineContext(clock=clock, helper=Helper(clock=clock))
            return Fitted(engine=trend_v1fs.build(settings, context), settings=settings)

        async with AsyncExitStack() as stack:
            if fault in (Fault.WEB_SERVER, Fault.MAIL_SERVER):
                greeter = Greeter(fault)
                server = await asyncio.start_server(greeter.serve, "127.0.0.1", self._port)
                stack.push_async_callback(greeter.end, server)
            elif fault is not Fault.ABSENT:
                peer = ScriptedFileSecurity(_script(fault), port=self._port)
                await stack.enter_async_context(peer)
            yield make


def _script(fault: Fault | None) -> Callable[[bytes], str]:
    def script(_: bytes) -> str:
        match fault:
            case Fault.KILLED:
                raise Refuse(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            case Fault.EMPTY:
                raise Close
            case Fault.HUNG:
                raise Hang
            case Fault.BEHIND:
                raise Refuse(grpc.StatusCode.INTERNAL, "Internal error. Try again later.")
            case Fault.LICENCE:
                raise Refuse(grpc.StatusCode.UNAUTHENTICATED, "authorization failed")
            case Fault.RELOADING:
                raise Refuse(grpc.StatusCode.UNAVAILABLE, "not ready")
            case Fault.GARBAGE:
                return "\ufffd OK OK {"
            case None:
                return verbose("Eicar_test_file")
            case _:
                return verbose()

    return script
