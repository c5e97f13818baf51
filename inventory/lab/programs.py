"""Which programs does a machine of the lab run, and how is it seen that they are ready?

Touches files of the machines; what is returned is not started yet.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from common.preferences.deliver_to import split_target
from common.wireguard.tunnel_keeper import STATE_FILE
from inventory.addressing import HTTP_PORT, METRICS_PORT, SMTP_PORT
from inventory.lab import sender
from inventory.lab.entering import connected, get_page
from inventory.lab.furnishing import RESOLVER_FILE
from inventory.lab.lab_service import LabService
from inventory.lab.topology import MACHINES, LabRole, Machine, Topology
from inventory.render.systemd import SETTINGS_FOLDER

DNS_PORT = 53
NAMED = ("named", "-g", "-n", "1", "-c")
TUNNEL_FILE = f"{SETTINGS_FOLDER}/wg0.conf"
PYTHON = (sys.executable, "-m")


@dataclass(frozen=True, slots=True)
class Programs:
    """What there is to run on the machines of a lab.

    Args:
        folder: the lab's.
        topology: its machines.
        holders: by machine, the process that holds its namespaces.
        changed: is called when something happened to a program.
    """

    folder: Path
    topology: Topology
    holders: Mapping[str, int]
    changed: Callable[[], None]

    def own(self, machine: Machine) -> Path:
        """Return the folder of what is a machine's own."""
        return self.folder / MACHINES / machine.name

    def before(self, machine: Machine) -> list[LabService]:
        """Return what a machine with settings of ours runs before its own program."""
        found = [self._tunnel(machine)]
        if machine.role is LabRole.SATELLITE and self.topology.resolver:
            found.append(self._resolver(machine))
        return found

    def _resolver(self, machine: Machine) -> LabService:
        """Return a node's own resolver, where the inventory says that it has one."""
        holder = self.holders[machine.name]
        return LabService(
            machine=machine,
            name="resolver",
            command=[*NAMED, f"/etc/{RESOLVER_FILE}"],
            holder=holder,
            log=self.own(machine) / "log" / "resolver.log",
            not_ready=partial(_not_listening, holder, *split_target(self.topology.resolver)),
            changed=self.changed,
        )

    def _tunnel(self, machine: Machine) -> LabService:
        """Return what makes a machine's tunnel, and keeps it as its file says."""
        holder = self.holders[machine.name]
        told = Path(f"/proc/{holder}/root{STATE_FILE}")
        return LabService(
            machine=machine,
            name="wireguard",
            command=[*PYTHON, "cli", "wireguard", "watch", "--config", TUNNEL_FILE],
            holder=holder,
            log=self.own(machine) / "log" / "wireguard.log",
            not_ready=lambda: "" if told.exists() else "it has told nothing of its tunnel",
            changed=self.changed,
        )

    def of(self, machine: Machine) -> LabService:
        """Return a machine's own program."""
        holder = self.holders[machine.name]
        own = self.own(machine)
        settings = f"{SETTINGS_FOLDER}/{machine.role}.yaml"
        match machine.role:
            case LabRole.CORE | LabRole.SATELLITE:
                name, port = str(machine.role), METRICS_PORT
                if machine.role is LabRole.CORE:
                    port = HTTP_PORT
                command = [*PYTHON, "cli", name, "serve", "--config", settings]
                not_ready = partial(not_ready_page, holder, machine.vpn_address, port)
            case LabRole.DNS:
                name, command = "named", [*NAMED, "/etc/bind/named.conf"]
                not_ready = partial(_not_listening, holder, machine.addresses[0], DNS_PORT)
            case LabRole.CUSTOMERS:
                name = "customers"
                places = own / "places.json"
                places.write_text(json.dumps([asdict(one) for one in self.topology.servers]))
                command = [*PYTHON, "inventory.lab.customers", str(places), str(own / "mail")]
                first = self.topology.servers[0]
                not_ready = partial(_not_listening, holder, first.addresses[0], first.port)
            case LabRole.SENDER:
                name, command = "postfix", ["postfix", "start-fg"]
                user = pwd.getpwnam("postfix")
                os.chown(own / "data", user.pw_uid, user.pw_gid)
                os.chown(own / "queue" / "returned", sender.NOBODY, sender.NOBODY)
                not_ready = partial(_not_listening, holder, machine.addresses[0], SMTP_PORT)
        return LabService(
            machine=machine,
            name=name,
            command=command,
            holder=holder,
            log=own / "log" / f"{name}.log",
            not_ready=not_ready,
            changed=self.changed,
        )


def not_ready_page(holder: int, host: str, port: int) -> str:
    """Return why a program of ours is not ready, as it says itself; empty when it is."""
    try:
        status, body = get_page(holder, host, port, "/readyz")
    except OSError as error:
        return f"does not answer: {error}"
    return "" if status == 200 else body.decode("utf-8", "replace").strip() or f"HTTP {status}"


def served_serial(holder: int, host: str, zone: str) -> int | None:
    """Return the serial number of a zone as the name server has it; None when it does not say."""
    question = dns.message.make_query(zone, "SOA")
    try:
        with connected(holder, host, DNS_PORT, timeout_s=5.0) as connection:
            answer = dns.query.tcp(question, host, sock=connection, timeout=5.0)
    except (OSError, dns.exception.DNSException):
        return None
    return next((int(record.serial) for one in answer.answer for record in one), None)


def _not_listening(holder: int, host: str, port: int) -> str:
    try:
        connected(holder, host, port, timeout_s=1.0).close()
    except OSError as error:
        return f"{host} port {port} does not answer: {error}"
    return ""
