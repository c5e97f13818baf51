"""What is the lab that is up doing?

Touches the lab: its rules, its tunnels, the pages of its nodes, what the core says of them, and the
files of its mail.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from common.errors import EnvironmentFailure
from inventory.addressing import HTTP_PORT, METRICS_PORT
from inventory.lab.entering import get_page
from inventory.lab.mail_count import MailCount, mail_count
from inventory.lab.programs import not_ready_page
from inventory.lab.standing_lab import StandingLab
from inventory.lab.topology import CLUSTER, MACHINES, LabRole, Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineReport:
    """One machine.

    Attributes:
        line: ``up``, ``cut``, ``tunnel cut``, or what slows it.
        programs: each with its process, None when it has ended.
        handshakes_s_ago: by the other end of each tunnel, the last one, seconds; None: none yet.
        is_standby: it can be the core, and another one is.
        not_ready: why it says that it is not; empty when it is ready, or has nothing to say.
        state: of a node, as the core has it; empty of others.
        waiting: messages on a node, as the core knows.
    """

    machine: Machine
    line: str
    programs: tuple[dict[str, Any], ...]
    handshakes_s_ago: Mapping[str, float | None]
    is_standby: bool
    not_ready: str
    state: str
    waiting: int | None

    @property
    def handshake_s_ago(self) -> float | None:
        """The newest of all tunnels; None: none, or no tunnel."""
        return min((ago for ago in self.handshakes_s_ago.values() if ago is not None), default=None)

    @property
    def is_well(self) -> bool:
        """Whether its programs run, and it is ready."""
        return not self.not_ready and all(one["process"] is not None for one in self.programs)


@dataclass(frozen=True, slots=True)
class LabReport:
    """The whole lab."""

    machines: tuple[MachineReport, ...]
    mail: MailCount


def lab_report(lab: StandingLab) -> LabReport:
    """Return what every machine of a lab is doing; one that cannot be asked says so."""
    nodes = _nodes(lab)
    return LabReport(
        tuple(_machine_report(lab, machine, nodes.get(machine.name)) for machine in lab.machines),
        mail_count(lab.machines, lab.folder / MACHINES),
    )


def _machine_report(
    lab: StandingLab, machine: Machine, node: dict[str, Any] | None
) -> MachineReport:
    programs = tuple(one for one in lab.state.services if one["machine"] == machine.name)
    return MachineReport(
        machine=machine,
        line=lab.line(machine),
        programs=programs,
        handshakes_s_ago=_handshakes_s_ago(lab, machine),
        is_standby=machine.role is LabRole.CORE and machine != lab.core,
        not_ready=_not_ready(lab, machine, {one["program"] for one in programs}),
        state="" if node is None else node["state"],
        waiting=None if node is None else sum(node["spool"].values()),
    )


def _nodes(lab: StandingLab) -> dict[str, dict[str, Any]]:
    """Return what the core says of each node; nothing when it does not answer."""
    core = lab.core
    token_file = lab.folder / CLUSTER / core.folder / "token"
    headers = {"Authorization": f"Bearer {token_file.read_text(encoding='utf-8').strip()}"}
    try:
        status, body = get_page(
            lab.holder(core), core.vpn_address, HTTP_PORT, "/api/v1/status", headers=headers
        )
    except OSError:
        return {}
    found = json.loads(body)["nodes"] if status == 200 else []
    return {node["node"]: node for node in found}


def _handshakes_s_ago(lab: StandingLab, machine: Machine) -> dict[str, float | None]:
    if not machine.folder:
        return {}
    try:
        said = lab.run_inside(machine, ("wg", "show", "wg0", "dump"))
    except EnvironmentFailure:
        return {}
    names = {one.vpn_address: one.name for one in lab.machines if one.vpn_address}
    return dict(handshakes(said, names, now_s=time.time()))


def handshakes(
    said: str, names: Mapping[str, str], *, now_s: float
) -> Iterator[tuple[str, float | None]]:
    """Yield the name of each peer, and how long ago it shook hands, seconds; None: never.

    Args:
        said: by ``wg show INTERFACE dump``.
        names: by address in the VPN; a peer without one of these is left out, since it is a key
            that another one is to take the place of.
        now_s: seconds since the epoch (UTC).
    """
    for line in said.splitlines()[1:]:  # the first one is of the interface
        _, _, _, allowed, newest, *_ = line.split("\t")
        addresses = [network.partition("/")[0] for network in allowed.split(",")]
        for name in {names[address] for address in addresses if address in names}:
            yield name, now_s - int(newest) if int(newest) else None


def _not_ready(lab: StandingLab, machine: Machine, programs: Set[str]) -> str:
    match machine.role:
        case LabRole.CORE:
            if machine != lab.core and LabRole.CORE not in programs:
                return ""  # it is not to run there
            port = HTTP_PORT
        case LabRole.SATELLITE:
            port = METRICS_PORT
        case LabRole.DNS | LabRole.SENDER | LabRole.CUSTOMERS:
            return ""
    return not_ready_page(lab.holder(machine), machine.vpn_address, port)
