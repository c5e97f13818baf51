"""How is a command run in the lab, and a machine's namespaces kept?

Touches namespaces and processes, from within the lab.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from common.errors import EnvironmentFailure
from inventory.lab.entering import entering_command, environment

COMMAND_S = 60.0
TYPED_S = 400.0  # for a command of ours: a node has five minutes to take its settings
HOLD_S = 10.0
SWEEP_S = 1.0  # between two looks for ended processes that nobody waits for


async def hold() -> asyncio.subprocess.Process:
    """Return a process that does nothing, in namespaces of its own."""
    command = ("unshare", "--net", "--mount", "--uts", "sleep", "infinity")
    holder = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, env=environment()
    )
    end_s = time.monotonic() + HOLD_S
    # Its name changes when all has been done that comes before.
    while _name_of(holder.pid) != "sleep":
        if time.monotonic() > end_s or holder.returncode is not None:
            raise EnvironmentFailure("unshare: no namespaces for a machine")
        await asyncio.sleep(0.005)
    return holder


def kill_all_in(holder: int) -> None:
    """Kill every process that has a machine's network, the one that holds it among them."""
    network = _network_of(holder)
    for path in Path("/proc").glob("[0-9]*"):
        process = int(path.name)
        if network is not None and _network_of(process) == network:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _network_of(process: int) -> int | None:
    """Return the number of the network that a process has; None when it has gone."""
    try:
        return Path(f"/proc/{process}/ns/net").stat().st_ino
    except OSError:
        return None


def _name_of(process: int) -> str:
    return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()


def write_new(path: Path, text: str) -> None:
    """Write a file in place of whatever has its name: a link might lead out of the machine."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


async def run_all(commands: Sequence[Sequence[str]], holder: int | None = None) -> None:
    """Run commands one after the other, in a machine or in the world, until one fails.

    Raises:
        EnvironmentFailure: one failed; says which, and its last line.
    """
    # One process for all of them: there are hundreds. The shell sees quoted words alone.
    lines = "".join(f"at={shlex.quote(shlex.join(c))}; {shlex.join(c)}\n" for c in commands)
    script = ("sh", "-euc", f"trap '[ $? = 0 ] || echo \"$at: failed\"' EXIT\n{lines}")
    await run_one(script if holder is None else entering_command(holder, script, is_in_lab=True))


async def run_one(command: Sequence[str], *, given: str = "") -> None:
    """Run a command to its end.

    Raises:
        EnvironmentFailure: it failed; holds its last lines.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
    )
    try:
        async with asyncio.timeout(COMMAND_S):
            said, _ = await process.communicate(given.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        said = f"does not end within {COMMAND_S:.0f} s".encode()
    if process.returncode != 0:
        words = said.decode("utf-8", "replace").strip().splitlines()
        raise EnvironmentFailure(f"{command[0]}: {': '.join(words[-2:]) or 'failed'}")


async def run_in(
    holder: int,
    command: Sequence[str],
    *,
    given: str = "",
    extra: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, str, str]:
    """Run a command of ours in a machine, and return its status and what it said, out and wrong.

    Args:
        given: its standard input.
        extra: what its environment has beside the usual.

    Raises:
        EnvironmentFailure: it does not end.
    """
    process = await asyncio.create_subprocess_exec(
        *entering_command(holder, command, is_in_lab=True),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environment(), **extra},
        cwd="/",
    )
    try:
        async with asyncio.timeout(TYPED_S):
            said, wrong = await process.communicate(given.encode())
    except TimeoutError:
        raise EnvironmentFailure(
            f"{' '.join(command[-3:])}: does not end within {TYPED_S:.0f} s"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode("utf-8", "replace"), wrong.decode("utf-8", "replace")


async def reap_orphans() -> None:
    """Take note, for ever, of the end of processes that nobody waits for.

    The first process of a process namespace is the parent of whoever loses his own. Whom somebody
    here waits for is gone at once; so one that has ended and is seen a second time is nobody's.
    """
    seen: set[int] = set()
    while True:
        ended = await asyncio.to_thread(_ended_children)
        for process in ended & seen:
            os.waitpid(process, os.WNOHANG)  # noqa: ASYNC222 - it has ended, and is not waited for
        seen = ended - seen
        await asyncio.sleep(SWEEP_S)


def _ended_children() -> set[int]:
    """Return our children that have ended and whose end nobody has taken note of."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has gone
        if after[0] == "Z" and int(after[1]) == os.getpid():
            found.add(int(path.parent.name))
    return found
