"""The helper process: whatever a message does to it, the worker gets an answer and goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import tests.support.scanning.scripted_helper as scripted_helper
from common.clock import SystemClock
from satellite.scanning.helper import (
    RESTART_PAUSE_S,
    Helper,
    HelperUnavailable,
    Unscannable,
)
from tests.support.clock import FakeClock
from tests.support.scanning.messages import file_sample, sample_of

JOBS = "scanning_jobs:crashing"
WAIT_S = 30.0


@pytest.fixture
async def helper(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Helper]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    helper = Helper(clock=SystemClock(), memory_bytes=64 * 1024 * 1024, try_s=5.0)
    helper.add_job("test", JOBS, {"told": "yes"})
    yield helper
    await helper.close()


async def ask(helper: Helper, text: bytes, *, deadline_s: float = WAIT_S) -> dict[str, object]:
    return dict(await helper.ask("test", sample_of(text), deadline_s=deadline_s))


def scripted(mode: str, *, try_s: float = 5.0) -> Helper:
    script = str(Path(scripted_helper.__file__))
    helper = Helper(clock=SystemClock(), try_s=try_s, command=(sys.executable, script, mode))
    helper.add_job("test", JOBS, {})
    return helper


async def gone(pid: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)


async def test_a_message_is_answered_by_another_process_with_the_jobs_options(
    helper: Helper,
) -> None:
    answer = await ask(helper, b"hello")

    assert answer == {"size": 5, "pid": helper.pid, "told": "yes"}
    assert helper.pid not in (None, os.getpid())


async def test_one_process_serves_many_messages(helper: Helper) -> None:
    answers = await asyncio.gather(*(ask(helper, b"x" * (n + 1)) for n in range(50)))

    assert [answer["size"] for answer in answers] == list(range(1, 51))
    assert len({answer["pid"] for answer in answers}) == 1


async def test_a_large_message_is_read_from_its_file(helper: Helper, tmp_path: Path) -> None:
    sample = file_sample(tmp_path / "body", b"y" * 3_000_000)

    answer = await helper.ask("test", sample, deadline_s=WAIT_S)

    assert answer["size"] == 3_000_000


@pytest.mark.parametrize("message", [b"die", b"raise"])
async def test_a_message_that_ends_its_helper_twice_is_unscannable(
    helper: Helper, message: bytes
) -> None:
    with pytest.raises(Unscannable, match="unscannable: it ended its helper process, 2 times"):
        await ask(helper, message)

    assert (await ask(helper, b"next"))["size"] == 4


async def test_a_message_that_holds_its_helper_twice_is_unscannable() -> None:
    helper = scripted("silent", try_s=0.2)

    with pytest.raises(Unscannable, match=r"unscannable: it held its helper process for 0.2 s"):
        await ask(helper, b"hang")

    await helper.close()


async def test_a_hang_does_not_block_the_loop(helper: Helper) -> None:
    scan = asyncio.create_task(ask(helper, b"hang", deadline_s=1.0))
    turns = 0
    while not scan.done():
        await asyncio.sleep(0.005)
        turns += 1

    with pytest.raises(TimeoutError):
        await scan
    assert turns > 3  # of some two hundred; a loop that waits for the scan has one


async def test_the_time_runs_out_also_for_who_waits_for_a_turn(helper: Helper) -> None:
    await ask(helper, b"started")
    first = asyncio.create_task(ask(helper, b"hang", deadline_s=1.5))
    await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        await ask(helper, b"second", deadline_s=0.1)

    with pytest.raises(TimeoutError):
        await first
    assert (await ask(helper, b"third"))["size"] == 5


async def test_who_waits_for_a_turn_is_served_after_the_hostile_one(helper: Helper) -> None:
    hostile = asyncio.create_task(ask(helper, b"die"))
    await asyncio.sleep(0)

    assert (await ask(helper, b"patient"))["size"] == 7
    with pytest.raises(Unscannable):
        await hostile


async def test_a_death_is_remembered_when_the_time_runs_out_between_two_tries(
    helper: Helper,
) -> None:
    await ask(helper, b"started")
    pid = helper.pid
    assert pid is not None
    scan = asyncio.create_task(ask(helper, b"hang"))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    await gone(pid)
    async with asyncio.timeout(WAIT_S):
        while helper.pid in (None, pid):  # the second try has begun
            await asyncio.sleep(0.005)
    scan.cancel()
    await asyncio.wait([scan])

    with pytest.raises(Unscannable):
        helper.try_s = 0.2
        await ask(helper, b"hang")
    assert scan.cancelled()


async def test_memory_is_bounded(helper: Helper) -> None:
    assert await ask(helper, b"swell %d" % (32 * 1024 * 1024)) == {"size": 32 * 1024 * 1024}

    with pytest.raises(Unscannable):
        await ask(helper, b"swell %d" % (128 * 1024 * 1024))


async def test_no_file_can_be_written_from_it(helper: Helper, tmp_path: Path) -> None:
    with pytest.raises(Unscannable):
        await ask(helper, b"write " + os.fsencode(tmp_path))


async def test_few_descriptors_can_be_opened_in_it(helper: Helper) -> None:
    with pytest.raises(Unscannable):
        await ask(helper, b"open")


async def test_secrets_in_the_environment_are_kept_from_it(
    helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BORDERSCOUT_TOKEN", "secret")

    names = (await ask(helper, b"environment"))["names"]

    assert isinstance(names, list)
    assert "BORDERSCOUT_TOKEN" not in names


async def test_a_helper_that_died_while_idle_is_replaced_and_nobody_is_blamed(
    helper: Helper,
) -> None:
    await ask(helper, b"first")
    pid = helper.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await gone(pid)

    assert (await ask(helper, b"second"))["pid"] != pid


@pytest.mark.parametrize("mode", ["other-number", "too-long", "no-json", "list"])
async def test_nonsense_counts_as_a_death(mode: str) -> None:
    helper = scripted(mode)

    with pytest.raises(Unscannable, match="answered with nonsense"):
        await ask(helper, b"hello")

    await helper.close()


async def test_a_job_that_does_not_want_to_start_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    helper = Helper(clock=SystemClock())
    helper.add_job("test", "scanning_jobs:refusing", {})

    with pytest.raises(HelperUnavailable, match="rule 7 is wrong; correct it"):
        await ask(helper, b"hello")

    await helper.close()


async def test_a_helper_that_cannot_start_is_not_tried_for_each_message(tmp_path: Path) -> None:
    clock = FakeClock()
    counter = tmp_path / "starts"
    command = ("/bin/sh", "-c", f"echo >> {counter}")
    helper = Helper(clock=clock, command=command)
    helper.add_job("test", JOBS, {})
    for _ in range(5):
        with pytest.raises(HelperUnavailable):
            await ask(helper, b"hello")
    assert counter.read_text() == "\n"

    await clock.advance(RESTART_PAUSE_S)
    with pytest.raises(HelperUnavailable):
        await ask(helper, b"hello")

    assert counter.read_text() == "\n\n"
    await helper.close()


async def test_a_command_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    helper = Helper(clock=SystemClock(), command=(str(tmp_path / "nothing"),))

    with pytest.raises(HelperUnavailable):
        await ask(helper, b"hello")

    await helper.close()


def test_the_helper_dies_with_its_worker_whatever_kills_that(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from common.clock import SystemClock
from satellite.scanning.helper import Helper
from tests.support.scanning.messages import sample_of

async def main():
    helper = Helper(clock=SystemClock())
    helper.add_job("test", {JOBS!r}, {{}})
    await helper.ask("test", sample_of(b"hello"), deadline_s=30)
    print(helper.pid, flush=True)
    await helper.ask("test", sample_of(b"hang"), deadline_s=600)

asyncio.run(main())
"""
    worker = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path.cwd(), text=True
    )
    assert worker.stdout is not None
    with worker.stdout as output:
        pid = next(int(line) for line in output if line.strip().isdigit())
        assert _is_alive(pid)

        worker.kill()
        worker.wait()

    deadline = time.monotonic() + WAIT_S
    while _is_alive(pid):
        assert time.monotonic() < deadline, "the helper outlives its worker"
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
