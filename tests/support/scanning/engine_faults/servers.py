"""What stands behind the engines that ask a server, in each fault: peers that follow a script.

Touches sockets of loopback and of a folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import ClassVar

from common.settings.satellite import EngineSettings
from tests.support.network.ports import free_port
from tests.support.scanning import scripted_clamd, scripted_icap
from tests.support.scanning.engine_faults import SHORT_S, Fault, Make, made, timeout_s
from tests.support.scanning.scripted_clamd import ScriptedClamd
from tests.support.scanning.scripted_icap import CLEAN, ScriptedIcap, icap

WEB = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
MAIL = b"220 mail.example ESMTP\r\n"
_FORBIDDEN = b"HTTP/1.0 403 Forbidden\r\nContent-Type: text/html\r\n\r\n"
_FOUND = icap(
    "200 OK",
    "X-Infection-Found: Type=0; Resolution=2; Threat=Eicar;",
    http=_FORBIDDEN,
    body=b"<html>virus</html>",
)


class TornClamd(ScriptedClamd):
    """Gives half of what it has to say of a message; the rest after a pause, or never."""

    pause_s: float | None = None

    async def _send(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        if b"stream" not in reply:
            return await super()._send(writer, reply)
        await super()._send(writer, reply[:-4])
        if self.pause_s is None:
            raise scripted_clamd.Close
        await asyncio.sleep(self.pause_s)
        return await super()._send(writer, reply[-4:])


class TornIcap(ScriptedIcap):
    """Gives half of what it has to say of a message; the rest after a pause, or never."""

    pause_s: float | None = None

    async def _send(self, writer: asyncio.StreamWriter, answer: bytes) -> bool:
        if answer == self.offer:
            return await super()._send(writer, answer)
        await super()._send(writer, answer[:-8])
        if self.pause_s is None:
            return False
        await asyncio.sleep(self.pause_s)
        return await super()._send(writer, answer[-8:])


class ClamdBench:
    """The kind ``clamd``."""

    engine = "clamd"
    impossible: ClassVar[Mapping[Fault, str]] = {
        Fault.LICENCE: "it needs none",
        Fault.BEHIND: "it asks nobody",
        Fault.STALE: "it has a table of its own",
    }

    def __init__(self, folder: Path) -> None:
        self._path = folder / "clamd.sock"

    @asynccontextmanager
    async def arrange(self, fault: Fault | None) -> AsyncIterator[Make]:
        async with AsyncExitStack() as stack:
            if fault in (Fault.WEB_SERVER, Fault.MAIL_SERVER):
                self._path.unlink(missing_ok=True)
                greeter = Greeter(fault)
                server = await asyncio.start_unix_server(greeter.serve, str(self._path))
                stack.push_async_callback(greeter.end, server)
            elif fault is not Fault.ABSENT:
                torn = fault in (Fault.SLOW, Fault.HALF)
                peer = (TornClamd if torn else ScriptedClamd)(self._path, _clamd_script(fault))
                if isinstance(peer, TornClamd):
                    peer.pause_s = _pause_s(fault)
                await stack.enter_async_context(peer)
            yield lambda name: made(
                EngineSettings(
                    name=name,
                    kind="clamd",
                    address=f"unix:{self._path}",
                    timeout_s=timeout_s(Fault.HUNG if fault is Fault.RELOADING else fault),
                )
            )


def _clamd_script(fault: Fault | None) -> Callable[[bytes], bytes]:
    def script(_: bytes) -> bytes:
        match fault:
            case Fault.KILLED | Fault.EMPTY:
                raise scripted_clamd.Close
            case Fault.HUNG | Fault.RELOADING:  # as with ConcurrentDatabaseReload no
                raise scripted_clamd.Hang
            case Fault.GARBAGE:
                return b"\xff\xfe OK OK stream: OK OK"
            case None:
                return b"stream: Eicar-Test-Signature FOUND"
            case _:
                return b"stream: OK"

    return script


class IcapBench:
    """The kind ``icap``, by the profile of a product."""

    impossible: ClassVar[Mapping[Fault, str]] = {Fault.STALE: "it does not say how old they are"}

    def __init__(self, profile: str) -> None:
        self.engine = f"icap, profile `{profile}`"
        self._profile = profile
        self._port = free_port()

    @asynccontextmanager
    async def arrange(self, fault: Fault | None) -> AsyncIterator[Make]:
        async with AsyncExitStack() as stack:
            if fault in (Fault.WEB_SERVER, Fault.MAIL_SERVER):
                greeter = Greeter(fault)
                server = await asyncio.start_server(greeter.serve, "127.0.0.1", self._port)
                stack.push_async_callback(greeter.end, server)
            elif fault is not Fault.ABSENT:
                torn = fault in (Fault.SLOW, Fault.HALF)
                kind = TornIcap if torn else ScriptedIcap
                peer = kind(_icap_script(fault), port=self._port)
                if isinstance(peer, TornIcap):
                    peer.pause_s = _pause_s(fault)
                await stack.enter_async_context(peer)
            yield lambda name: made(
                EngineSettings(
                    name=name,
                    kind="icap",
                    address=f"127.0.0.1:{self._port}",
                    timeout_s=timeout_s(fault),
                    options={"profile": self._profile},
                )
            )


def _icap_script(fault: Fault | None) -> Callable[[bytes], bytes]:
    def script(_: bytes) -> bytes:
        match fault:
            case Fault.KILLED | Fault.EMPTY:
                return b""
            case Fault.HUNG:
                raise scripted_icap.Hang
            case Fault.GARBAGE:
                return b"\xff\xfe ICAP/1.0 204 Unmodified 204\r\n\r\n"
            case Fault.BEHIND:
                return icap("500 Server error", "Connection: close")
            case Fault.LICENCE:
                return icap("539 Aborted - No AV scanning license")
            case Fault.RELOADING:
                return icap("503 Service overloaded")
            case None:
                return _FOUND
            case _:
                return CLEAN

    return script


def _pause_s(fault: Fault | None) -> float | None:
    return 4 * SHORT_S if fault is Fault.SLOW else None


class Greeter:
    """Another service: it says what it says, whatever it is asked."""

    def __init__(self, fault: Fault) -> None:
        self._is_mail = fault is Fault.MAIL_SERVER
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if self._is_mail:
                writer.write(MAIL)
            while await reader.read(4096):
                writer.write(b"500 5.5.1 Command unrecognized\r\n" if self._is_mail else WEB)
                if not self._is_mail:
                    return
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def end(self, server: asyncio.Server) -> None:
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
