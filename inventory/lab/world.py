"""What does the first process of a lab do, from its first namespace to its last?

Touches namespaces, mounts, interfaces, rules and processes, all of which are its own: it is started
as the first process of new namespaces (``unshare``), and its network is the world between the
machines. Whatever ends it ends all that it made, since the kernel ends every process of a process
namespace with the first one, and takes away networks and mounts that nobody is in.

It tells whoever starts it how far it is, on stdout. Until the lab is ready, the end of stdin is the
end of the lab: whoever waited for it has gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from common.errors import BorderScoutError, EnvironmentFailure
from inventory.addressing import HTTP_PORT, METRICS_PORT, SMTP_PORT
from inventory.lab import lab_state, sender
from inventory.lab.entering import connected, entering_command, environment, get_page
from inventory.lab.furnishing import files_in_etc, furnishing_commands, own_folders
from inventory.lab.lab_commands import hold, reap_orphans, run_all, run_one, write_new
from inventory.lab.lab_service import LabService
from inventory.lab.lab_zones import zone_files
from inventory.lab.topology import CLUSTER, MACHINES, LabRole, Machine, Topology, topology_of
from inventory.lab.wiring import (
    before_line_commands,
    line_commands,
    machine_commands,
    world_commands,
    world_rules,
)
from inventory.load import load_inventory
from inventory.model import Inventory
from inventory.render.systemd import SETTINGS_FOLDER

READY_S = 120.0  # for a program to be ready, on a busy machine
PYTHON = (sys.executable, "-m")

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
    services: dict[str, LabService] = field(default_factory=dict)

    async def begin(self) -> None:
        """Make everything, and return when every node is ready and has its link.

        Raises:
            BorderScoutError: something could not be made, or is not ready; says what.
        """
        self.inventory = load_inventory(self.file)
        self.topology = topology_of(self.inventory)
        topology = self.topology
        self._say("laying the lines", len(topology.machines))
        await run_all(world_commands())
        await run_one(["nft", "-f", "-"], given=world_rules(topology.vpn_port))
        for machine in topology.machines:
            await self._add(machine)
        self._write_zones()
        self._say("starting the name server")
        await self._serve(topology.of(LabRole.DNS))
        self._say("raising the tunnels", 1 + len(topology.of(LabRole.SATELLITE)))
        rendered = [machine for machine in topology.machines if machine.folder]
        await asyncio.gather(*(self._raise_tunnel(machine) for machine in rendered))
        self._say("starting the core")
        await self._serve(topology.of(LabRole.CORE))
        self._say("starting the satellites", len(topology.of(LabRole.SATELLITE)))
        await self._serve(topology.of(LabRole.SATELLITE))
        self._say("starting the customers' servers and the sender")
        await self._serve([*topology.of(LabRole.CUSTOMERS), *topology.of(LabRole.SENDER)])
        self._say("waiting until every node has its link")
        await self._until_linked()
        self.state.is_ready = True
        self._changed()

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

    def own(self, machine: Machine) -> Path:
        """Return the folder of what is a machine's own."""
        return self.folder / MACHINES / machine.name

    async def _add(self, machine: Machine) -> None:
        """Make a machine with its line, its addresses and its files."""
        own = self.own(machine)
        for name in ("log", *own_folders(machine)):
            (own / name).mkdir(mode=0o755, parents=True, exist_ok=True)
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

    def _write_zones(self) -> None:
        folder = self.own(self.topology.machine(LabRole.DNS)) / "bind"
        files = zone_files(self.inventory, self.topology, serial=int(time.time()))
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")

    async def _raise_tunnel(self, machine: Machine) -> None:
        log = self.own(machine) / "log" / "wireguard.log"
        command = entering_command(
            self.holders[machine.name].pid, ("wg-quick", "up", "wg0"), is_in_lab=True
        )
        await run_one(command, log=log, what=f"{machine.name}: wg-quick")

    async def _serve(self, machines: Sequence[Machine]) -> None:
        """Start the program of each machine, and return when all are ready."""
        started = [self._service(machine) for machine in machines]
        for one in started:
            self.services[one.key] = one
            await one.start()
        waits: list[Awaitable[None]] = [one.ready(READY_S) for one in started]
        await asyncio.gather(*waits)

    def _service(self, machine: Machine) -> LabService:
        holder = self.holders[machine.name].pid
        own = self.own(machine)
        settings = f"{SETTINGS_FOLDER}/{machine.role}.yaml"
        match machine.role:
            case LabRole.CORE | LabRole.SATELLITE:
                name, port = str(machine.role), METRICS_PORT
                if machine.role is LabRole.CORE:
                    port = HTTP_PORT
                command = [*PYTHON, "cli", name, "serve", "--config", settings]
                is_ready = partial(_says_ready, holder, machine.vpn_address, port)
            case LabRole.DNS:
                name, command = "named", ["named", "-g", "-n", "1", "-c", "/etc/bind/named.conf"]
                is_ready = partial(_listens, holder, machine.addresses[0], 53)
            case LabRole.CUSTOMERS:
                name = "customers"
                places = own / "places.json"
                places.write_text(json.dumps([asdict(one) for one in self.topology.servers]))
                command = [*PYTHON, "inventory.lab.customers", str(places), str(own / "mail")]
                first = self.topology.servers[0]
                is_ready = partial(_listens, holder, first.addresses[0], first.port)
            case LabRole.SENDER:
                name, command = "postfix", ["postfix", "start-fg"]
                user = pwd.getpwnam("postfix")
                os.chown(own / "data", user.pw_uid, user.pw_gid)
                os.chown(own / "queue" / "returned", sender.NOBODY, sender.NOBODY)
                is_ready = partial(_listens, holder, machine.addresses[0], SMTP_PORT)
        return LabService(
            machine=machine,
            name=name,
            command=command,
            holder=holder,
            log=own / "log" / f"{name}.log",
            is_ready=is_ready,
            changed=self._changed,
        )

    async def _until_linked(self) -> None:
        end_s = time.monotonic() + READY_S
        while missing := await asyncio.to_thread(self._without_link):
            if time.monotonic() > end_s:
                raise EnvironmentFailure(
                    f"{', '.join(missing)}: no link to the core after {READY_S:.0f} s",
                    hint=f"see the logs in {self.folder / MACHINES}",
                )
            await asyncio.sleep(0.2)

    def _without_link(self) -> list[str]:
        """Return the nodes that have not applied what the core has."""
        every = {machine.name for machine in self.topology.of(LabRole.SATELLITE)}
        try:
            found = ask_core(self.holders["core"].pid, self.topology, self.folder)
        except OSError:
            return sorted(every)
        linked = {node["node"] for node in found["nodes"] if node["lag"] == 0}
        return sorted(every - linked)

    def _say(self, what: str, of: int = 0) -> None:
        self.tell({"what": what, "count": of})

    def _changed(self) -> None:
        self.state.machines = [
            {**asdict(machine), "holder": self.holders[machine.name].pid}
            for machine in self.topology.machines
            if machine.name in self.holders
        ]
        self.state.domains = list(self.topology.domains)
        self.state.services = [one.as_json() for one in self.services.values()]
        self.state.write()


