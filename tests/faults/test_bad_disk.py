"""A disk that fails, lies down, or crawls loses nothing that was acknowledged.

Errors are injected into the system calls of a worker under load; the file system is taken away by
its own emergency stop. A sender hears 4xx or nothing, and has its answer later.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.support.cluster.cluster import kill
from tests.support.disks.lossy_disk import FileSystem, lossy_disk, stopped
from tests.support.disks.syscalls import injected
from tests.support.node.one_node import NODE, one_node
from tests.support.smtp.smtp_client import SmtpClient
from tests.support.waiting import until

LETTERS = 60
LETTERS_EACH = 8  # of a storm, for each crash: at least so many answers are still to come
ENOUGH = 300  # commands answered while one commit waits; a stopped loop answers a few before it

UNLINKS = "unlink,unlinkat"
MANY_CALLS = ("5+9", "2+3", "17+23")  # the first that fails of a thread, and each so many after it
FEW_CALLS = ("2+3", "1+2", "3+4")  # four to six for so many letters

FAULTS = [
    pytest.param(
        "fdatasync,fsync",
        "error=EIO",
        id="sync-EIO",
        marks=pytest.mark.scenario(row=12, checks="no 250 for what was not synced; a new worker"),
    ),
    pytest.param(
        "pwrite64",  # the database's; write(2) also rings the event loop's own bell
        "error=EIO",
        id="write-EIO",
        marks=pytest.mark.scenario(row=13, checks="each letter has one outcome"),
    ),
    pytest.param(
        "pwrite64",
        "error=EINTR",
        id="write-EINTR",
        marks=pytest.mark.scenario(row=13, checks="each letter has one outcome"),
    ),
    pytest.param(
        "rename,renameat,renameat2",
        "error=EIO",
        id="rename-EIO",
        marks=pytest.mark.scenario(row=14, checks="each letter has one outcome"),
    ),
    pytest.param(
        UNLINKS,
        "error=EIO",
        id="unlink-EIO",
        marks=pytest.mark.scenario(row=14, checks="delivered once, though its body stays"),
    ),
]


@pytest.mark.parametrize(("calls", "error"), FAULTS)
async def test_nothing_is_lost_when_the_disk_fails(
    tmp_path: Path, calls: str, error: str, thorough: bool
) -> None:
    moments = FEW_CALLS if calls == UNLINKS else MANY_CALLS
    async with one_node(tmp_path) as node:
        for number, moment in enumerate(moments if thorough else moments[:1]):
            log = tmp_path / f"strace-{number}"
            async with injected(node.worker(), calls, f"{error}:when={moment}", log=log) as fault:
                tally = await node.send(LETTERS, run=f"run{number}")
                # Bodies go after the answers; a run without a failure proves nothing.
                await until(fault.touched, "a call has failed")
            assert tally.accepted == LETTERS
            await node.cluster.ready(NODE)
        await node.check(syncs_failed="fdatasync" in calls)


@pytest.mark.scenario(
    row=16, checks="421 while it lasts, readiness says so, all is there when the disk is back"
)
async def test_nothing_is_lost_when_the_file_system_gives_up(tmp_path: Path) -> None:
    with lossy_disk(tmp_path, FileSystem.EXT4) as disk:
        async with one_node(tmp_path, settings={"state": str(disk.folder / "state")}) as node:
            before = await node.send(LETTERS)
            async with stopped(node.worker()):
                disk.cut_power()
            sending = node.send(LETTERS, run="after")
            await until(lambda: _greeting(*node.cluster.smtp(NODE)), "senders are turned away")
            readiness, _ = await node.cluster.get(NODE, "/readyz")
            assert node.ledger.accepted == LETTERS, "no 250 without a disk"
            await node.cluster.kill(NODE)
            await disk.restore()
            await node.cluster.restart(NODE)
            after = await sending
            await node.check(syncs_failed=True)

    assert readiness == 503
    assert before.accepted == after.accepted == LETTERS


async def _greeting(host: str, port: int) -> str | None:
    """Return the greeting that says go elsewhere, or None when there is another, or none yet."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(host, port)
            with contextlib.closing(writer):
                line = (await reader.readline()).decode("ascii")
                return line if line.startswith("421 ") else None
    return None


@pytest.mark.scenario(
    row=17, checks="others are answered while a commit waits for the disk; nothing is lost"
)
async def test_a_slow_disk_does_not_stop_the_conversation_with_others(tmp_path: Path) -> None:
    async with one_node(tmp_path) as node:
        host, port = node.cluster.smtp(NODE)
        other = SmtpClient(host, port, deadline_s=30)
        await other.open()
        log = tmp_path / "strace"
        slow = "delay_enter=5000000:when=1"  # microseconds
        async with injected(node.worker(), "fdatasync", slow, log=log) as fault:
            sending = node.send(1, names=["plain-text"])
            heard = 0
            while heard < ENOUGH and not sending.done():
                assert (await other.ask("NOOP")).startswith("250")
                heard += 1
            is_waiting = not sending.done()
            await sending
            assert fault.count == 1
        await other.quit()
        await node.send(20, run="after")
        await node.check()

    assert is_waiting, "nobody was answered while the disk was waited for"


@pytest.mark.scenario(row=6, checks="a worker killed in mid-commit, thirty times in a row")
async def test_a_storm_of_crashes_loses_nothing(tmp_path: Path, thorough: bool) -> None:
    crashes = 30 if thorough else 3
    async with one_node(tmp_path) as node:
        parts = []
        for crash in range(crashes):
            parts.append(node.send(LETTERS_EACH, run=f"storm{crash}"))
            await node.answers(3)
            kill(node.worker())
            await node.cluster.kill(NODE)
            await node.cluster.restart(NODE)
        tallies = await asyncio.gather(*parts)
        await node.check()

    assert [tally.accepted for tally in tallies] == [LETTERS_EACH] * crashes
    assert sum(tally.replies["none"] for tally in tallies) > 0, "no letter was ever interrupted"
