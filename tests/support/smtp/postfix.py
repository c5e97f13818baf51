"""How does Postfix take and send mail, when it is configured by a test?

Touches processes. A whole Postfix below a folder of its own; the system's is left alone. It must be
started by root, who it stops being at once; a test that misses root or Postfix is skipped.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.network.ports import free_port
from tests.support.node.processes import Process
from tests.support.smtp.senders import program

START_S = 60.0

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


@asynccontextmanager
async def postfix(*main: str) -> AsyncIterator[int]:
    """Run Postfix and return its port on 127.0.0.1.

    Args:
        main: lines of ``main.cf`` that are added to, and may replace, those that are always there.
    """
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    command = [program("postfix"), "-c"]
    # Not below the test's own folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    folder.chmod(0o755)
    port = free_port()
    try:
        for name in ("queue", "data", "conf"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "conf" / "main.cf").write_text("\n".join([*_main(folder), *main]) + "\n")
        (folder / "conf" / "master.cf").write_text(MASTER.format(port=port))
        control = [*command, str(folder / "conf")]
        await _control([*control, "start"])
        try:
            await _greets(port)
            yield port
        finally:
            # Its master leads a session of its own, so it has to be asked.
            await _control([*control, "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


async def _control(command: list[str]) -> None:
    async with Process(command) as process:
        returncode = await process.wait(deadline_s=START_S)
    assert returncode == 0, "\n".join(process.lines)


async def _greets(port: int) -> None:
    async with asyncio.timeout(START_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            greeting = await reader.readline()
            writer.close()
            if greeting.startswith(b"220"):
                return
