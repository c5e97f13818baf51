"""How does the lab's core go from one of its machines to another?

Touches the core's machines, by the very commands that are typed there for a real cluster, and the
lab's folder, where it stands on which machine the core is: the next lab may go on from there.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.durable import write_file
from common.errors import EnvironmentFailure
from inventory.lab.lab_commands import run_in
from inventory.lab.lab_service import LabService
from inventory.lab.programs import PYTHON
from inventory.lab.topology import LabRole, Machine
from inventory.render.systemd import SETTINGS_FOLDER

MOVES = "moves"  # of the lab's folder: the backups with which the core moved
_NOTE = "core-machine"  # likewise: where the core is, as text
_CONFIG = ("--config", f"{SETTINGS_FOLDER}/core.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMove:
    """What it takes to move the core.

    Args:
        folder: the lab's.
        services: the programs of the lab, by their keys.
        holders: by machine, the process that holds its namespaces.
        serve: starts the core on a machine, and returns when it is ready.
    """

    folder: Path
    services: MutableMapping[str, LabService]
    holders: Mapping[str, int]
    serve: Callable[[Machine], Awaitable[None]]

    async def over(self, old: Machine, new: Machine) -> None:
        """Stop the core, and bring all that it has to another machine; it is not started there.

        Raises:
            EnvironmentFailure: it could not be done; the core runs on where it was.
        """
        await self._stop(old)
        try:
            await self.put_back(new, await self._backed_up(old))
        except Exception:  # whatever it was; not the end of the lab
            await self.serve(old)
            raise

    async def put_back(self, machine: Machine, backup: Path) -> None:
        """Restore a backup on a machine, and touch no other one; it is not started there.

        Raises:
            EnvironmentFailure: it could not be done; what ran there runs there again.
        """
        ran = await self._stop(machine)
        try:
            await self._core(machine, "restore", str(backup), "--replace")
        except Exception:  # whatever it was; what ran there is not to stay away for it
            if ran:
                await self.serve(machine)
            raise

    async def tell(self, core: Machine, standbys: Sequence[Machine]) -> None:
        """Let the tunnels of machines that are not the core know the nodes that have joined it.

        Raises:
            EnvironmentFailure: it could not be done; no tunnel is the worse for it.
        """
        at_rest = [one for one in standbys if _key(one) not in self.services]
        if not at_rest:
            return
        backup = await self._backed_up(core)
        for machine in at_rest:
            await self._core(machine, "peers", str(backup))
        await asyncio.to_thread(shutil.rmtree, backup, ignore_errors=True)

    async def _backed_up(self, core: Machine) -> Path:
        backup = self.folder / MOVES / f"{time.time_ns()}"
        backup.parent.mkdir(mode=0o700, exist_ok=True)
        await self._core(core, "backup", str(backup))
        return backup

    async def _stop(self, machine: Machine) -> bool:
        """Stop the core on a machine, and say whether it ran there."""
        if (running := self.services.get(_key(machine))) is None:
            return False
        await running.end()
        del self.services[_key(machine)]
        return True

    async def _core(self, machine: Machine, *words: str) -> None:
        command = [*PYTHON, "cli", "core", *words, *_CONFIG]
        status, _, wrong = await run_in(self.holders[machine.name], command)
        if status:
            said = wrong.strip().splitlines()[-1:] or ["it failed, and said nothing"]
            raise EnvironmentFailure(f"{machine.name}: core {words[0]}: {said[0]}")


def _key(machine: Machine) -> str:
    return f"{machine.name}/{LabRole.CORE}"


def core_noted(folder: Path) -> str:
    """Return on which machine the core of a lab is; empty: none was yet.

    Args:
        folder: the lab's.
    """
    try:
        return (folder / _NOTE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def note_core(folder: Path, name: str) -> None:
    """Write down on which machine the core is."""
    write_file(folder / _NOTE, name.encode())


def forget_core(folder: Path) -> None:
    """Let the next lab begin where its inventory says, with no backup of an earlier one."""
    (folder / _NOTE).unlink(missing_ok=True)
    shutil.rmtree(folder / MOVES, ignore_errors=True)
