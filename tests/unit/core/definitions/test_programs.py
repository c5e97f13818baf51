"""A program of somebody else's runs within its bounds, and never longer than the core."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from core.definitions import programs
from core.definitions.bounded import CANNOT_BEGIN
from core.definitions.programs import BoundedProgram, ProgramMissing, program_path
from tests.support.node.processes import Process
from tests.support.waiting import until

GIB = 1 << 30
SHELL = "/bin/sh"


def shell(script: str, **more: object) -> BoundedProgram:
    return BoundedProgram([SHELL, "-c", script], memory_bytes=GIB, cpu_s=60, **more)  # type: ignore[arg-type]


async def ran(program: BoundedProgram) -> tuple[int, str]:
    await program.start()
    return await program.ended(), program.printed


async def test_what_it_prints_and_how_it_ends_is_told() -> None:
    assert await ran(shell("echo out; echo err >&2; exit 3")) == (3, "out\nerr\n")
    assert await ran(shell("kill -TERM $$")) == (-signal.SIGTERM, "")


async def test_it_has_a_fixed_environment_and_nothing_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BORDERSCOUT_TOKEN", "secret")
    descriptor = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        _, printed = await ran(shell("env; ls /proc/self/fd | wc -l", environment={"MORE": "1"}))
    finally:
        os.close(descriptor)

    lines = set(printed.splitlines())
    assert {"LC_ALL=C", "MORE=1"} < lines
    assert "BORDERSCOUT_TOKEN" not in printed
    assert "4" in lines, "three, and the one that ls reads the folder by"


async def test_it_cannot_have_more_memory_than_its_bound() -> None:
    eats = [sys.executable, "-c", "bytearray(400_000_000); print('had it')"]

    less = await ran(BoundedProgram(eats, memory_bytes=300_000_000, cpu_s=60))
    enough = await ran(BoundedProgram(eats, memory_bytes=4 * GIB, cpu_s=60))

    assert less[0] != 0
    assert "MemoryError" in less[1]
    assert enough == (0, "had it\n")


async def test_it_cannot_have_more_processor_time_than_its_bound() -> None:
    status, _ = await ran(
        BoundedProgram([SHELL, "-c", "while :; do :; done"], memory_bytes=GIB, cpu_s=1)
    )

    assert status in (-signal.SIGXCPU, -signal.SIGKILL)


async def test_only_the_end_of_very_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "PRINTED_BYTES_MAX", 100)

    _, printed = await ran(shell("yes | head -c 1000000; echo; echo the end"))

    assert len(printed) == 100
    assert printed.endswith("the end\n")


async def test_all_that_it_began_is_ended_with_it() -> None:
    program = shell("sleep 1000 & echo $!; wait")
    await program.start()

    async def child() -> int | None:
        return int(program.printed) if program.printed else None

    pid = await until(child, "it tells of its child")
    await program.kill()

    assert not program.is_running
    await until(lambda: gone(pid), "its child is gone")
    await program.kill()  # harmless


async def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return True


async def test_it_dies_with_the_core() -> None:
    core = Process([sys.executable, "-c", CORE])
    await core.start()
    pid = int((await core.wait_for_line("pid ([0-9]+)"))[1])
    await core.kill()
    await core.close()

    await until(lambda: gone(pid), "the program is gone too")


CORE = """
import asyncio
from core.definitions.programs import BoundedProgram

async def main():
    program = BoundedProgram(
        ["/bin/sh", "-c", "echo $$; exec sleep 1000"], memory_bytes=1 << 30, cpu_s=60
    )
    await program.start()
    while not program.printed:
        await asyncio.sleep(0.01)
    print("pid", program.printed.strip(), flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


async def test_what_cannot_be_begun_says_so(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_text("nothing that a kernel can run")

    status, printed = await ran(BoundedProgram([str(file)], memory_bytes=GIB, cpu_s=60))

    assert status == CANNOT_BEGIN
    assert printed.startswith(f"{file} cannot be started: ")


def test_a_daemon_is_found_where_daemons_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert program_path("sh").endswith("/sh")
    with pytest.raises(ProgramMissing, match="no-such is not installed; install it, or say where"):
        program_path("no-such")
