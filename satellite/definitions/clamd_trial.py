"""Which set of definitions does a clamd work with, and does it work?

Touches clamd, over sockets. Each question has a session of its own: what is asked while clamd
loads must not wait behind anything, nor spoil a session that mail is scanned in.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from enum import IntEnum
from hashlib import sha256

from common.ids import MessageId
from common.settings.values import split_endpoint
from common.verdict import Outcome, version_line
from satellite.definitions.marker import is_marked, marker_text
from satellite.definitions.set_name import SetName
from satellite.scanning.clamd import replies
from satellite.scanning.clamd.control import ClamdControl
from satellite.scanning.clamd.session import connect
from satellite.scanning.engine_guard import trial_sample
from satellite.scanning.meaning import Meaning
from satellite.scanning.sample import Sample
from satellite.scanning.sessions.connection import (
    UNIX_PREFIX,
    Misunderstood,
    ServerUnreachable,
    SessionEnded,
)

CALL_S = 10.0  # for one scan of a few octets; a clamd that blocks while it loads takes longer
TRIAL_BYTES = 4096

_TEST_FILE = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


class SetUse(IntEnum):
    """Whether an engine works with a set; of several servers the least counts."""

    SILENT = 0
    OTHER = 1
    USED = 2


class ClamdTrial:
    """All servers of an engine that read one folder.

    Args:
        addresses: ``unix:PATH`` or ``HOST:PORT``, at least one.
        call_s: seconds for each question.
    """

    def __init__(self, addresses: Sequence[str], *, call_s: float = CALL_S) -> None:
        assert addresses
        self._addresses = tuple(addresses)
        self._controls = [ClamdControl(address) for address in addresses]
        self._call_s = call_s

    async def use_of(self, name: SetName) -> SetUse:
        """Return whether all servers work with a set; never raises for what they do."""
        sample = _sample(marker_text(name))
        uses = []
        for address in self._addresses:
            said = await self._scanned(address, sample)
            if said is None:
                uses.append(SetUse.SILENT)
            elif said.outcome is Outcome.INFECTED and is_marked(name, said.threats):
                uses.append(SetUse.USED)
            else:
                uses.append(SetUse.OTHER)
        return min(uses)

    async def silent(self) -> str:
        """Return the address of a server that does not answer; empty when all do."""
        for address, control in zip(self._addresses, self._controls, strict=True):
            if not await control.ping():
                return address
        return ""

    async def version(self) -> str:
        """Return what the first server says of engine and definitions; empty when unknown."""
        line = await self._controls[0].version()
        said = replies.version(b"" if line is None else line.encode())
        return version_line(said.version, said.definitions)

    async def reload(self) -> str:
        """Have all servers load anew; return the address of one that would not, or nothing."""
        refused = ""
        for address, control in zip(self._addresses, self._controls, strict=True):
            if not await control.reload():
                refused = address
        return refused

    async def fault(self) -> str:
        """Return what is wrong with what the servers say of two trials; empty: nothing.

        They must name a threat in the test file of all scanners, and none in a plain text.
        """
        for address in self._addresses:
            said = await self._scanned(address, _sample(_TEST_FILE))
            if said is None:
                return f"{address} does not answer"
            if said.outcome is not Outcome.INFECTED:
                return f"{address} does not find the test virus: {said.outcome.value}"
            said = await self._scanned(address, trial_sample(TRIAL_BYTES))
            if said is None:
                return f"{address} does not answer"
            if said.outcome is not Outcome.CLEAN:
                named = ", ".join(said.threats) or said.detail
                return f"{address} calls a plain text {said.outcome.value}: {named}"
        return ""

    def processes(self) -> tuple[int | None, ...]:
        """Return for each server on this machine its process, or None where nobody says it.

        A socket that the service manager listens on names the service manager.
        """
        return tuple(
            _process(address) for address in self._addresses if is_on_this_machine(address)
        )

    async def _scanned(self, address: str, sample: Sample) -> Meaning | None:
        """Return what a server says of a sample; None when it says nothing."""
        try:
            async with asyncio.timeout(self._call_s):
                session = await connect(address)
                try:
                    return replies.meaning(await session.scan(sample))
                finally:
                    session.close()
        except (TimeoutError, ServerUnreachable, SessionEnded, Misunderstood):
            return None


def _sample(text: bytes) -> Sample:
    return Sample(
        id=MessageId("definitions"), size=len(text), sha256=sha256(text).digest(), data=text
    )


def is_on_this_machine(address: str) -> bool:
    """Say whether a server listens here alone: on a Unix socket, or on loopback."""
    if address.startswith(UNIX_PREFIX):
        return True
    host, _ = split_endpoint(address)
    return host in ("localhost", "::1") or host.startswith("127.")


def _process(address: str) -> int | None:
    if not address.startswith(UNIX_PREFIX):
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(address.removeprefix(UNIX_PREFIX))
            told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return None
    return int(_CREDENTIALS.unpack(told)[0])
