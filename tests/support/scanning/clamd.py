"""A real clamd for tests: on a Unix socket in a folder of its own, with one signature.

It is started in the foreground, so that its process id is known, and ended by that id alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE_NAME = "Eicar-Test-Signature.UNOFFICIAL"  # clamd marks databases that are not its own
START_S = 60.0
POLL_S = 0.02


def clamd_binary() -> str | None:
    """Return where clamd is, None where it is not installed."""
    return shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin:/usr/local/sbin")


class Clamd:
    """One clamd, started with ``start``, ended with ``stop``; also a context manager.

    Args:
        folder: where it keeps everything; short, since a socket's path is bounded.
        settings: further lines of clamd.conf.
        port: a TCP port on loopback to listen on as well; 0: none.
    """

    def __init__(self, folder: Path, *settings: str, port: int = 0) -> None:
        self.folder = folder
        self.socket = folder / "clamd.sock"
        self.address = f"unix:{self.socket}"
        self.port = port
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Start it and wait until it answers PING."""
        binary = clamd_binary()
        assert binary is not None
        configuration = self._write()
        self.socket.unlink(missing_ok=True)
        with (self.folder / "clamd.log").open("ab") as output:
            self._process = subprocess.Popen(
                [binary, "--foreground", "-c", str(configuration)], stdout=output, stderr=output
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError((self.folder / "clamd.log").read_text(errors="replace"))
            time.sleep(POLL_S)
        return self

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in order."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def freeze(self) -> None:
        """Make it hang: it keeps its sockets and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def learn(self, name: str, content: bytes) -> None:
        """Give it a new definition, of one content, and return once it holds."""
        line = f"{hashlib.sha256(content).hexdigest()}:{len(content)}:{name}\n"
        (self.folder / "database" / f"{name}.hsb").write_text(line)
        self._said(b"zRELOAD\0")
        deadline = time.monotonic() + START_S
        stream = len(content).to_bytes(4, "big") + content + bytes(4)
        while b"FOUND" not in self._said(b"zINSTREAM\0" + stream):
            assert time.monotonic() < deadline, "it has not loaded the definition"
            time.sleep(POLL_S)

    def _said(self, question: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(START_S)
            connection.connect(str(self.socket))
            connection.sendall(question)
            return connection.recv(1024)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"zPING\0")
                return connection.recv(64) == b"PONG\0"
            except OSError:
                return False

    def _write(self) -> Path:
        database = self.folder / "database"
        temporary = self.folder / "temporary"
        for folder in (database, temporary):
            folder.mkdir(parents=True, exist_ok=True)
        (database / "test.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
        lines = [
            f"LocalSocket {self.socket}",
            f"DatabaseDirectory {database}",
            f"TemporaryDirectory {temporary}",
            "AlertExceedsMax yes",
            "AlertEncrypted yes",
            "Foreground yes",
            *_without_shutdown(),
            *self._settings,
        ]
        if self.port:
            lines += [f"TCPSocket {self.port}", "TCPAddr 127.0.0.1"]
        configuration = self.folder / "clamd.conf"
        configuration.write_text("\n".join(lines) + "\n")
        return configuration


def _without_shutdown() -> list[str]:
    """Return the line that forbids SHUTDOWN, for a clamd that knows it (from 1.5 on)."""
    binary = clamd_binary()
    assert binary is not None
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    found = re.match(r"ClamAV (\d+)\.(\d+)", said.stdout)
    known = found is not None and (int(found[1]), int(found[2])) >= (1, 5)
    return ["EnableShutdownCommand no"] if known else []
