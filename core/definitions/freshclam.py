"""How does the core fetch ClamAV's definitions?

Touches the network and a folder, through ClamAV's own program: it alone may ask the official
mirrors, checks the signatures of what comes, and knows for how long it must not ask again. Whole
files are fetched, never differences, since what is signed is the whole.

Source: freshclam.conf(5); freshclam(1), *RETURN CODES*; libfreshclam.h, ``fc_error_t``;
docs.clamav.net, *Private Local Mirrors*.
"""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from common.durable import write_file
from common.errors import EnvironmentFailure
from common.settings.core import FreshclamSettings
from common.settings.values import split_endpoint
from core.definitions.programs import BoundedProgram, program_path

RUN_S = 1800.0  # the official set over a slow path
MEMORY_BYTES = 4 << 30  # of address space

_MEANING: Mapping[int, str] = {
    # What the program of today gives, by its library's codes.
    5: "the mirror cannot be reached",
    6: "what came is empty",
    7: "what came is damaged, or not signed by who should have signed it",
    9: "freshclam does not take its settings",
    10: "the folder of the mirror cannot be written",
    11: "the mirror cannot be reached, or does not give what it should",
    12: "the mirrors do not have the newest version yet",
    14: "what came cannot be taken into the folder",
    17: "the mirror turns us away: it blocks this address, or this old freshclam",
    18: "the mirror was asked too often; freshclam waits before it asks again",
    # What its manual page says.
    40: "freshclam does not know an option of ours",
    50: "the folder of the mirror cannot be entered",
    51: "what came has another checksum",
    52: "the mirror cannot be reached",
    53: "an old file cannot be removed",
    54: "what came is not signed by who should have signed it",
    55: "a file cannot be read",
    56: "freshclam does not take its settings",
    57: "a file cannot be made: is there room on the disk?",
    58: "the mirror does not give what it should",
    59: "the mirrors do not have the newest version yet",
    60: "freshclam's user is not known",
    61: "freshclam cannot become its user",
    62: "freshclam cannot write its log",
}


class FetchFailed(EnvironmentFailure):
    """The definitions could not be fetched; those that are there stay."""


class Freshclam:
    """Runs freshclam into a folder.

    Args:
        settings: which mirrors.
        folder: of the mirror; made if it is missing.
        config: where to write freshclam's settings.
    """

    def __init__(self, settings: FreshclamSettings, *, folder: Path, config: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._config = config

    async def fetch(self) -> None:
        """Fetch what is new.

        Raises:
            ProgramMissing: freshclam is not installed.
            FetchFailed: nothing new came; the text says why.
        """
        path = program_path(self._settings.program)
        try:
            await asyncio.to_thread(self._prepare)
            only_custom = () if self._settings.official else ("--update-db=custom",)
            program = BoundedProgram(
                [path, f"--config-file={self._config}", "--foreground", "--stdout", *only_custom],
                memory_bytes=MEMORY_BYTES,
                cpu_s=int(RUN_S),
            )
            await program.start()
        except KeyError:
            raise FetchFailed("freshclam needs a user with a name, and ours has none") from None
        except OSError as error:
            raise FetchFailed(f"freshclam cannot be started: {error}") from None
        try:
            async with asyncio.timeout(RUN_S):
                status = await program.ended()
        except TimeoutError:
            raise FetchFailed(f"freshclam had not come to an end after {RUN_S:.0f} s") from None
        finally:
            await program.kill()
        if status != 0:
            raise FetchFailed(_why(status, program.printed))

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(self._config, self.config_text().encode())

    def config_text(self) -> str:
        """Return freshclam's settings."""
        said = self._settings
        lines = [
            f"DatabaseDirectory {self._folder}",
            f"DatabaseOwner {pwd.getpwuid(os.geteuid()).pw_name}",
            # Not again what clamd does at the gate, with as much memory.
            "TestDatabases no",
            "ScriptedUpdates no",
            "ConnectTimeout 30",
            "ReceiveTimeout 300",
            "MaxAttempts 1",
            "CompressLocalDatabase no",
        ]
        if said.private_mirrors:
            lines += [f"PrivateMirror {url}" for url in said.private_mirrors]
        else:
            lines += [f"DatabaseMirror {url}" for url in said.mirrors]
        if said.proxy:
            host, port = split_endpoint(said.proxy)
            lines += [f"HTTPProxyServer {host}", f"HTTPProxyPort {port}"]
        lines += [f"DatabaseCustomURL {url}" for url in said.custom_urls]
        return "".join(f"{line}\n" for line in lines)


def _why(status: int, printed: str) -> str:
    what = _MEANING.get(status, f"freshclam ended with status {status}")
    said = next((line for line in printed.splitlines() if line.startswith("ERROR")), "")
    shown = "".join(c if c.isprintable() else "?" for c in said[:300])
    return f"{what} ({shown})" if shown else what
