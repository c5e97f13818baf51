"""How does somebody outside reach the lab that is up, and cut, heal and slow its lines?

Touches the lab's namespaces, processes in them, and its rules. What is cut or slowed stands in the
world's rules and nowhere else, so that it cannot be told otherwise than it is.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import EnvironmentFailure, LocalError
from inventory.lab.entering import entering_command, environment
from inventory.lab.lab_state import LabState, outside_ids, read_state
from inventory.lab.topology import LabRole, Machine
from inventory.lab.wiring import (
    CUT,
    LINE,
    TABLE,
    TUNNEL_CUT,
    Command,
    cut_commands,
    delay_command,
    full_speed_command,
    heal_commands,
    rate_command,
)

COMMAND_S = 30.0
NO_SUCH_KIND = "kind is unknown"  # what tc says of a discipline that the kernel has not


@dataclass(slots=True)
class StandingLab:
    """The lab that is up.

    Attributes:
        machines: all of it, in the order in which they were made.
    """

    state: LabState
    machines: tuple[Machine, ...]
    _holders: Mapping[str, int]

    @classmethod
    def find(cls) -> StandingLab:
        """Return the lab that is up on this machine.

        Raises:
            LocalError: none is.
            EnvironmentFailure: this takes root.
        """
        if os.geteuid() != 0:
            raise EnvironmentFailure("the lab is root's", hint="run it as root")
        state = read_state()
        if state is None:
            raise LocalError(
                "no lab is up", hint="start one with: borderscout lab up examples/lab.yaml"
            )
        ids = outside_ids(state.process)
        trees = [dict(tree) for tree in state.machines]
        holders = {tree["name"]: ids.get(tree.pop("holder"), 0) for tree in trees}
        return cls(state, tuple(_machine(tree) for tree in trees), holders)

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return Path(self.state.folder)

    @property
    def core(self) -> Machine:
        """The machine on which the core runs."""
        return next(machine for machine in self.machines if machine.name == self.state.core)

    def holder(self, machine: Machine) -> int:
        """Return the process that holds a machine's namespaces, as this machine has it."""
        return self._holders[machine.name]

    def of(self, role: LabRole) -> list[Machine]:
        """Return all machines that are one thing."""
        return [machine for machine in self.machines if machine.role is role]

    def place(self, name: str) -> list[Machine]:
        """Return the machines of a site, or the one that is called so.

        Raises:
            LocalError: there is neither; names those that there are.
        """
        of_site = [machine for machine in self.machines if machine.site == name]
        found = of_site or [machine for machine in self.machines if machine.name == name]
        if not found:
            sites = dict.fromkeys(machine.site for machine in self.machines if machine.site)
            names = ", ".join([*sites, *(machine.name for machine in self.machines)])
            raise LocalError(f"the lab has no {name!r}", hint=f"there are {names}")
        return found

    def cut(self, name: str, *, is_tunnel_alone: bool) -> None:
        """Let nothing pass to and from a place, or no WireGuard."""
        self._in_world(cut_commands(self.place(name), is_tunnel_alone=is_tunnel_alone))

    def heal(self, name: str | None) -> None:
        """Let everything pass again, at full speed; None: everywhere."""
        machines = list(self.machines) if name is None else self.place(name)
        self._in_world(heal_commands(machines))
        for machine in machines:
            for holder, interface in self._ends(machine):
                if self.speed(holder, interface):
                    self._run(holder, full_speed_command(interface))

    def slow(self, name: str, *, kbit: int | None, delay_ms: int | None) -> None:
        """Let everything to and from a place pass slower or later, each way.

        Raises:
            EnvironmentFailure: the kernel cannot delay.
        """
        for machine in self.place(name):
            for holder, interface in self._ends(machine):
                if delay_ms is None:
                    assert kbit is not None
                    self._run(holder, rate_command(interface, kbit))
                    continue
                try:
                    self._run(holder, delay_command(interface, delay_ms, kbit))
                except EnvironmentFailure as failure:
                    if NO_SUCH_KIND not in failure.what:
                        raise
                    raise EnvironmentFailure(
                        "this kernel cannot delay (it has no netem)",
                        hint="leave --ms out, and use --kbit",
                    ) from None

    def speed(self, holder: int, interface: str) -> str:
        """Return what slows one end of a line; empty when nothing does."""
        said = self._run(holder, ("tc", "-j", "qdisc", "show", "dev", interface))
        for one in json.loads(said or "[]"):
            options = one.get("options", {})
            if one["kind"] == "tbf":
                return f"{options['rate'] * 8 // 1000} kbit"
            if one["kind"] == "netem":
                return f"{options['delay']['delay'] * 1000:.0f} ms later"
        return ""

    def line(self, machine: Machine) -> str:
        """Return how a machine's line is: ``up``, ``cut``, ``tunnel cut``, or what slows it."""
        if machine.interface in self._elements(CUT):
            return "cut"
        if machine.interface in self._elements(TUNNEL_CUT):
            return "tunnel cut"
        return self.speed(self.state.process, machine.interface) or "up"

    def run_inside(self, machine: Machine, command: Command) -> str:
        """Return what a program says that is run in a machine.

        Raises:
            EnvironmentFailure: it failed.
        """
        return _run(entering_command(self.holder(machine), command, is_in_lab=False))

    def _elements(self, name: str) -> list[str]:
        said = self._run(self.state.process, ("nft", "-j", "list", "set", "inet", TABLE, name))
        found = (one["set"] for one in json.loads(said)["nftables"] if "set" in one)
        return [line for one in found for line in one.get("elem", ())]

    def _ends(self, machine: Machine) -> Iterator[tuple[int, str]]:
        """Yield both ends of a line: a process in whose network it is, and its name there."""
        yield self.state.process, machine.interface
        yield self.holder(machine), LINE

    def _in_world(self, commands: Sequence[Command]) -> None:
        for command in commands:
            self._run(self.state.process, command)

    def _run(self, process: int, command: Command) -> str:
        """Run a command of this machine in another network."""
        return _run(["nsenter", "--target", str(process), "--net", "--", *command])


def _machine(tree: dict[str, Any]) -> Machine:
    return Machine(**tree | {"role": LabRole(tree["role"]), "addresses": tuple(tree["addresses"])})


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - an array, no shell
            command,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailure(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "failed").splitlines()
        raise EnvironmentFailure(f"{command[command.index('--') + 1]}: {words[-1]}")
    return done.stdout
