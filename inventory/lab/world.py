"""What is a lab made of while it is up, and how does it become another?

Touches namespaces, mounts, interfaces, rules and processes, all of which are the lab's own: it runs
in the lab's first process, whose network is the world between the machines.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from common.durable import write_file
from common.errors import EnvironmentFailure
from inventory.documents import each_document
from inventory.lab import lab_state
from inventory.lab.core_move import CoreMove, core_noted, note_core
from inventory.lab.furnishing import files_in_etc, furnishing_commands, own_folders
from inventory.lab.lab_commands import hold, kill_all_in, run_all, run_one, write_new
from inventory.lab.lab_core import LabCore
from inventory.lab.lab_service import LabService
from inventory.lab.lab_zones import KEY_FILE, own_zone_file, zone_files
from inventory.lab.least_core import UPDATE_KEY, UPDATE_KEY_FILE
from inventory.lab.node_joining import JoinTimes, NodeJoining
from inventory.lab.programs import Programs, served_serial
from inventory.lab.topology import (
    CLUSTER,
    MACHINES,
    CustomerServer,
    LabRole,
    Machine,
    Topology,
    topology_of,
)
from inventory.lab.wiring import (
    before_line_commands,
    further_commands,
    line_commands,
    machine_commands,
    unlay_command,
    world_commands,
    world_rules,
)
from inventory.load import load_inventory
from inventory.model import CORE_FOLDER, Inventory
from inventory.node_documents import node_documents

POLL_S = 0.2
READY_S = 120.0  # for a program to be ready, on a busy machine

Tell = Callable[[dict[str, Any]], None]


@dataclass(slots=True, kw_only=True)
class World:
    """A lab, as its first process has it."""

    folder: Path
    file: Path  # the inventory
    state: lab_state.LabState
    tell: Tell
    topology: Topology = field(init=False)
    inventory: Inventory = field(init=False)
    holders: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    there: dict[str, Machine] = field(default_factory=dict)  # whoever is made, or half made
    services: dict[str, LabService] = field(default_factory=dict)
    served: tuple[CustomerServer, ...] = ()  # what the customers' machine runs
    published: set[tuple[str, str]] = field(default_factory=set)  # documents the core may have
    serial: int = 0  # of the zones

    async def begin(self) -> None:
        """Make everything, and return when every node has joined, and is ready and linked.

        Raises:
            BorderScoutError: something could not be made, or is not ready; says what.
        """
        self.inventory = load_inventory(self.file)
        self.topology = topology_of(self.inventory)
        topology = self.topology
        self._core_is_on(core_noted(self.folder) or topology.of(LabRole.CORE)[0].name)
        self._say("laying the lines", len(topology.machines))
        await run_all(world_commands())
        await run_one(["nft", "-f", "-"], given=world_rules(topology.vpn_port))
        await self._add_all(topology.machines)
        self._write_zones()
        self._say("starting the name server")
        await self._serve(topology.of(LabRole.DNS))
        self._say("starting the core, which knows no node, and what is around the nodes")
        around = [*topology.of(LabRole.CUSTOMERS), *topology.of(LabRole.SENDER)]
        tunnels = [one for each in self._standbys() for one in self._programs().before(each)]
        await asyncio.gather(self._run(self.core), self._serve(around), self._start(tunnels))
        self.served = topology.servers
        nodes = topology.of(LabRole.SATELLITE)
        members = await asyncio.to_thread(self._core().members)
        known = [machine for machine in nodes if machine.name in members]
        if known:
            self._say("starting the satellites that have joined before", len(known))
            await asyncio.gather(*(self._run(machine) for machine in known))
            await self._until_linked(known)
        self._say("applying the inventory")
        # Nobody is served yet, so that much may go of what is kept of an earlier lab.
        await self._core().apply(self.file, is_forced=True)
        self.published = _documents(self.inventory)
        if come := [machine for machine in nodes if machine.name not in members]:
            self._say("letting nodes join", len(come))
            await self._join(come)
        self._say("bringing our zone to what the inventory says")
        await self._core().apply_zone(self.file, is_forced=True)
        self._say("waiting until every node has its link")
        await self._until_linked(nodes)
        await self._move().tell(self.core, self._standbys())
        await self._note_strangers()
        self.state.is_ready = True
        self._changed()

    async def change(self, *, is_forced: bool) -> None:
        """Become what the inventory says by now; the core's own files are as it says already.

        Who comes is ready before DNS leads to him, and who goes is in DNS no more before he ends.
        Documents go last: until then a node that goes may hand over what it has. What fails is
        gone on with by the next change: whoever came and could not join is taken away again.

        Args:
            is_forced: also where much would go away.

        Raises:
            BorderScoutError: something could not be made, or is not ready; says what.
        """
        self.inventory = load_inventory(self.file)
        self.topology = topology_of(self.inventory)
        come = [one for one in self.topology.machines if one.name not in self.there]
        try:
            await self._let_come(come, is_forced=is_forced)
            serial = self._write_zones()
            self.services["dns/named"].reload()
            await self._until_served(serial)
            await self._core().apply_zone(self.file, is_forced=is_forced)
        except Exception:  # whatever it was: nobody stays who is half made
            for machine in come:
                if machine.name not in self.state.joined:
                    await self._remove(machine)
            self._changed()
            raise
        names = {machine.name for machine in self.topology.machines}
        for machine in [one for one in self.there.values() if one.name not in names]:
            await self._remove(machine)
        if self.published - _documents(self.inventory):
            await self._core().apply(self.file, is_forced=is_forced)
            self.published = _documents(self.inventory)
        await self._note_strangers()
        self._changed()

    async def _let_come(self, come: Sequence[Machine], *, is_forced: bool) -> None:
        """Bring all but DNS to what the inventory says, and take nothing away."""
        now = self.topology
        old = dict(self.there)
        for machine in come:  # a new machine has nothing of an earlier one of its name
            for disk in (self._own(machine), self.folder / CLUSTER / machine.name):
                await asyncio.to_thread(shutil.rmtree, disk, ignore_errors=True)
        await self._add_all(come)
        for machine in now.machines:
            if machine.name in old and machine.addresses != old[machine.name].addresses:
                outside, inside = further_commands(machine)
                await run_all(outside)
                await run_all(inside, self.holders[machine.name].pid)
                self.there[machine.name] = machine
        if now.servers != self.served:
            (customers,) = now.of(LabRole.CUSTOMERS)
            await self.services[self._programs().of(customers).key].end()
            await self._serve([customers])
            self.served = now.servers
        self.services[f"{self.core.name}/{LabRole.CORE}"].reload()
        self.published |= _documents(self.inventory)
        applied = await self._core().apply(self.file, keep_others=True, is_forced=is_forced)
        self.state.applied = {name: applied[name] for name in ("revision", "applied", "reached_s")}
        await self._join(come)
        await self._until_linked(come)
        if come:
            await self._move().tell(self.core, self._standbys())

    @property
    def core(self) -> Machine:
        """The machine on which the core runs."""
        return self.topology.machine(self.state.core)

    async def move_core(self, name: str, backup: Path | None) -> None:
        """Let the core go on on another of its machines, and return when it is ready there.

        Args:
            name: of the machine.
            backup: what to go on from, and no other machine is touched, as if it were not there;
                None: all that the core has by now.

        Raises:
            BorderScoutError: it could not be done; says what.
        """
        new, move = self.topology.machine(name), self._move()
        if backup is None:
            await move.over(self.core, new)
        else:
            await move.put_back(new, backup)
        self._core_is_on(name)
        await self._serve([new])

    def _move(self) -> CoreMove:
        return CoreMove(
            folder=self.folder,
            services=self.services,
            holders=self._held(),
            serve=lambda machine: self._serve([machine]),
        )

    def _standbys(self) -> list[Machine]:
        return [one for one in self.topology.of(LabRole.CORE) if one != self.core]

    def _core_is_on(self, name: str) -> None:
        note_core(self.folder, name)
        self.state.core = name
        self._changed()

    async def _note_strangers(self) -> None:
        members = await asyncio.to_thread(self._core().members)
        nodes = {machine.name for machine in self.topology.of(LabRole.SATELLITE)}
        self.state.strangers = sorted(members - nodes)

    async def _join(self, machines: Sequence[Machine]) -> None:
        """Let nodes join, and start them; return when each has taken a message."""
        takers = [one.name for _, one in self.inventory.domains() if one.recipients == "any"]
        joining = NodeJoining(
            core=self._core(),
            holders=self._held(),
            sender=self.topology.machine(LabRole.SENDER),
            start=self._run,
            recipient=f"somebody@{takers[0]}" if takers else "",
            told=self._joined,
        )
        await joining.all(machines)

    def _joined(self, node: str, times: JoinTimes) -> None:
        self.state.joined[node] = asdict(times)
        self._changed()

    async def _run(self, machine: Machine) -> None:
        """Start all that runs on a machine with settings of ours, and return when it is ready."""
        await self._start(self._programs().before(machine))
        await self._serve([machine])

    def _core(self) -> LabCore:
        return LabCore(self.holders[self.core.name].pid, self.core.vpn_address, self.folder)

    def _programs(self) -> Programs:
        return Programs(self.folder, self.topology, self._held(), self._changed)

    def _held(self) -> dict[str, int]:
        return {name: holder.pid for name, holder in self.holders.items()}

    async def _remove(self, machine: Machine) -> None:
        """End a machine; its files stay, with the mail that it may have, until its name is back."""
        for key, one in list(self.services.items()):
            if one.machine.name == machine.name:
                await one.end()
                del self.services[key]
        del self.there[machine.name]
        self.state.joined.pop(machine.name, None)
        if (holder := self.holders.pop(machine.name, None)) is not None:
            # Not only what we started: wireguard-go has gone into the background.
            kill_all_in(holder.pid)
            await holder.wait()
        with suppress(EnvironmentFailure):  # the kernel takes it away too, sooner or later
            await run_all([unlay_command(machine)])

    async def end(self) -> None:
        """Stop every program in order: who sends first, who is asked last."""
        for role in (
            LabRole.SENDER,
            LabRole.SATELLITE,
            LabRole.CORE,
            LabRole.CUSTOMERS,
            LabRole.DNS,
        ):
            every = [one for one in self.services.values() if one.machine.role is role]
            await asyncio.gather(*(one.end() for one in every))

    async def _add_all(self, machines: Sequence[Machine]) -> None:
        """Make machines, and raise what was wrong once none of them is being made any more."""
        self.there |= {machine.name: machine for machine in machines}
        made = await asyncio.gather(
            *(self._add(machine) for machine in machines), return_exceptions=True
        )
        for problem in made:
            if problem is not None:
                raise problem

    async def _add(self, machine: Machine) -> None:
        """Make a machine with its line, its addresses and its files."""
        own = self._own(machine)
        for name in ("log", *own_folders(machine)):
            (own / name).mkdir(mode=0o755, parents=True, exist_ok=True)
        if machine.folder:  # of a node that has not joined there is none
            (self.folder / CLUSTER / machine.folder).mkdir(mode=0o700, exist_ok=True)
        holder = await hold()
        self.holders[machine.name] = holder
        await run_all(
            furnishing_commands(machine, cluster=str(self.folder / CLUSTER), own=str(own)),
            holder.pid,
        )
        for name, text in files_in_etc(machine, self.topology).items():
            write_new(Path(f"/proc/{holder.pid}/root/etc/{name}"), text)
        await run_all(before_line_commands(), holder.pid)
        await run_all(line_commands(machine, holder.pid))
        await run_all(machine_commands(machine), holder.pid)
        self._changed()

    def _write_zones(self) -> int:
        """Write what the name server reads, and return its serial number."""
        folder = self._own(self.topology.machine(LabRole.DNS)) / "bind"
        self.serial = max(int(time.time()), self.serial + 1)
        files = zone_files(self.inventory, self.topology, serial=self.serial, key=UPDATE_KEY)
        for name, text in files.items():
            # What was updated is named's own file, with a journal beside it.
            if name != own_zone_file(self.topology) or not (folder / name).exists():
                (folder / name).write_text(text, encoding="utf-8")
        key = self.folder / CLUSTER / CORE_FOLDER / UPDATE_KEY_FILE
        write_file(folder / KEY_FILE, key.read_bytes(), mode=0o600)
        return self.serial

    def _own(self, machine: Machine) -> Path:
        return self.folder / MACHINES / machine.name

    async def _until_served(self, serial: int) -> None:
        """Wait until the name server has the zones of a serial number."""
        (machine,) = self.topology.of(LabRole.DNS)
        holder = self.holders[machine.name].pid
        look = partial(served_serial, holder, machine.addresses[0], ".")
        end_s = time.monotonic() + READY_S
        while await asyncio.to_thread(look) != serial:
            if time.monotonic() > end_s:
                log = self.services["dns/named"].log
                raise EnvironmentFailure("dns: named keeps the zones before", hint=f"see {log}")
            await asyncio.sleep(POLL_S)

    async def _serve(self, machines: Sequence[Machine]) -> None:
        programs = self._programs()
        await self._start([programs.of(machine) for machine in machines])

    async def _start(self, services: Sequence[LabService]) -> None:
        """Start some programs, and return when all are ready."""
        for one in services:
            self.services[one.key] = one
            await one.start()
        waits: list[Awaitable[None]] = [one.ready(READY_S) for one in services]
        await asyncio.gather(*waits)

    async def _until_linked(self, machines: Sequence[Machine]) -> None:
        every = {machine.name for machine in machines}
        end_s = time.monotonic() + READY_S
        while missing := sorted(every - await asyncio.to_thread(self._linked)):
            if time.monotonic() > end_s:
                raise EnvironmentFailure(
                    f"{', '.join(missing)}: no link to the core after {READY_S:.0f} s",
                    hint=f"see the logs in {self.folder / MACHINES}",
                )
            await asyncio.sleep(POLL_S)

    def _linked(self) -> set[str]:
        """Return the nodes that have applied what the core has."""
        try:
            found = self._core().status()
        except OSError:
            return set()
        return {node["node"] for node in found["nodes"] if node["lag"] == 0}

    def _say(self, what: str, of: int = 0) -> None:
        self.tell({"what": what, "count": of})

    def _changed(self) -> None:
        order = dict.fromkeys([machine.name for machine in self.topology.machines])
        self.state.machines = [
            {**asdict(self.there[name]), "holder": self.holders[name].pid}
            for name in order | dict.fromkeys(self.there)
            if name in self.holders
        ]
        self.state.domains = list(self.topology.domains)
        self.state.services = [one.as_json() for one in self.services.values()]
        self.state.write()


def _documents(inventory: Inventory) -> set[tuple[str, str]]:
    """Return kind and key of each document that an inventory gives."""
    found = [*each_document(inventory), *node_documents(inventory)]
    return {(str(one.kind), one.key) for one in found}
