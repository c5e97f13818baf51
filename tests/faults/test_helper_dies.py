"""What swells or crashes on hostile mail is the helper, never the worker, and no mail is lost."""

from __future__ import annotations

import io
import os
import signal
import zipfile
from collections import Counter
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.support.cluster.cluster import Cluster
from tests.support.node.one_node import NODE, one_node
from tests.support.smtp import corpus
from tests.support.waiting import until

LETTERS, CRASHES = 30, 3
LETTERS_THOROUGH, CRASHES_THOROUGH = 60, 8


async def _crash_a_helper(running: Cluster) -> None:
    """Let the next helper that lives die of a segmentation fault."""

    async def look() -> bool:
        pid = running.helper(NODE)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGSEGV)
        except ProcessLookupError:  # it died of the blow before this one
            return False
        return True

    await until(look, "there is a helper")


@pytest.mark.scenario(
    row=22, checks="a helper that dies of SIGSEGV again and again: the worker lives, all ends"
)
async def test_a_helper_that_crashes_costs_no_mail_and_no_worker(
    tmp_path: Path, thorough: bool
) -> None:
    letters, crashes = (LETTERS_THOROUGH, CRASHES_THOROUGH) if thorough else (LETTERS, CRASHES)
    async with one_node(tmp_path) as node:
        worker = node.worker()
        sending = node.send(letters, names=["eicar-in-zip", "pdf-attached", "plain-text"])
        for _ in range(crashes):
            await _crash_a_helper(node.cluster)
        await sending
        messages = await node.check()
        assert node.worker() == worker

    assert len(messages) == letters


def _bomb(depth: int, swollen_bytes: int) -> bytes:
    """Return a message whose attachment, a zip inside zips, unpacks to so many octets."""
    content = bytes(swollen_bytes)
    for level in range(depth):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr(f"level-{level}.zip", content)
        content = made.getvalue()
    message = EmailMessage()
    message["Subject"] = f"{depth} levels"
    message.set_content("see attachment")
    message.add_attachment(content, maintype="application", subtype="zip", filename="all.zip")
    return message.as_bytes(policy=SMTP)


@pytest.mark.scenario(
    row=21, checks="archive bombs: quarantined as unscannable; the worker stays small and lives"
)
async def test_archive_bombs_end_in_the_quarantine_and_the_worker_lives(tmp_path: Path) -> None:
    bombs = [_bomb(1, 450 << 20), _bomb(2, 300 << 20), _bomb(17, 1 << 20)]
    async with one_node(tmp_path) as node:
        worker = node.worker()
        await node.send_these([*bombs, *map(corpus.message, ["plain-text"] * 20)])
        messages = await node.check()
        assert node.worker() == worker
        assert _peak_mib(worker) < 400

    reasons = Counter(
        recipient["reason"]
        for message in messages
        for recipient in message["recipients"]
        if recipient["state"] == "quarantined"
    )
    assert reasons.total() == len(bombs), reasons
    assert all("unscannable" in reason for reason in reasons), reasons


def _peak_mib(pid: int) -> int:
    """Return the most memory that a process had in use."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10
