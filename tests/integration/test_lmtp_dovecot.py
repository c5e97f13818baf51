"""A real LMTP server takes our mail, and answers for each recipient."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.delivery.delivery_room import OpenRoom, clock, open_room, resolver, route
from tests.support.network.ports import free_port
from tests.support.node.processes import Process

__all__ = ["clock", "open_room", "resolver"]

DOVECOT = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/sbin") or ""
NOBODY = 65534
LMTP = Path("/usr/lib/dovecot/lmtp")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not DOVECOT or not LMTP.exists(), reason="dovecot-lmtpd is not installed"),
]

_CONFIG = """
protocols = lmtp
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
info_log_path = /dev/stderr
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = {owner}
first_valid_gid = {owner}
ssl = no
mail_location = maildir:{folder}/mail/%u
auth_mechanisms = plain
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service lmtp {{
  chroot =
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """A running server with one user."""

    port: int
    mail: Path


@pytest.fixture
async def dovecot() -> AsyncIterator[Dovecot]:
    # Not below the test's own folder: Dovecot keeps no mail as root, and others may not go there.
    with tempfile.TemporaryDirectory(prefix="dovecot-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        mail = folder / "mail"
        mail.mkdir()
        owner = os.getuid() or NOBODY
        if owner != os.getuid():
            os.chown(mail, owner, owner)
        (folder / "users").write_text(f"joe@acme.example:{{PLAIN}}x:{owner}:{owner}::{mail}::\n")
        port, user = free_port(), getpass.getuser()
        config = folder / "dovecot.conf"
        config.write_text(
            _CONFIG.format(folder=folder, port=port, user=user, group=folder.group(), owner=owner)
        )
        async with Process([DOVECOT, "-F", "-c", config], cwd=folder) as process:
            await process.wait_for_line("starting up")
            yield Dovecot(port, mail)


async def test_each_recipient_has_an_outcome_of_its_own(
    open_room: OpenRoom, dovecot: Dovecot
) -> None:
    room = await open_room(route("acme.example", f"lmtp:127.0.0.1:{dovecot.port}"))
    message = await room.accept("joe@acme.example", "nobody@acme.example")
    await room.until_ended(message)

    ended = room.results("ended")
    assert ended["joe@acme.example"]["outcome"] == "delivered"
    assert ended["nobody@acme.example"]["outcome"] == "bounced"
    (kept,) = (dovecot.mail / "joe@acme.example" / "new").iterdir()
    assert b"hello" in kept.read_bytes()
