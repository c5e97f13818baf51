"""Is every process that a test starts heard, ended and reaped?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.node import processes
from tests.support.node.processes import Process, ProcessFailed

PYTHON = sys.executable


async def test_a_line_is_found_whether_it_came_before_or_comes_later() -> None:
    code = "import sys; print('port 2525', flush=True); sys.stdin.read(); print('bye')"
    async with Process([PYTHON, "-c", code]) as process:
        match = await process.wait_for_line(r"port (\d+)")
        assert match[1] == "2525"
        assert (await process.wait_for_line("port"))[0] == "port"
        await process.wait_for_line("bye")


async def test_standard_error_is_heard_too() -> None:
    async with Process([PYTHON, "-c", "import sys; sys.stderr.write('oh\\n')"]) as process:
        await process.wait_for_line("^oh$")


async def test_an_end_without_the_line_fails_at_once_and_quotes_the_last_words() -> None:
    async with Process([PYTHON, "-c", "print('cannot start')"]) as process:
        with pytest.raises(ProcessFailed, match=r"ended without(.|\n)*cannot start"):
            await process.wait_for_line("ready", deadline_s=60)


async def test_a_deadline_fails_with_what_was_waited_for() -> None:
    code = "import time; print('busy', flush=True); time.sleep(600)"
    async with Process([PYTHON, "-c", code]) as process:
        await process.wait_for_line("busy")
        with pytest.raises(ProcessFailed, match="no line like 'ready'"):
            await process.wait_for_line("ready", deadline_s=0.01)


async def test_stop_asks_and_kill_does_not() -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('up', flush=True); time.sleep(600)"
    )
    async with Process([PYTHON, "-c", code]) as polite, Process([PYTHON, "-c", code]) as killed:
        await polite.wait_for_line("up")
        await killed.wait_for_line("up")

        assert await polite.stop() == 7
        assert await killed.kill() == -signal.SIGKILL


async def test_what_a_process_leaves_behind_goes_with_it() -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('child', child.pid, flush=True)"
    )
    async with Process([PYTHON, "-c", code]) as process:
        child = int((await process.wait_for_line(r"child (\d+)"))[1])
        await process.wait()

    assert await _is_gone(child)


async def test_a_grandchild_that_left_the_session_does_not_hold_us_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "LAST_WORDS_S", 0.05)
    code = (
        "import subprocess, sys\n"
        "sleeper = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "child = subprocess.Popen(sleeper, start_new_session=True)\n"
        "print('child', child.pid, flush=True)"
    )
    async with Process([PYTHON, "-c", code]) as process:
        child = int((await process.wait_for_line(r"child (\d+)"))[1])
        await process.wait()

    os.kill(child, signal.SIGKILL)  # it is still there, and ours
    assert await _is_gone(child)


async def _is_gone(pid: int) -> bool:
    """Say whether a process has ended; who reaps an orphan is not up to us, so a zombie counts."""
    stat = Path(f"/proc/{pid}/stat")
    async with asyncio.timeout(10):
        while stat.exists():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z":
                    break
            await asyncio.sleep(0)
    return True
