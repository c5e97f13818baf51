"""Does ClamAV load these definitions, and what does it say of a message with them?

Touches a process and a Unix socket. The clamd is the core's own and lives as long as one trial: it
has the candidate's folder for its definitions, listens where only we reach it, and is bound in
memory and time. Nothing of the node's own clamd, if there is one, is touched.

Source: clamd(8), *COMMANDS*; clamd.conf(5).
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import struct
import tempfile
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from common.errors import EnvironmentFailure, PeerError
from core.definitions.programs import BoundedProgram, program_path

POLL_S = 0.05
ANSWER_BYTES_MAX = 4096
CHUNK_BYTES = 65_536
SCAN_S = 60.0  # of one sample
_SCAN_BYTES_MAX = 104_857_600
_LOG_LENGTH_MAX = 65_536
# How a program ends that could not deal with what it read.
_DIED = frozenset(
    (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGXCPU)
)

_FOUND = re.compile(r"stream: (.{1,200}) FOUND")
# What clamd says when it passes over something that it cannot use, and goes on without it.
_PASSED_OVER = re.compile(r"failed to parse or load|cannot be loaded|Malformed", re.IGNORECASE)
# What it says when it lacks something: memory, or the right to read.
_NOT_THEIR_FAULT = re.compile(r"memory|Can't open|Permission denied", re.IGNORECASE)
_SIGNATURES = re.compile(r"Loaded (\d{1,12}) signatures")


class DefinitionsRefused(PeerError):
    """The definitions are at fault: with them clamd does not start, or not work."""


class TrialFailed(EnvironmentFailure):
    """The trial could not be made; it says nothing of the definitions."""


class TrialClamd:
    """One clamd with one set of definitions; an asynchronous context manager.

    Args:
        definitions: the folder.
        program: clamd, by name or path.
        memory_bytes: of its address space.
        load_s: seconds that it may take to load.

    Raises, when entered:
        ProgramMissing: clamd is not installed.
        DefinitionsRefused: it does not start with these definitions.
        TrialFailed: it does not start, and not for their sake.
    """

    def __init__(
        self, definitions: Path, *, program: str, memory_bytes: int, load_s: float
    ) -> None:
        self._definitions = definitions
        self._program = program
        self._memory_bytes = memory_bytes
        self._load_s = load_s
        self._running: BoundedProgram | None = None
        self._folder: Path | None = None
        self.version = ""  # once it answers
        self.signatures = 0  # that it said that it loaded; 0: it did not say

    async def __aenter__(self) -> Self:
        path = program_path(self._program)
        try:
            # In the system's folder for such: the path of a socket has at most 107 octets.
            self._folder = await asyncio.to_thread(_made_folder)
            await asyncio.to_thread(self._write_settings, self._folder)
            self._running = BoundedProgram(
                [path, "--foreground", "--config-file", str(self._folder / "clamd.conf")],
                memory_bytes=self._memory_bytes,
                cpu_s=int(self._load_s) + 300,
            )
            await self._running.start()
            await self._loaded()
        except OSError as error:
            await self._close()
            raise TrialFailed(f"clamd cannot be started: {error.strerror}") from None
        except BaseException:  # cancellation, too: whoever does not enter never leaves
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._close()

    @property
    def passed_over(self) -> str:
        """What it could not use and went on without, as it said so; empty: nothing."""
        assert self._running is not None
        lines = [one for one in self._running.printed.splitlines() if _PASSED_OVER.search(one)]
        return self._shown(lines[-1]) if lines else ""

    async def threat_in(self, message: bytes) -> str:
        """Return the name of what clamd finds in a message; empty: it is clean.

        Raises:
            DefinitionsRefused: it says neither, or died of it.
        """
        try:
            async with asyncio.timeout(SCAN_S):
                said = await self._asked(b"zINSTREAM\0", message)
        except TimeoutError:
            raise DefinitionsRefused(f"clamd gave no answer within {SCAN_S:.0f} s") from None
        except OSError as error:
            raise DefinitionsRefused(f"clamd ended while it scanned: {error}") from None
        if said == "stream: OK":
            return ""
        found = _FOUND.fullmatch(said)
        if found is None:
            raise DefinitionsRefused(f"clamd said {self._shown(said) or 'nothing'}")
        return _plain(found[1])

    async def _loaded(self) -> None:
        """Return once it answers.

        Raises:
            DefinitionsRefused: it ends, or does not answer in time.
        """
        assert self._running is not None
        try:
            async with asyncio.timeout(self._load_s):
                while not await self._answers():
                    if not self._running.is_running:
                        await self._ended(await self._running.ended())
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise DefinitionsRefused(
                f"clamd had not loaded them after {self._load_s:.0f} s"
            ) from None
        loaded = _SIGNATURES.findall(await asyncio.to_thread(self._logged))
        self.signatures = sum(int(number) for number in loaded)

    async def _ended(self, status: int) -> NoReturn:
        """Say whose fault it is that clamd ended.

        Raises:
            DefinitionsRefused: it complains of them, or died of them.
            TrialFailed: it was not given what it needs.
        """
        assert self._running is not None
        printed = f"{self._running.printed}\n{await asyncio.to_thread(self._logged)}"
        lines = [line for line in printed.splitlines() if "rror" in line]
        said = "; ".join(dict.fromkeys(self._shown(line) for line in lines[-3:]))
        why = said or f"it ended with status {status}"
        is_ours = _NOT_THEIR_FAULT.search(printed) is not None
        if -status in _DIED or ("LibClamAV Error" in printed and not is_ours):
            raise DefinitionsRefused(f"clamd does not load them: {why}")
        raise TrialFailed(
            f"clamd does not start: {why}",
            hint="may it read the state folder (AppArmor), and has it memory"
            " (definitions.memory_bytes)?",
        )

    async def _answers(self) -> bool:
        try:
            said = await self._asked(b"zVERSION\0")
        except OSError:
            return False
        if not said.startswith("ClamAV "):
            return False
        self.version = _plain(said)
        return True

    async def _asked(self, command: bytes, content: bytes | None = None) -> str:
        assert self._folder is not None
        reader, writer = await asyncio.open_unix_connection(self._folder / "clamd.sock")
        try:
            writer.write(command)
            if content is not None:
                for start in range(0, len(content), CHUNK_BYTES):
                    chunk = content[start : start + CHUNK_BYTES]
                    writer.write(struct.pack("!I", len(chunk)) + chunk)
                    await writer.drain()
                writer.write(struct.pack("!I", 0))
            await writer.drain()
            said = await reader.read(ANSWER_BYTES_MAX)
            while said and not said.endswith(b"\0") and len(said) < ANSWER_BYTES_MAX:
                more = await reader.read(ANSWER_BYTES_MAX - len(said))
                if not more:
                    break
                said += more
        finally:
            writer.transport.abort()
        return said.removesuffix(b"\0").decode("utf-8", "replace")

    async def _close(self) -> None:
        if self._running is not None:
            await self._running.kill()
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, True)

    def _logged(self) -> str:
        """Return what it wrote to its log, the first of it."""
        assert self._folder is not None
        try:
            with (self._folder / "clamd.log").open(encoding="utf-8", errors="replace") as log:
                return log.read(_LOG_LENGTH_MAX)
        except OSError:
            return ""

    def _shown(self, line: str) -> str:
        """Return a line of clamd's as people may read it: without our paths, and bounded."""
        return _plain(line.replace(f"{self._definitions}/", "").replace("LibClamAV ", ""))

    def _write_settings(self, folder: Path) -> None:
        lines = [
            f"LocalSocket {folder}/clamd.sock",
            f"DatabaseDirectory {self._definitions}",
            f"TemporaryDirectory {folder}",
            f"LogFile {folder}/clamd.log",
            f"StreamMaxLength {_SCAN_BYTES_MAX}",
            "MaxThreads 2",
            "SelfCheck 0",
            "LogVerbose yes",
            "AlertExceedsMax no",
        ]
        (folder / "clamd.conf").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _made_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="borderscout-gate-"))


def _plain(text: str) -> str:
    cut = text.strip()[:300]
    return "".join(c if c.isprintable() else "?" for c in cut)
