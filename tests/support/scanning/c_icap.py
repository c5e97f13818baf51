"""A real c-icap with its virus-scan module, which asks a real clamd; on a port of loopback.

It is started in the foreground, and ended by its process id alone.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.support.network.ports import free_port
from tests.support.scanning.clamd import Clamd, clamd_binary

START_S = 60.0
POLL_S = 0.02
MAGIC = Path("/etc/c-icap/c-icap.magic")


def what_is_missing() -> str:
    """Return the package that is not installed, empty where all are."""
    if clamd_binary() is None:
        return "clamd"
    if shutil.which("c-icap") is None:
        return "c-icap"
    return "" if _modules() is not None else "libc-icap-mod-virus-scan"


def _modules() -> Path | None:
    return next((path.parent for path in Path("/usr/lib").glob("*/c_icap/virus_scan.so")), None)


class CIcap:
    """One c-icap before one clamd; a context manager.

    Args:
        clamd: what it asks; started and ended by whoever made it.
        settings: further lines of c-icap.conf.
        port: to listen on; 0: a free one.
        certificate: a file with key and certificate, for TLS on a port of its own; None: no TLS.
    """

    def __init__(
        self, clamd: Clamd, *settings: str, port: int = 0, certificate: Path | None = None
    ) -> None:
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.tls_address = f"127.0.0.1:{free_port()}" if certificate is not None else ""
        self._certificate = certificate
        self._folder = clamd.folder
        self._clamd = clamd
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        log = self._folder / "c-icap.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["c-icap", "-N", "-D", "-f", str(self._write())], stdout=output, stderr=output
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(log.read_text(errors="replace"))
            time.sleep(POLL_S)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        """Say whether it answers OPTIONS: only then has it found its clamd.

        It listens before, and who stopped clamd in between would hang it for ever.
        """
        question = (
            f"OPTIONS icap://{self.address}/virus_scan ICAP/1.0\r\nHost: {self.address}\r\n\r\n"
        )
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.settimeout(5)
                connection.sendall(question.encode())
                return connection.recv(64).startswith(b"ICAP/1.0 200 ")
        except OSError:
            return False

    def _write(self) -> Path:
        modules = _modules()
        lines = [
            f"PidFile {self._folder}/c-icap.pid",
            f"CommandsSocket {self._folder}/c-icap.ctl",
            f"Port 127.0.0.1:{self.port}",
            "StartServers 1",
            "MaxServers 1",  # a child that is added could not be told from one that is left
            "ThreadsPerChild 30",
            f"TmpDir {self._folder}",
            f"ModulesDir {modules}",
            f"ServicesDir {modules}",
            "TemplateDir /usr/share/c_icap/templates/",
            f"LoadMagicFile {MAGIC}",
            f"ServerLog {self._folder}/c-icap.server.log",
            f"AccessLog {self._folder}/c-icap.access.log",
            "Module common clamd_mod.so",
            f"clamd_mod.ClamdSocket {self._clamd.socket}",
            "Service echo srv_echo.so",
            "Service antivirus_module virus_scan.so",
            "virus_scan.DefaultEngine clamd",
            "virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE",
            "virus_scan.MaxObjectSize 5M",
            # Else it begins to send a message back before it has looked at all of it, and then
            # can tell of a virus only by breaking off.
            "virus_scan.StartSendPercentDataAfter 5M",
            *self._settings,
        ]
        if self._certificate is not None:
            lines.append(
                f"TlsPort {self.tls_address} cert={self._certificate} key={self._certificate}"
            )
        path = self._folder / "c-icap.conf"
        path.write_text("\n".join(lines) + "\n")
        return path
