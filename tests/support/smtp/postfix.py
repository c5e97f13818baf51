"""How does Postfix take and send mail, when it is configured by a test?

Touches processes. A whole Postfix below a folder of its own; the system's is left alone. It must be
started by root, who it stops being at once; a test that misses root or Postfix is skipped.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.network.ports import free_port
from tests.support.node.processes import Process
from tests.support.smtp.senders import program

START_S = 60.0
LOG_LINES = 60

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A Postfix that runs: the port that it listens on, and the folder of its files."""

    port: int
    folder: Path

    def held(self) -> list[Path]:
        """Return what is in its hold queue."""
        return [path for path in (self.folder / "queue" / "hold").rglob("*") if path.is_file()]

    async def flush(self) -> None:
        """Have it try all mail of its queue now, as an operator does with ``postqueue -f``."""
        await _control([program("postqueue"), "-c", str(self.folder / "conf"), "-f"])


@asynccontextmanager
async def postfix(*main: str, port: int = 0) -> AsyncIterator[int]:
    """Run Postfix and return its port on 127.0.0.1; the arguments are those of below."""
    async with running_postfix(*main, port=port) as running:
        yield running.port


@asynccontextmanager
async def running_postfix(*main: str, port: int = 0, master: str = "") -> AsyncIterator[Postfix]:
    """Run Postfix.

    Args:
        main: lines of ``main.cf`` that are added to, and may replace, those that are always there.
        port: to listen on; 0 picks a free one.
        master: further entries of ``master.cf``; one for ``smtp inet`` is that of the port.
    """
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    command = [program("postfix"), "-c"]
    # Not below the test's own folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    folder.chmod(0o755)
    port = port or free_port()
    try:
        for name in ("queue", "data", "conf"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "conf" / "main.cf").write_text(_only_last([*_main(folder), *main]))
        (folder / "conf" / "master.cf").write_text(_master(master, port))
        control = [*command, str(folder / "conf")]
        await _control([*control, "start"])
        try:
            await greets(port)
            yield Postfix(port, folder)
        except AssertionError as error:
            error.add_note(_said(folder / "mail.log"))
            raise
        finally:
            # Its master leads a session of its own, so it has to be asked.
            await _control([*control, "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _master(more: str, port: int) -> str:
    """Return ``master.cf``, in which what listens on the port stands once."""
    own = MASTER.format(port=port)
    public = re.compile(r"(?m)^smtp +inet +")
    if public.search(more):
        own = own.replace(f"127.0.0.1:{port} inet n - n - - smtpd\n", "")
    return own + public.sub(f"127.0.0.1:{port} inet ", more)


def _main(folder: Path) -> list[str]:
    return [
        "compatibility_level = 3.6",
        f"queue_directory = {folder / 'queue'}",
        f"data_directory = {folder / 'data'}",
        "myhostname = mail.acme.example",
        "mydestination =",
        "local_recipient_maps =",
        "alias_maps =",
        "mynetworks = 127.0.0.0/8",
        "inet_interfaces = 127.0.0.1",
        "inet_protocols = ipv4",
        "smtp_dns_support_level = disabled",
        "smtpd_peername_lookup = no",
        "smtpd_relay_restrictions = permit_mynetworks, reject",
        f"maillog_file = {folder / 'mail.log'}",
        f"maillog_file_prefixes = {folder}",
        "smtpd_tls_security_level = none",
        "smtp_tls_security_level = none",
    ]


def _said(log: Path) -> str:
    """Return the end of the log, for whoever reads why a test failed."""
    if not log.exists():
        return "Postfix has no log"
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return "\n".join(["The end of Postfix's log:", *lines])


def _only_last(lines: Sequence[str]) -> str:
    """Return ``main.cf`` with each parameter once.

    Each process warns of one that stands there twice. Its master waits for room in the socket of
    the log, which takes ten lines, and only the master can start who reads them.
    """
    found = {line.partition(" =")[0]: line for line in lines}
    return "\n".join(found.values()) + "\n"


async def _control(command: list[str]) -> None:
    async with Process(command) as process:
        returncode = await process.wait(deadline_s=START_S)
    assert returncode == 0, "\n".join(process.lines)


async def greets(port: int, server: Process | None = None) -> None:
    """Return once a mail server greets on a port of 127.0.0.1.

    Raises:
        AssertionError: its process has ended.
    """
    async with asyncio.timeout(START_S):
        while not await _says_220(port):
            ended = server is not None and server.returncode is not None
            assert not ended, "\n".join(server.lines if server else ())
            await asyncio.sleep(0.05)


async def _says_220(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        return (await reader.readline()).startswith(b"220")
    finally:
        writer.close()
