"""What does the first process of a lab do, from its first namespace to its last?

Touches namespaces and mounts: it is started as the first process of new ones (``unshare``).
Whatever ends it ends all that it made, since the kernel ends every process of a process namespace
with the first one, and takes away networks and mounts that nobody is in.

It tells whoever starts it how far it is, on stdout. Until the lab is ready, the end of stdin is the
end of the lab: whoever waited for it has gone. Afterwards SIGHUP has it take the inventory over
again, or move the core, and SIGTERM ends it in order.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from common.errors import BorderScoutError, EnvironmentFailure
from inventory.lab import lab_state
from inventory.lab.entering import environment
from inventory.lab.lab_commands import reap_orphans
from inventory.lab.topology import ASKED, FORCED, INVENTORY, LOG, MOVE
from inventory.lab.world import World


def main(folder: Path) -> int:
    """Be the first process of a lab until it ends; return the exit status."""
    # This /proc is still the machine's, so this is the id by which others know us.
    ours = int(Path("/proc/self").readlink().name)
    lock = lab_state.take_lock()
    state = lab_state.LabState(process=ours, began=lab_state.began(ours), folder=str(folder))
    state.write()
    mount = ["mount", "-t", "proc", "proc", "/proc"]
    subprocess.run(mount, check=True, env=environment())  # noqa: S603 - an array, no shell
    try:
        return asyncio.run(
            _main(World(folder=folder, file=inventory_file(folder), state=state, tell=_tell))
        )
    finally:
        lab_state.remove_traces(lock)


async def _main(world: World) -> int:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    alone = asyncio.Event()
    loop.add_reader(0, partial(_listen, loop, alone))
    begun = asyncio.create_task(world.begin())
    told = [asyncio.create_task(one.wait()) for one in (ending, alone)]
    reaping = asyncio.create_task(reap_orphans())
    await asyncio.wait([begun, *told], return_when=asyncio.FIRST_COMPLETED)
    try:
        if not begun.done():
            begun.cancel()
            with suppress(asyncio.CancelledError):
                await begun
            if ending.is_set():
                world.tell({"failed": "the lab was ended before it was ready"})
            return 1
        try:
            begun.result()
        except (BorderScoutError, OSError) as error:
            world.tell({"failed": str(error)})
            return 1
        world.tell({"ready": True})
        _let_go()
        changing = asyncio.create_task(change_when_told(world))
        await asyncio.wait([told[0], changing], return_when=asyncio.FIRST_COMPLETED)
        if changing.done():  # it could not even note how it went: whoever waits sees us end
            changing.result()
        changing.cancel()
        return 0
    finally:
        for one in (*told, reaping):
            one.cancel()
        await world.end()


async def change_when_told(world: World) -> None:
    """Take the inventory over at each SIGHUP, and note how that went."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, told.set)
    while True:
        await told.wait()
        told.clear()
        world.state.problem = asked = ""
        try:
            asked = (world.folder / ASKED).read_text(encoding="utf-8")
            await _as_asked(world)
        except (BorderScoutError, OSError) as error:
            world.state.problem = str(error)
        except Exception as error:  # noqa: BLE001 - whoever waits for the change is told
            traceback.print_exc()
            name = type(error).__name__
            failure = EnvironmentFailure(
                f"unforeseen: {name}: {error}", hint=f"see {world.folder / LOG}"
            )
            world.state.problem = str(failure)
        world.state.answered = asked
        world.state.write()


async def _as_asked(world: World) -> None:
    """Do what was asked for: move the core, or take the inventory over again."""
    move = world.folder / MOVE
    if move.exists():
        told = json.loads(move.read_bytes())
        await world.move_core(told["to"], Path(told["backup"]) if told["backup"] else None)
        return
    world.file = inventory_file(world.folder)
    await world.change(is_forced=(world.folder / FORCED).exists())


def inventory_file(folder: Path) -> Path:
    """Return where the inventory of a lab stands."""
    return Path((folder / INVENTORY).read_text(encoding="utf-8"))


def _listen(loop: asyncio.AbstractEventLoop, alone: asyncio.Event) -> None:
    """Take note that whoever started us has gone."""
    if not os.read(0, 4096):
        loop.remove_reader(0)
        alone.set()


def _let_go() -> None:
    """Have nothing to do any more with whoever started us."""
    asyncio.get_running_loop().remove_reader(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _tell(said: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # told to nobody: the end of stdin says so too
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
