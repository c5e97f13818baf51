"""What a program gets that scans, what it is kept from, and what is left of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.scanning.command import program as running
from satellite.scanning.command.scans import TAKEN_AWAY
from satellite.scanning.engine import Engine, EngineContext
from satellite.scanning.engines.command import build
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from tests.support.scanning.messages import file_sample, plain, sample_of
from tests.support.scanning.scripted_program import (
    DEADLINE_S,
    POLL_S,
    all_vanish,
    appears,
    program,
)

MESSAGE = plain(b"hello")
SAYS_CLEAN = "echo scanned"


@asynccontextmanager
async def engine_of(place: Path, **options: Any) -> AsyncIterator[Engine]:
    clock = SystemClock()
    own = {
        "programs": [str(place / "scanner")],
        "arguments": ["--file={sample}"],
        "exit_codes": {"clean": [0], "infected": [1]},
        "threats": ["found: (.*)"],
        "environment": {"LD_LIBRARY_PATH": "/opt/x/lib"},
    }
    room = place / "room"
    room.mkdir(exist_ok=True)
    engine = build(
        EngineSettings(
            name="program", kind="command", options={"own": own, "folder": str(room)} | options
        ),
        EngineContext(clock=clock, helper=Helper(clock=clock)),
    )
    try:
        yield engine
    finally:
        await engine.close()


async def scanned(
    folder: Path, *lines: str, sample: Sample | None = None, **options: Any
) -> Verdict:
    """Return what a program of these lines leads to; ``$file`` is the message."""
    program(folder / "scanner", 'file="${1#--file=}"', *lines)
    async with engine_of(folder, **options) as engine:
        return await engine.scan(sample or sample_of(MESSAGE), deadline_s=DEADLINE_S)


async def seen(folder: Path, python: str) -> Any:
    """Return what a Python program sees that runs as the scanner; ``say(it)`` tells."""
    script = folder / "scanner"
    script.write_text(
        f"#!{sys.executable} -IS\nimport json, os, resource, signal, sys\n"
        f"def say(it): open({str(folder / 'seen')!r}, 'w').write(json.dumps(it))\n"
        f"file = sys.argv[1].removeprefix('--file=')\n{python}\nprint('scanned')\n"
    )
    script.chmod(0o755)
    async with engine_of(folder) as engine:
        verdict = await engine.scan(sample_of(MESSAGE), deadline_s=DEADLINE_S)
    assert verdict.outcome is Outcome.CLEAN, verdict
    return json.loads((folder / "seen").read_text())


async def test_it_has_no_descriptor_but_its_output_and_nothing_to_read(tmp_path: Path) -> None:
    ours = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(ours, True)
    try:
        found = await seen(
            tmp_path,
            "say({n: os.readlink(f'/proc/self/fd/{n}')"
            " for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')})",
        )
    finally:
        os.close(ours)

    own = {number: what for number, what in found.items() if not what.startswith("/proc/")}
    assert own.pop("0") == "/dev/null"
    assert str(tmp_path) not in own.values()
    # The interpreter holds its script while it runs it, and nothing else is there.
    assert [what for what in own.values() if not what.endswith("/scanner")] == [own["1"], own["2"]]
    assert own["1"].startswith("pipe:")


async def test_its_environment_is_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("BORDERSCOUT_SECRET", "x")

    found = await seen(tmp_path, "say(dict(os.environ))")

    work = found.pop("HOME")
    assert found.pop("TMPDIR") == work
    assert found == running.FIXED_ENVIRONMENT | {"LD_LIBRARY_PATH": "/opt/x/lib"}
    assert found["LC_ALL"] == "C"


async def test_it_works_in_an_empty_folder_that_nobody_else_may_enter(tmp_path: Path) -> None:
    found = await seen(
        tmp_path,
        "mode = lambda path: os.stat(path).st_mode\n"
        "say([os.getcwd(), os.listdir(), file, mode('.'), mode('..'), mode(file), os.umask(0)])",
    )

    work, held, file, *modes, umask = found
    assert held == []
    assert Path(file) == Path(work).parent / "message.eml"
    assert [stat.S_IMODE(mode) for mode in modes] == [0o700, 0o700, 0o600]
    assert umask == 0o077


async def test_it_is_bound_in_memory_time_and_disk_and_gains_nothing(tmp_path: Path) -> None:
    found = await seen(
        tmp_path,
        "names = ('AS', 'CPU', 'CORE', 'FSIZE', 'NOFILE')\n"
        "limits = [resource.getrlimit(getattr(resource, 'RLIMIT_' + n))[1] for n in names]\n"
        "status = open('/proc/self/status').read()\n"
        "say([limits, 'NoNewPrivs:\\t1' in status, os.getsid(0) == os.getpid()])",
    )

    limits, gains_nothing, leads_a_session = found
    cpus = os.cpu_count() or 1
    assert limits == [2 * 1024**3, 60 * cpus, 0, running.FILE_BYTES_MAX, running.FILES_MAX]
    assert gains_nothing
    assert leads_a_session


async def test_a_program_that_swells_says_so_and_is_not_believed(tmp_path: Path) -> None:
    swelling = f"{sys.executable} -IS -c 'x = bytearray(1 << 30)' && {SAYS_CLEAN}"

    verdict = await scanned(tmp_path, swelling, memory_bytes=256 * 1024**2)

    assert verdict.outcome is not Outcome.CLEAN


async def test_no_signal_is_ignored_or_blocked_in_it_whatever_is_in_us(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        await scanned(
            tmp_path, f"exec grep -E 'SigIgn|SigBlk' /proc/self/status > {tmp_path}/signals"
        )
    finally:
        signal.signal(signal.SIGUSR1, before)

    said = dict(line.split(":") for line in (tmp_path / "signals").read_text().splitlines())
    assert int(said["SigBlk"], 16) == 0
    # Those that libc has no name for, and sets a handler for before it sends one, are its own.
    known = sum(1 << number - 1 for number in signal.valid_signals())
    assert int(said["SigIgn"], 16) & known == 0


TAKING = {
    "removed": 'rm "$file"',
    "emptied": ': > "$file"',
    "longer": 'echo x >> "$file"',
    "changed": 'printf X | dd of="$file" conv=notrunc 2>/dev/null',
    "replaced by a link": 'cp "$file" ../other; rm "$file"; ln -s other "$file"',
    "replaced by a folder": 'rm "$file"; mkdir "$file"',
    "replaced by a pipe": 'rm "$file"; mkfifo "$file"',
    "locked": 'rm "$file"; mkdir "$file"; chmod 0 ..',
}


@pytest.mark.parametrize("taking", TAKING.values(), ids=TAKING)
@pytest.mark.parametrize("end", [SAYS_CLEAN, "exit 7"], ids=["clean", "failed"])
async def test_a_message_that_was_taken_away_was_not_clean(
    taking: str, end: str, tmp_path: Path
) -> None:
    verdict = await scanned(tmp_path, taking, end)

    assert (verdict.outcome, verdict.threats) == (Outcome.INFECTED, (TAKEN_AWAY,))
    await all_vanish(tmp_path / "room", "*")


async def test_a_name_that_is_given_stands_although_the_message_was_taken_away(
    tmp_path: Path,
) -> None:
    verdict = await scanned(tmp_path, 'rm "$file"; echo found: Worm; exit 1')

    assert verdict.threats == ("Worm",)


async def test_the_file_of_the_spool_is_never_what_a_program_can_change(tmp_path: Path) -> None:
    sample = file_sample(tmp_path / "body", plain(b"x" * 3_000_000))

    verdict = await scanned(tmp_path, 'echo cleaned > "$file"; exit 1', sample=sample)

    assert verdict.outcome is Outcome.INFECTED
    assert (tmp_path / "body").read_bytes() == plain(b"x" * 3_000_000)


async def test_a_message_that_is_not_what_its_digest_says_is_not_shown(tmp_path: Path) -> None:
    sample = file_sample(tmp_path / "body", MESSAGE)
    (tmp_path / "body").write_bytes(MESSAGE.replace(b"hello", b"hallo"))

    verdict = await scanned(tmp_path, f": > {tmp_path}/shown", SAYS_CLEAN, sample=sample)

    assert verdict.outcome is Outcome.ERROR
    assert not (tmp_path / "shown").exists()


async def test_a_message_whose_file_is_gone_is_an_error(tmp_path: Path) -> None:
    sample = file_sample(tmp_path / "body", MESSAGE)
    (tmp_path / "body").unlink()

    assert (await scanned(tmp_path, SAYS_CLEAN, sample=sample)).outcome is Outcome.ERROR


async def test_a_program_that_prints_without_end_is_ended_and_not_believed(
    tmp_path: Path,
) -> None:
    endless = "while :; do echo scanned scanned scanned scanned scanned; done"

    assert (await scanned(tmp_path, endless)).outcome is Outcome.LIMITS
    assert (await scanned(tmp_path, f"{endless} >&2")).outcome is Outcome.LIMITS
    found = await scanned(tmp_path, "echo found: Worm", endless)
    assert (found.outcome, found.threats) == (Outcome.INFECTED, ("Worm",))


async def test_what_it_leaves_running_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    left = f"sleep 600 & echo $! > {tmp_path}/left"

    verdict = await scanned(tmp_path, left, SAYS_CLEAN)

    assert verdict.outcome is Outcome.CLEAN
    await gone(int((tmp_path / "left").read_text()))


HINDERED: dict[str, Callable[[Path], object]] = {
    "not there": lambda path: path.unlink(),
    "not executable": lambda path: path.chmod(0o644),
    "no program": lambda path: path.write_bytes(b"\0\1\2"),
    "a folder": lambda path: path.rename(path.with_name("away")).with_name("scanner").mkdir(),
    "without its interpreter": lambda path: path.write_bytes(b"#!/nowhere/sh\n"),
}


@pytest.mark.parametrize("hinder", HINDERED.values(), ids=HINDERED)
async def test_a_program_that_cannot_be_begun_is_unavailable(
    hinder: Callable[[Path], object], tmp_path: Path
) -> None:
    hinder(program(tmp_path / "scanner", SAYS_CLEAN))

    async with engine_of(tmp_path) as engine:
        verdict = await engine.scan(sample_of(MESSAGE), deadline_s=DEADLINE_S)

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert str(tmp_path / "scanner") in verdict.detail


async def test_no_folder_for_messages_is_an_error_and_no_answer(tmp_path: Path) -> None:
    program(tmp_path / "scanner", SAYS_CLEAN)

    async with engine_of(tmp_path, folder=str(tmp_path / "nowhere")) as engine:
        verdict = await engine.scan(sample_of(MESSAGE), deadline_s=DEADLINE_S)
        health = await engine.probe()

    assert verdict.outcome is Outcome.ERROR
    assert not health.answering
    assert "nowhere" in health.detail


SLEEPING = "sleep 600 & echo $$ $! > {0}/pids.new; mv {0}/pids.new {0}/pids; wait"


async def test_a_deadline_ends_a_program_with_all_that_it_began(tmp_path: Path) -> None:
    program(tmp_path / "scanner", SLEEPING.format(tmp_path))

    async with engine_of(tmp_path) as engine:
        scan = asyncio.create_task(engine.scan(sample_of(MESSAGE), deadline_s=2.0))
        await appears(tmp_path / "pids")
        verdict = await scan

        assert verdict.outcome is Outcome.TIMEOUT
        for pid in (tmp_path / "pids").read_text().split():
            await gone(int(pid))


async def test_an_engine_that_is_closed_ends_what_runs(tmp_path: Path) -> None:
    program(tmp_path / "scanner", SLEEPING.format(tmp_path))

    async with engine_of(tmp_path) as engine:
        scan = asyncio.create_task(engine.scan(sample_of(MESSAGE), deadline_s=DEADLINE_S))
        await appears(tmp_path / "pids")
        scan.cancel()
    await asyncio.wait([scan])

    for pid in (tmp_path / "pids").read_text().split():
        await gone(int(pid))
    await until(lambda: list((tmp_path / "room").iterdir()) == [])


async def test_it_dies_with_its_worker(tmp_path: Path) -> None:
    program(
        tmp_path / "scanner",
        f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid",
        "exec sleep 600",
    )
    order = (
        "from pathlib import Path\n"
        "from satellite.scanning.command.program import Order, Stop, run\n"
        f"run(Order(command=({str(tmp_path / 'scanner')!r},), folder=Path({str(tmp_path)!r}),"
        " environment={}, memory_bytes=1 << 31, cpu_s=60), Stop())"
    )
    worker = subprocess.Popen([sys.executable, "-c", order])
    try:
        await appears(tmp_path / "pid")
    finally:
        worker.kill()
        worker.wait()

    await gone(int((tmp_path / "pid").read_text()))


async def test_a_program_that_starts_slowly_holds_up_no_step_of_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, held = threading.Event(), threading.Event()
    really = subprocess.Popen

    def slow(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        held.set()
        assert opened.wait(DEADLINE_S / 2), "the event loop stood still"
        return really(*args, **options)

    monkeypatch.setattr(subprocess, "Popen", slow)
    scan = asyncio.create_task(scanned(tmp_path, SAYS_CLEAN))
    await until(held.is_set)

    opened.set()  # nobody would, if the loop waited

    assert (await scan).outcome is Outcome.CLEAN


async def test_no_more_programs_run_at_once_than_there_are_places(tmp_path: Path) -> None:
    program(
        tmp_path / "scanner",
        f"mkdir {tmp_path}/running.$$",
        f"ls -d {tmp_path}/running.* | wc -l >> {tmp_path}/counts",
        "sleep 0.05",
        f"rmdir {tmp_path}/running.$$",
        SAYS_CLEAN,
    )

    async with engine_of(tmp_path, programs_max=2) as engine:
        verdicts = await asyncio.gather(
            *(engine.scan(sample_of(plain(b"%d" % n)), deadline_s=DEADLINE_S) for n in range(12))
        )

    assert {verdict.outcome for verdict in verdicts} == {Outcome.CLEAN}
    assert max(map(int, (tmp_path / "counts").read_text().split())) <= 2


async def test_who_had_no_turn_in_time_was_not_shown_and_is_unavailable(tmp_path: Path) -> None:
    program(tmp_path / "scanner", f"echo $$ >> {tmp_path}/shown", "exec sleep 600")

    async with engine_of(tmp_path, programs_max=1) as engine:
        first = asyncio.create_task(engine.scan(sample_of(MESSAGE), deadline_s=DEADLINE_S))
        await appears(tmp_path / "shown")

        verdict = await engine.scan(sample_of(plain(b"2")), deadline_s=0.2)

        assert verdict.outcome is Outcome.UNAVAILABLE
        assert len((tmp_path / "shown").read_text().split()) == 1
        first.cancel()
        await asyncio.wait([first])


async def test_the_next_worker_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    left = tmp_path / "room" / "borderscout-scan-dead"
    left.mkdir(parents=True)
    (left / "message.eml").write_bytes(MESSAGE)
    foreign = tmp_path / "room" / "another"
    foreign.mkdir()
    program(tmp_path / "scanner", SAYS_CLEAN)

    async with engine_of(tmp_path) as one, engine_of(tmp_path) as other:
        for engine in (one, other):
            verdict = await engine.scan(sample_of(MESSAGE), deadline_s=DEADLINE_S)
            assert verdict.outcome is Outcome.CLEAN
        kept = sorted((tmp_path / "room").iterdir())

    assert not left.exists()
    assert foreign in kept
    assert len(kept) == 3  # one of each engine that lives


async def gone(pid: int) -> None:
    """Wait until a process is no more, or is a zombie whose parent is not us."""

    def is_gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    await until(is_gone)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await asyncio.sleep(POLL_S)