def ask_core(holder: int, topology: Topology, folder: Path) -> Any:
    """Return what the core says of its nodes.

    Raises:
        OSError: it does not answer.
    """
    token = (folder / CLUSTER / "core" / "token").read_text(encoding="utf-8").strip()
    status, body = get_page(
        holder,
        topology.machine(LabRole.CORE).vpn_address,
        HTTP_PORT,
        "/api/v1/status",
        headers={"Authorization": f"Bearer {token}"},
    )
    if status != 200:
        raise OSError(f"the core says {status}")
    return json.loads(body)


def _says_ready(holder: int, host: str, port: int) -> bool:
    try:
        return get_page(holder, host, port, "/readyz")[0] == 200
    except OSError:
        return False


def _listens(holder: int, host: str, port: int) -> bool:
    try:
        connected(holder, host, port, timeout_s=1.0).close()
    except OSError:
        return False
    return True


def main(file: Path, folder: Path) -> int:
    """Be the first process of a lab until it ends; return the exit status."""
    # This /proc is still the machine's, so this is the id by which others know us.
    ours = int(Path("/proc/self").readlink().name)
    lock = lab_state.take_lock()
    state = lab_state.LabState(process=ours, began=lab_state.began(ours), folder=str(folder))
    state.write()
    mount = ["mount", "-t", "proc", "proc", "/proc"]
    subprocess.run(mount, check=True, env=environment())  # noqa: S603 - an array, no shell
    try:
        return asyncio.run(_main(World(folder=folder, file=file, state=state, tell=_tell)))
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
            return 1
        try:
            begun.result()
        except (BorderScoutError, OSError) as error:
            world.tell({"failed": str(error)})
            return 1
        world.tell({"ready": True})
        _let_go()
        await ending.wait()
        return 0
    finally:
        for one in (*told, reaping):
            one.cancel()
        await world.end()


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
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
