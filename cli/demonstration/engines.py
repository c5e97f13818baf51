"""Which engines does the demonstration run, and which of them are real?

Touches processes, files and loopback. Our own reader is on each satellite. Beside it ClamAV's
daemon runs, and c-icap with its virus-scan module before it, where both are installed, with a
database of one signature that is written here; in place of who is not installed, or does not start,
a scripted peer answers and is called so.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.demonstration.mail import EICAR
from cli.demonstration.process import DemoProcess, free_port, until
from cli.demonstration.scripted_peers import THREAT, ScriptedPeer, clamd_session, icap_session

START_S = 20.0
ASK_S = 5.0
WHERE = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"  # daemons are not in everybody's PATH
MAGIC = Path("/etc/c-icap/c-icap.magic")
TEMPLATES = Path("/usr/share/c_icap/templates/")
SESSIONS_MAX = 4  # of each satellite, with each server; c-icap has a thread for each

Entry = dict[str, Any]
OWN: Entry = {"name": "yara", "kind": "yara"}


@dataclass(slots=True)
class DemoEngines:
    """The engines beside our own, for all satellites.

    Args:
        folder: where they keep everything.
        entries: all engines, as the inventory names them; from ``start`` on.
    """

    folder: Path
    entries: list[Entry] = field(default_factory=lambda: [OWN])
    _running: list[DemoProcess | ScriptedPeer] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """What verdicts call them."""
        return [entry["name"] for entry in self.entries]

    async def start(self, told: Callable[[str], None]) -> None:
        """Start them; says which are real."""
        self.folder.mkdir(parents=True, exist_ok=True)
        clamav = await self._real_clamav(told)
        c_icap = await self._real_c_icap(clamav["address"], told) if clamav else None
        self.entries = [
            OWN,
            clamav or await self._scripted("clamav", "clamd", clamd_session),
            c_icap or await self._scripted("icap", "icap", icap_session),
        ]
        told(f"engines: {', '.join(self.names)}")

    async def end(self) -> None:
        """Stop them; who asks another one first."""
        for one in reversed(self._running):
            await one.end()

    async def _scripted(self, name: str, kind: str, session: Any) -> Entry:
        peer = ScriptedPeer(session)
        self._running.append(peer)
        return {"name": f"scripted-{name}", "kind": kind, "address": await peer.start()}

    async def _real_clamav(self, told: Callable[[str], None]) -> Entry | None:
        program = _program("clamd")
        if program is None:
            told("clamd is not installed: a scripted peer answers in its place")
            return None
        port = free_port()
        file = self._clamd_conf(port)
        process = DemoProcess(
            "clamd", [program, "--foreground", "-c", str(file)], self.folder / "clamd.log"
        )
        if not await self._starts(process, lambda: _pongs(port), told):
            return None
        address, options = f"127.0.0.1:{port}", {"sessions_max": SESSIONS_MAX}
        return {"name": "clamav", "kind": "clamd", "address": address, "options": options}

    async def _real_c_icap(self, clamd: str, told: Callable[[str], None]) -> Entry | None:
        program, modules = _program("c-icap"), _c_icap_modules()
        if program is None or modules is None:
            told("c-icap with its virus-scan module is not installed: a scripted peer answers")
            return None
        port = free_port()
        file = self._c_icap_conf(port, int(clamd.rpartition(":")[2]), modules)
        process = DemoProcess(
            "c-icap", [program, "-N", "-D", "-f", str(file)], self.folder / "c-icap.log"
        )
        if not await self._starts(process, lambda: _listens(port), told):
            return None
        options = {"service": "virus_scan", "sessions_max": SESSIONS_MAX}
        address = f"127.0.0.1:{port}"
        return {"name": "c-icap", "kind": "icap", "address": address, "options": options}

    async def _starts(
        self, process: DemoProcess, answers: Any, told: Callable[[str], None]
    ) -> bool:
        """Say whether a process is up; one that is not is ended."""
        self._running.append(process)
        await process.start()

        async def is_decided() -> bool:
            return process.has_ended or await answers()

        if await until(is_decided, START_S) and not process.has_ended:
            return True
        await process.end()
        words = process.last_line() or "nothing"
        told(f"{process.name} did not start, a scripted peer answers: it said {words}")
        return False

    def _clamd_conf(self, port: int) -> Path:
        database, temporary = self.folder / "database", self.folder / "temporary"
        for folder in (database, temporary):
            folder.mkdir(exist_ok=True)
        signature = f"{THREAT}:0:*:{EICAR.encode('ascii').hex()}\n"
        (database / "demonstration.ndb").write_text(signature)
        lines = (
            "Foreground yes",
            f"TCPSocket {port}",
            "TCPAddr 127.0.0.1",
            f"DatabaseDirectory {database}",
            f"TemporaryDirectory {temporary}",
            "MaxThreads 20",
            "AlertExceedsMax yes",
            "AlertEncrypted yes",
        )
        return _written(self.folder / "clamd.conf", lines)

    def _c_icap_conf(self, port: int, clamd_port: int, modules: Path) -> Path:
        lines = (
            f"PidFile {self.folder / 'c-icap.pid'}",
            f"CommandsSocket {self.folder / 'c-icap.ctl'}",
            f"Port 127.0.0.1:{port}",
            "StartServers 1",
            "MaxServers 1",
            "ThreadsPerChild 30",
            f"TmpDir {self.folder}",
            f"ModulesDir {modules}",
            f"ServicesDir {modules}",
            f"TemplateDir {TEMPLATES}",
            f"LoadMagicFile {MAGIC}",
            f"ServerLog {self.folder / 'c-icap.server.log'}",
            f"AccessLog {self.folder / 'c-icap.access.log'}",
            "Module common clamd_mod.so",
            "clamd_mod.ClamdHost 127.0.0.1",
            f"clamd_mod.ClamdPort {clamd_port}",
            "Service antivirus_module virus_scan.so",
            "virus_scan.DefaultEngine clamd",
            "virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE",
            "virus_scan.MaxObjectSize 5M",
            "virus_scan.StartSendPercentDataAfter 5M",
        )
        return _written(self.folder / "c-icap.conf", lines)


def _written(path: Path, lines: tuple[str, ...]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=WHERE)


def _c_icap_modules() -> Path | None:
    """Return where c-icap's modules are, None where a file that is needed is missing."""
    if not MAGIC.exists():
        return None
    found = (path.parent for path in Path("/usr/lib").glob("*/c_icap/virus_scan.so"))
    return next((folder for folder in found if (folder / "clamd_mod.so").exists()), None)


async def _pongs(port: int) -> bool:
    """Say whether a clamd answers PING there."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(ASK_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"zPING\0")
                return await reader.read(64) == b"PONG\0"
            finally:
                writer.close()
    return False


async def _listens(port: int) -> bool:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(ASK_S):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
    return False
