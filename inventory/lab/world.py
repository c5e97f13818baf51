"""What is a lab made of while it is up, and how does it become another?

Touches namespaces, mounts, interfaces, rules and processes, all of which are the lab's own: it runs
in the lab's first process, whose network is the world between the machines.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query

from common.errors import EnvironmentFailure
from common.preferences.deliver_to import split_target
from common.wireguard.tunnel_keeper import STATE_FILE
from inventory.addressing import HTTP_PORT, METRICS_PORT, SMTP_PORT
from inventory.lab import lab_state, sender
from inventory.lab.entering import connected, get_page
from inventory.lab.furnishing import RESOLVER_FILE, files_in_etc, furnishing_commands, own_folders
from inventory.lab.lab_commands import hold, run_all, run_one, write_new
from inventory.lab.lab_service import LabService
from inventory.lab.lab_zones import zone_files
from inventory.lab.topology import (
    CLUSTER,
    MACHINES,
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
    world_commands,
    world_rules,
)
from inventory.load import load_inventory
from inventory.model import CORE_FOLDER, Inventory
from inventory.render.systemd import SETTINGS_FOLDER

POLL_S = 0.2
READY_S = 120.0  # for a program to be ready, on a busy machine
DNS_PORT = 53
NAMED = ("named", "-g", "-n", "1", "-c")
TUNNEL_FILE = "/etc/wireguard/wg0.conf"
TUNNEL_TURN_S = 1.0  # until a changed file is seen, which a real machine's units see at once
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
    serial: int = 0  # of the zones

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
        await self._start([one for machine in rendered for one in self._before(machine)])
        self._say("starting the core")
        await self._serve(topology.of(LabRole.CORE))
        self._say("starting the satellites", len(topology.of(LabRole.SATELLITE)))
        await self._serve(topology.of(LabRole.SATELLITE))
        self._say("starting the customers' servers and the sender")
        await self._serve([*topology.of(LabRole.CUSTOMERS), *topology.of(LabRole.SENDER)])
        self._say("waiting until every node has its link")
        await self._until_linked(topology.of(LabRole.SATELLITE))
        self.state.is_ready = True
        self._changed()

    async def change(self) -> None:
        """Become what the inventory says by now, whose folders are rendered.

        Who comes is ready before DNS leads to him, and who goes is in DNS no more before he ends.

        Raises:
            BorderScoutError: something could not be made, or is not ready; says what.
        """
        inventory = load_inventory(self.file)
        before, now = self.topology, topology_of(inventory)
        old = {machine.name: machine for machine in before.machines}
        self.inventory, self.topology = inventory, now
        come = [machine for machine in now.machines if machine.name not in old]
        for machine in come:
            await self._add(machine)
        for machine in now.machines:
            if machine.name in old and machine.addresses != old[machine.name].addresses:
                outside, inside = further_commands(machine)
                await run_all(outside)
                await run_all(inside, self.holders[machine.name].pid)
        if now.servers != before.servers:
            (customers,) = now.of(LabRole.CUSTOMERS)
            await self.services[self._service(customers).key].end()
            await self._serve([customers])
        self.services["core/core"].reload()
        await self._start([one for machine in come for one in self._before(machine)])
        await self._serve(come)
        await self._until_linked(come)
        serial = self._write_zones()
        self.services["dns/named"].reload()
        await self._until_served(serial)
        names = {machine.name for machine in now.machines}
        for machine in [machine for machine in before.machines if machine.name not in names]:
            await self._remove(machine)
        self._changed()

    async def _remove(self, machine: Machine) -> None:
        """End a machine; its files stay, with the mail that it may have."""
        for key, one in list(self.services.items()):
            if one.machine.name == machine.name:
                await one.end()
                del self.services[key]
        holder = self.holders.pop(machine.name)
        holder.kill()
        await holder.wait()

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

    def _write_zones(self) -> int:
        """Write what the name server reads, and return its serial number."""
        folder = self.own(self.topology.machine(LabRole.DNS)) / "bind"
        self.serial = max(int(time.time()), self.serial + 1)
        files = zone_files(self.inventory, self.topology, serial=self.serial)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return self.serial

    async def _until_served(self, serial: int) -> None:
        """Wait until the name server has the zones of a serial number."""
        (machine,) = self.topology.of(LabRole.DNS)
        holder = self.holders[machine.name].pid
        look = partial(_serial_of, holder, machine.addresses[0], self.topology.mail_domain)
        end_s = time.monotonic() + READY_S
        while await asyncio.to_thread(look) != serial:
            if time.monotonic() > end_s:
                log = self.services["dns/named"].log
                raise EnvironmentFailure("dns: named keeps the zones before", hint=f"see {log}")
            await asyncio.sleep(POLL_S)

    async def _serve(self, machines: Sequence[Machine]) -> None:
        await self._start([self._service(machine) for machine in machines])

    async def _start(self, services: Sequence[LabService]) -> None:
        """Start some programs, and return when all are ready."""
        for one in services:
            self.services[one.key] = one
            await one.start()
        waits: list[Awaitable[None]] = [one.ready(READY_S) for one in services]
        await asyncio.gather(*waits)

    def _before(self, machine: Machine) -> list[LabService]:
        """Return what a machine with a rendered folder runs before its own program."""
        found = [self._tunnel(machine)]
        if machine.role is LabRole.SATELLITE and self.topology.resolver:
            found.append(self._resolver(machine))
        return found

    def _resolver(self, machine: Machine) -> LabService:
        """Return a node's own resolver, where the inventory says that it has one."""
        holder = self.holders[machine.name].pid
        return LabService(
            machine=machine,
            name="resolver",
            command=[*NAMED, f"/etc/{RESOLVER_FILE}"],
            holder=holder,
            log=self.own(machine) / "log" / "resolver.log",
            is_ready=partial(_listens, holder, *split_target(self.topology.resolver)),
            changed=self._changed,
        )

    def _tunnel(self, machine: Machine) -> LabService:
        """Return what makes a machine's tunnel, and keeps it as its file says."""
        holder = self.holders[machine.name].pid
        command = [*PYTHON, "cli", "wireguard", "watch", "--config", TUNNEL_FILE]
        told = Path(f"/proc/{holder}/root{STATE_FILE}")
        return LabService(
            machine=machine,
            name="wireguard",
            command=[*command, "--every", f"{TUNNEL_TURN_S}"],
            holder=holder,
            log=self.own(machine) / "log" / "wireguard.log",
            is_ready=told.exists,
            changed=self._changed,
        )

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
                name, command = "named", [*NAMED, "/etc/bind/named.conf"]
                is_ready = partial(_listens, holder, machine.addresses[0], DNS_PORT)
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
            found = ask_core(self.holders[CORE_FOLDER].pid, self.topology, self.folder)
        except OSError:
            return set()
        return {node["node"] for node in found["nodes"] if node["lag"] == 0}

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


def _serial_of(holder: int, host: str, zone: str) -> int | None:
    """Return the serial number of a zone as the name server has it; None when it does not say."""
    question = dns.message.make_query(zone, "SOA")
    try:
        with connected(holder, host, DNS_PORT, timeout_s=5.0) as connection:
            answer = dns.query.tcp(question, host, sock=connection, timeout=5.0)
    except (OSError, dns.exception.DNSException):
        return None
    return next((int(record.serial) for one in answer.answer for record in one), None)
