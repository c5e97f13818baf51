"""How does ``borderscout lab status`` show the lab?

Touches the terminal.
"""

from __future__ import annotations

from typing import Any

from cli.output import console, plain, print_table, span
from common.wireguard.tunnel_state import HANDSHAKE_S_DEAD
from inventory.lab.lab_report import LabReport, MachineReport
from inventory.lab.mail_count import MailCount
from inventory.lab.standing_lab import StandingLab
from inventory.lab.topology import LabRole

STANDBY = "standby"  # in the place of the role, of a machine that can be the core


def show(lab: StandingLab, report: LabReport) -> None:
    """Show the lab to a person."""
    if not lab.state.is_ready:
        console.print("the lab is not ready yet")
    print_table(
        ("!Machine", "!Site", "!Line", "Programs", "!Tunnel", "!Link", ">Mail", "!Ready"),
        [_row(one) for one in report.machines],
    )
    for one in report.machines:
        for program in one.programs:
            if program["process"] is None:
                what = f"{program['program']} ended {program['ended']}; see {program['log']}"
                console.print(f"{one.machine.name}: {plain(what)}")
    for line in _mail_lines(report.mail):
        console.print(line)


def _row(one: MachineReport) -> tuple[object, ...]:
    return (
        one.machine.name,
        one.machine.site or "-",
        one.line,
        " ".join(_program(program) for program in one.programs),
        _tunnel(one),
        one.state or "-",
        "-" if one.waiting is None else one.waiting,
        one.not_ready or (STANDBY if one.is_standby else "yes"),
    )


def _tunnel(one: MachineReport) -> str:
    """Return when it shook hands last; of one with a tunnel to each node, with how many as well."""
    if one.handshake_s_ago is None:
        return "-"
    ago = f"{span(one.handshake_s_ago)} ago"
    if one.machine.role is not LabRole.CORE:
        return ago
    every = one.handshakes_s_ago.values()
    alive = sum(1 for s_ago in every if s_ago is not None and s_ago < HANDSHAKE_S_DEAD)
    return f"{alive} of {len(every)}, {ago}"


def _program(program: dict[str, Any]) -> str:
    name = program["program"]
    if program["process"] is None:
        return f"{name} (ended)"
    again = program["restarts"]
    return f"{name} (started {again + 1} times)" if again else name


def _mail_lines(mail: MailCount) -> list[str]:
    return [
        f"sender: {_shares(mail.taken)} taken, {mail.waiting} waiting, {mail.refused} refused,"
        f" {mail.returned} returned",
        f"customers: {_shares(mail.delivered)} delivered",
    ]


def _shares(by_node: dict[str, int]) -> str:
    named = ", ".join(f"{plain(node)} {many}" for node, many in sorted(by_node.items()))
    return f"{sum(by_node.values())}{f' ({named})' if named else ''}"


def report_json(lab: StandingLab, report: LabReport) -> dict[str, Any]:
    """Return the lab as a program reads it."""
    mail = report.mail
    return {
        "folder": str(lab.folder),
        "ready": lab.state.is_ready,
        "core": lab.state.core,
        "joined": lab.state.joined,
        "applied": lab.state.applied,
        "machines": [
            {
                "machine": one.machine.name,
                "role": STANDBY if one.is_standby else one.machine.role,
                "site": one.machine.site,
                "addresses": list(one.machine.addresses),
                "line": one.line,
                "programs": list(one.programs),
                "handshake_s_ago": one.handshake_s_ago,
                "handshakes_s_ago": dict(one.handshakes_s_ago),
                "not_ready": one.not_ready,
                "state": one.state,
                "waiting": one.waiting,
            }
            for one in report.machines
        ],
        "mail": {
            "taken": dict(mail.taken),
            "waiting": mail.waiting,
            "refused": mail.refused,
            "returned": mail.returned,
            "delivered": dict(mail.delivered),
            "twice": [one for one, times in mail.message_ids.items() if times > 1],
            "messages": len(mail.message_ids),
        },
    }
