"""How long does a node of the lab take from its token to its first mail?

Touches the node's machine, and the sender's network. A node joins as any machine does: with a
token, by ``satellite join``, over the lab's lines; its keys are made there. Then one message is
given to it, again and again until it is taken, by a client that does not wait as a server would.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from common.errors import EnvironmentFailure
from inventory.lab.lab_commands import run_in
from inventory.lab.lab_core import LabCore
from inventory.lab.mail_count import TRIAL
from inventory.lab.programs import PYTHON
from inventory.lab.sending import try_mail
from inventory.lab.topology import Machine

TRY_S = 0.25
TAKEN_S = 120.0  # until a node takes mail, on a busy machine
AT_ONCE = 4  # nodes that join: each is a second or two of a processor, and then waits


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinTimes:
    """How long a node took, in seconds since it had its token.

    Args:
        keys_s: until it had keys, certificates and settings.
        ready_s: until its tunnel was up, and its program ready.
        mail_s: until it had taken a message; None: the inventory has no domain that takes any.
    """

    keys_s: float
    ready_s: float
    mail_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeJoining:
    """How the nodes of a lab join.

    Args:
        core: makes the tokens.
        holders: by machine, the process that holds its namespaces.
        sender: the machine whose network the first mail comes from.
        start: starts the programs of a machine that has joined, and returns when they are ready.
        recipient: whom that mail is for; empty: there is nobody.
        told: is called with each node that has joined.
    """

    core: LabCore
    holders: dict[str, int]
    sender: Machine
    start: Callable[[Machine], Awaitable[None]]
    recipient: str
    told: Callable[[str, JoinTimes], None]

    async def all(self, machines: Sequence[Machine]) -> None:
        """Let machines join, some at a time.

        Raises:
            BorderScoutError: one could not; says why.
        """
        places = asyncio.Semaphore(AT_ONCE)

        async def one(machine: Machine) -> None:
            async with places:
                self.told(machine.name, await self._one(machine))

        await asyncio.gather(*(one(machine) for machine in machines))

    async def _one(self, machine: Machine) -> JoinTimes:
        token = await asyncio.to_thread(self.core.join_token, machine.name)
        began_s = time.monotonic()
        command = [*PYTHON, "cli", "satellite", "join"]
        status, _, wrong = await run_in(self.holders[machine.name], command, given=token)
        if status:
            raise EnvironmentFailure(f"{machine.name}: does not join: {wrong.strip()}")
        keys_s = time.monotonic() - began_s
        await self.start(machine)
        ready_s = time.monotonic() - began_s
        mail_s = None
        if self.recipient:
            await self._until_taken(machine)
            mail_s = time.monotonic() - began_s
        return JoinTimes(keys_s=keys_s, ready_s=ready_s, mail_s=mail_s)

    async def _until_taken(self, machine: Machine) -> None:
        holder, host = self.holders[self.sender.name], machine.addresses[0]
        give = partial(try_mail, holder, host, to=self.recipient, mark=TRIAL)
        end_s = time.monotonic() + TAKEN_S
        while why := await asyncio.to_thread(give):
            if time.monotonic() > end_s:
                raise EnvironmentFailure(f"{machine.name} takes no mail: {why}")
            await asyncio.sleep(TRY_S)
