"""What is the lab that is up doing?

Touches the lab: its rules, its tunnels, the pages of its nodes, what the core says of them, and the
files of its mail.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from common.errors import EnvironmentFailure
from inventory.addressing import HTTP_PORT, METRICS_PORT
from inventory.lab.entering import get_page
from inventory.lab.mail_count import MailCount, mail_count
from inventory.lab.programs import not_ready_page
from inventory.lab.standing_lab import StandingLab
from inventory.lab.topology import CLUSTER, MACHINES, LabRole, Machine
from inventory.model import CORE_FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineReport:
    """One machine.

    Attributes:
        line: ``up``, ``cut``, ``tunnel cut``, or what slows it.
        programs: each with its process, None when it has ended.
        handshake_s_ago: the last one of the tunnel, seconds; None: none, or no tunnel.
        not_ready: why it says that it is not; empty when it is ready, or has nothing to say.
        state: of a node, as the core has it; empty of others.
        waiting: messages on a node, as the core knows.
    """

    machine: Machine
    line: str
    programs: tuple[dict[str, Any], ...]
    handshake_s_ago: float | None
    not_ready: str
    state: str
    waiting: int | None

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
    return MachineReport(
        machine=machine,
        line=lab.line(machine),
        programs=tuple(one for one in lab.state.services if one["machine"] == machine.name),
        handshake_s_ago=_handshake_s_ago(lab, machine),
        not_ready=_not_ready(lab, machine),
        state="" if node is None else node["state"],
        waiting=None if node is None else sum(node["spool"].values()),
    )


def _nodes(lab: StandingLab) -> dict[str, dict[str, Any]]:
    """Return what the core says of each node; nothing when it does not answer."""
    (core,) = lab.of(LabRole.CORE)
    token_file = lab.folder / CLUSTER / CORE_FOLDER / "token"
    headers = {"Authorization": f"Bearer {token_file.read_text(encoding='utf-8').strip()}"}
    try:
        status, body = get_page(
            lab.holder(core), core.vpn_address, HTTP_PORT, "/api/v1/status", headers=headers
        )
    except OSError:
        return {}
    found = json.loads(body)["nodes"] if status == 200 else []
    return {node["node"]: node for node in found}


def _handshake_s_ago(lab: StandingLab, machine: Machine) -> float | None:
    if not machine.folder:
        return None
    try:
        said = lab.run_inside(machine, ("wg", "show", "wg0", "latest-handshakes"))
    except EnvironmentFailure:
        return None
    return _newest_s_ago(said.splitlines(), time.time())


def _newest_s_ago(lines: Iterable[str], now_s: float) -> float | None:
    """Return the age of the newest handshake of some peers; 0 is one that never was."""
    newest = max((int(line.split()[-1]) for line in lines), default=0)
    return now_s - newest if newest else None


def _not_ready(lab: StandingLab, machine: Machine) -> str:
    match machine.role:
        case LabRole.CORE:
            port = HTTP_PORT
        case LabRole.SATELLITE:
            port = METRICS_PORT
        case LabRole.DNS | LabRole.SENDER | LabRole.CUSTOMERS:
            return ""
    return not_ready_page(lab.holder(machine), machine.vpn_address, port)
