"""The helper process: whatever a message does to it, the worker gets an answer and goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs

import tests.support.scanning.scripted_helper as scripted_helper
from common.clock import SystemClock
from satellite.scanning.helper import (
    RESTART_PAUSE_S,
    Helper,
    Unscannable,
)
from satellite.scanning.spawned import HelperProcess, HelperUnavailable
from tests.support.clock import FakeClock
from tests.support.scanning.messages import file_sample, sample_of

JOBS = "scanning_jobs:crashing"
WAIT_S = 120.0


@pytest.fixture
async def helper(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Helper]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    for name in ("SHORT_TURN_S", "LONG_TURN_S"):  # a busy machine is no fault of a test's
        monkeypatch.setattr(f"satellite.scanning.helper.{name}", 600.0)
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


async def test_a_message_that_holds_its_helper_twice_is_unscannable(helper: Helper) -> None:
    helper.try_s = 0.7

    with pytest.raises(Unscannable, match=r"unscannable: it held its helper process for 0.7 s"):
        await ask(helper, b"spin 600")

    assert (await ask(helper, b"next"))["size"] == 4


async def test_a_helper_that_neither_works_nor_waits_is_ended(
    helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satellite.scanning.helper.IDLE_S", 0.2)

    with pytest.raises(Unscannable, match=r"its helper process did nothing for 0.2 s, 2 times"):
        await ask(helper, b"hang")


async def test_a_helper_that_the_machine_has_no_time_for_makes_no_mail_unscannable(
    helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satellite.scanning.helper.IDLE_S", 0.2)
    monkeypatch.setattr(HelperProcess, "cpu_s", lambda _: 0.0)  # no processor for it
    monkeypatch.setattr(HelperProcess, "waited_s", lambda _: time.monotonic())

    assert await ask(helper, b"spin 0.8") == {"size": 8, "pid": helper.pid, "told": "yes"}


async def test_small_messages_wait_a_slice_for_a_long_one_and_no_more(helper: Helper) -> None:
    helper.try_s = 600.0
    await ask(helper, b"started")
    before = helper.pid
    hostile = [asyncio.create_task(ask(helper, b"spin 600 %d" % n)) for n in range(3)]
    await asyncio.sleep(0)

    answers = [await ask(helper, b"small") for _ in range(20)]

    assert [answer["size"] for answer in answers] == [5] * 20
    assert not any(task.done() for task in hostile)
    assert len(helper.pids) == 2
    assert before in helper.pids  # the first goes on where it was: nothing of it is done twice
    for task in hostile:
        task.cancel()
    await asyncio.wait(hostile)


async def test_a_long_message_that_comes_again_takes_no_slice_of_the_short_ones(
    helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satellite.scanning.helper.LONG_TURN_S", 0.05)
    helper.try_s = 600.0
    first = asyncio.create_task(ask(helper, b"spin 600 1"))
    await asyncio.sleep(0)
    with pytest.raises(HelperUnavailable, match="no turn"):
        await ask(helper, b"spin 600 2")
    await ask(helper, b"small")
    before = helper.pid

    with pytest.raises(HelperUnavailable, match="no turn"):
        await ask(helper, b"spin 600 2")

    assert helper.pid == before  # a slice would have ended it
    first.cancel()
    await asyncio.wait([first])


async def test_small_messages_wait_as_short_for_one_that_hangs(helper: Helper) -> None:
    await ask(helper, b"started")
    hostile = asyncio.create_task(ask(helper, b"hang"))
    await asyncio.sleep(0)

    assert (await ask(helper, b"small"))["size"] == 5

    assert not hostile.done()
    hostile.cancel()
    await asyncio.wait([hostile])


async def test_the_second_helper_ends_when_nobody_needs_it(helper: Helper) -> None:
    helper.try_s = 600.0
    long = asyncio.create_task(ask(helper, b"spin 1.5"))
    await asyncio.sleep(0)
    await ask(helper, b"small")
    assert len(helper.pids) == 2

    await long

    assert len(helper.pids) == 1
    assert (await ask(helper, b"after"))["size"] == 5


async def test_a_long_message_alone_needs_no_second_helper(helper: Helper) -> None:
    await ask(helper, b"started")
    before = helper.pid

    await ask(helper, b"spin 0.8")

    assert helper.pids == (before,)


async def test_long_messages_are_done_one_after_the_other(helper: Helper) -> None:
    answers = await asyncio.gather(*(ask(helper, b"spin 0.7 %d" % n) for n in range(3)))

    assert [answer["size"] for answer in answers] == [10] * 3
    assert len(helper.pids) <= 2


async def test_long_messages_of_one_network_do_not_keep_a_strangers_waiting(helper: Helper) -> None:
    def asked(text: bytes, client: str) -> asyncio.Task[Any]:
        sample = replace(sample_of(text), client=client)
        return asyncio.create_task(helper.ask("test", sample, deadline_s=WAIT_S))

    await ask(helper, b"started")
    flood = [asked(b"spin 1.2 %d" % number, f"192.0.2.{number}") for number in range(12)]
    await asyncio.sleep(0)

    await asked(b"spin 0.7 honest", "198.51.100.1")

    assert sum(task.done() for task in flood) <= 4
    for task in flood:
        task.cancel()
    await asyncio.wait(flood)


async def test_messages_that_end_their_helper_at_once_are_not_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    clock = FakeClock()
    helper = Helper(clock=clock)
    helper.add_job("test", JOBS, {})

    def asked(text: bytes, client: str) -> asyncio.Task[Any]:
        sample = replace(sample_of(text), client=client)
        return asyncio.create_task(helper.ask("test", sample, deadline_s=WAIT_S))

    await asked(b"started", "")
    with capture_logs() as logs:
        flood = [asked(b"die %d" % number, f"192.0.2.{number}") for number in range(12)]
        await asyncio.sleep(0)
        await clock.advance(0.3)  # each helper that has to be started counts for a second

        await asked(b"honest", "198.51.100.1")

        assert sum(line["event"] == "helper.died" for line in logs) <= 4
    for task in flood:
        task.cancel()
    await asyncio.wait(flood)
    await helper.close()


async def test_a_hang_does_not_block_the_loop(helper: Helper) -> None:
    scan = asyncio.create_task(ask(helper, b"hang", deadline_s=1.0))
    turns = 0
    while not scan.done():
        await asyncio.sleep(0.005)
        turns += 1

    with pytest.raises(HelperUnavailable):
        await scan
    assert turns > 3  # of some two hundred; a loop that waits for the scan has one


async def test_the_time_runs_out_also_for_who_waits_for_a_turn(helper: Helper) -> None:
    await ask(helper, b"started")
    first = asyncio.create_task(ask(helper, b"hang", deadline_s=1.5))
    await asyncio.sleep(0)

    with pytest.raises(HelperUnavailable, match=r"had no time for it within 0.1 s"):
        await ask(helper, b"second", deadline_s=0.1)

    with pytest.raises(HelperUnavailable):
        await first
    assert (await ask(helper, b"third"))["size"] == 5


async def test_who_waits_for_a_turn_is_served_after_the_hostile_one(helper: Helper) -> None:
    hostile = asyncio.create_task(ask(helper, b"die"))
    await asyncio.sleep(0)

    assert (await ask(helper, b"patient"))["size"] == 7
    with pytest.raises(Unscannable):
        await hostile


async def test_a_death_is_remembered_when_the_time_runs_out_between_two_tries(
    helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(helper, b"started")
    pid = helper.pid
    assert pid is not None
    scan = asyncio.create_task(ask(helper, b"hang"))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    await gone(pid)
    async with asyncio.timeout(WAIT_S):
        while helper.pids in ((), (pid,)):  # the second try has begun
            await asyncio.sleep(0.005)
    scan.cancel()
    await asyncio.wait([scan])

    with pytest.raises(Unscannable):
        monkeypatch.setattr("satellite.scanning.helper.IDLE_S", 0.2)
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


async def test_it_inherits_nothing_but_its_own_descriptors(helper: Helper) -> None:
    """Whatever a worker has open and could pass on: the socket of port 25, its parent's channel."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)

        targets = (await ask(helper, b"descriptors"))["targets"]

    assert isinstance(targets, dict)
    kinds = sorted(target.split(":")[0] for target in targets.values())
    assert kinds == ["/dev/null", "/dev/null", "/dev/null", "socket"]


async def test_it_inherits_nothing_in_the_loop_that_workers_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That loop starts programs with whatever is inheritable."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def targets() -> dict[str, str]:
        async def asked() -> dict[str, str]:
            helper = Helper(clock=SystemClock())
            helper.add_job("test", JOBS, {})
            told = await ask(helper, b"descriptors")
            await helper.close()
            found: dict[str, str] = dict(told["targets"])  # type: ignore[call-overload]
            return found

        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.set_inheritable(True)
            return uvloop.run(asked())

    found = await asyncio.to_thread(targets)

    assert len(found) == 4


async def test_network_files_programs_and_others_are_forbidden_to_it(helper: Helper) -> None:
    said = await ask(helper, b"forbidden")

    assert set(said.values()) == {"EPERM"}
    assert not helper.not_isolated
    status = (await ask(helper, b"privileges"))["status"]
    assert "NoNewPrivs:\t1\n" in str(status)
    assert "Seccomp:\t2\n" in str(status)


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
