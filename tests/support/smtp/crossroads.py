"""What happens between a node and other people's mail servers, before it and behind it?

Touches a cluster and processes. Each of the servers hands mail to the node, and a second one of its
kind takes what the node delivers; scripted hops stand at the ends and keep every octet. A server
that is not there is missing for its own tests alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.cluster.cluster import Cluster, cluster
from tests.support.cluster.inventories import YARA, inventory, site
from tests.support.network.ports import free_port
from tests.support.smtp.mtas import HOST, MTAS
from tests.support.smtp.next_hop import NextHop, Taken

NODE = "one1"
CUSTOMER = "everybody"
NEAR = "near.example"  # whose server the node talks to itself
HOME = "home.example"  # where those who send have their mailboxes
SENDER = f"a@{HOME}"
UNHEARD = "unheard.example"  # whose server, an OpenSMTPD, the node has not talked to before
GONE = f"gone@{NEAR}"  # whom the server of ``NEAR`` refuses
HEARD_S = 60.0  # for a message to come out at the end; a loaded machine is slow

_EHLO = ("hop.example", "PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 104857600")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """What a server said to one message, and whether it took it."""

    mail: str
    recipients: tuple[str, ...]
    dot: str = ""


@dataclass(slots=True)
class Crossroads:
    """A node, with servers around it.

    Args:
        near: the server of ``NEAR``, which offers DSN.
        home: that of ``HOME``, where DSNs arrive.
        far: behind each mail server that the node delivers to, under its name.
    """

    cluster: Cluster
    near: NextHop
    home: NextHop
    far: Mapping[str, NextHop]
    senders: Mapping[str, int]
    missing: dict[str, str] = field(default_factory=dict)

    def needs(self, name: str) -> None:
        """Skip the test when this mail server is not there."""
        if name in self.missing:
            pytest.skip(self.missing[name])

    async def from_server(self, name: str, message: Message) -> Replies:
        """Let a mail server have a message for the node, and return what it says to it."""
        self.needs(name)
        return await asyncio.to_thread(_hand_over, (HOST, self.senders[name]), message)

    async def to_node(self, message: Message) -> Replies:
        """Give the node a message as a client would, and return what it says."""
        return await asyncio.to_thread(_hand_over, self.cluster.smtp(NODE), message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message and its envelope, with the parameters as they stand in the command."""

    data: bytes
    recipients: Sequence[str]
    sender: str = SENDER
    mail: Sequence[str] = ("BODY=8BITMIME",)
    rcpt: Sequence[str] = ()


def domain_of(name: str) -> str:
    """Return the customer's domain whose mail goes through a mail server."""
    return f"{name}.example"


async def arrival(hop: NextHop, what: Callable[[Taken], bool]) -> Taken:
    """Return the one message that a hop takes and that is meant, once it is there."""
    async with asyncio.timeout(HEARD_S):
        while not (found := [taken for taken in hop.taken if what(taken)]):
            await asyncio.sleep(0.02)
    (one,) = found
    return one


@contextlib.asynccontextmanager
async def crossroads(folder: Path) -> AsyncIterator[Crossroads]:
    """Run all of it for the length of a block."""
    async with contextlib.AsyncExitStack() as stack:
        near = await stack.enter_async_context(NextHop(EHLO=_offer("DSN"), RCPT=_rcpt))
        home = await stack.enter_async_context(NextHop(EHLO=_offer()))
        far = {name: await stack.enter_async_context(NextHop(EHLO=_offer())) for name in MTAS}
        hops, senders = ({name: free_port() for name in MTAS} for _ in range(2))
        servers = {NEAR: near.port, HOME: home.port, UNHEARD: senders["opensmtpd"]}
        servers |= {domain_of(name): port for name, port in hops.items()}
        tree = inventory(
            name="cross",
            sites=[site("one", NODE, number=1, engines=[YARA])],
            customers=[{"name": CUSTOMER, "domains": _domains(servers)}],
            smarthost=f"{HOST}:{home.port}",
        )
        running = await stack.enter_async_context(cluster(folder, tree))
        found = Crossroads(running, near, home, far, senders)
        for name, mta in MTAS.items():
            try:
                behind = (HOST, far[name].port)
                await stack.enter_async_context(mta.relay(hops[name], behind))
                await stack.enter_async_context(mta.relay(found.senders[name], running.smtp(NODE)))
            except pytest.skip.Exception as reason:
                found.missing[name] = str(reason)
        yield found


def _domains(servers: Mapping[str, int]) -> list[dict[str, object]]:
    return [{"name": name, "deliver_to": [f"{HOST}:{port}"]} for name, port in servers.items()]


def _hand_over(address: tuple[str, int], message: Message) -> Replies:
    with smtplib.SMTP(*address, timeout=HEARD_S) as client:
        client.ehlo("client.example")
        client.command_encoding = "utf-8"
        mail = _said(client.mail(message.sender, list(message.mail)))
        rcpt = tuple(_said(client.rcpt(to, list(message.rcpt))) for to in message.recipients)
        if not mail.startswith("2") or not any(reply.startswith("2") for reply in rcpt):
            return Replies(mail=mail, recipients=rcpt)
        return Replies(mail=mail, recipients=rcpt, dot=_said(client.data(message.data)))


def _said(reply: tuple[int, bytes]) -> str:
    return f"{reply[0]} {reply[1].decode('utf-8', 'replace')}"


def _offer(*more: str) -> bytes:
    lines = [*_EHLO, *more]
    return b"".join(
        f"250{'-' if number < len(lines) else ' '}{line}\r\n".encode()
        for number, line in enumerate(lines, start=1)
    )


def _rcpt(line: str) -> bytes:
    return b"550 5.1.1 No such user\r\n" if f"<{GONE}>" in line else b"250 2.1.5 Ok\r\n"
