"""How is one clamd asked: in which session, in which way, and what is it like?

Touches that clamd. Which version and definitions it has is asked again when what we know is old,
and so is which archives it opens. Over a Unix socket it is given the message as an open file
(FILDES) where that is cheaper, since it need not write what it is sent to its disk first. Measured
with clamd 1.4: at 500 KiB that saves it two fifths of its processor time, and us the reading where
the message is a file. At 60 KiB a file in memory costs us as much as it saves, at 4 KiB more.
Where it refuses that it is sent everything.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256

from common.clock import Clock
from common.ids import MessageId
from satellite.scanning.clamd import replies
from satellite.scanning.clamd.control import ClamdControl, Stats
from satellite.scanning.clamd.opens import LOCKED_RAR, RAR, opens
from satellite.scanning.clamd.session import ClamdSession, connect
from satellite.scanning.engine import EngineHealth
from satellite.scanning.sample import Sample, SampleUnreadable
from satellite.scanning.sessions.connection import (
    CONNECT_S,
    UNIX_PREFIX,
    Misunderstood,
    ServerUnreachable,
    SessionEnded,
)
from satellite.scanning.sessions.pool import Pool

VERSION_S = 5.0  # how old the version in a verdict may be; a question in an open session, 0.2 ms
PROBE_OF_RAR_S = 3.0
OPENS_S = 300.0  # how old our knowledge of the archives that it opens may be
REFUSES_S = 300.0  # after which it is given an open file again
FILE_BYTES_MIN = 32_768  # the spool's files are larger anyway
IN_MEMORY_BYTES_MIN = 131_072
IN_MEMORY_BYTES_MAX = 1_048_576  # to copy more would hold up everybody else; it is streamed

UNKNOWN = replies.ClamdVersion()
_PROBE_OF_RAR = Sample(
    id=MessageId("probe"),
    size=len(LOCKED_RAR),
    sha256=sha256(LOCKED_RAR).digest(),
    data=LOCKED_RAR,
)


class ClamdServer:
    """One clamd.

    Args:
        address: ``unix:PATH`` or ``HOST:PORT``.
        clock: for the age of what we know of it.
        sessions_max: scans at once.
        connect_s: how long a connection to it may take.
        answer_s: how long it may take to say its version, where another can be asked instead.
        takes_descriptors: whether it may be given open files.
    """

    def __init__(
        self,
        address: str,
        *,
        clock: Clock,
        sessions_max: int,
        connect_s: float = CONNECT_S,
        answer_s: float | None = None,
        takes_descriptors: bool = True,
    ) -> None:
        self._address = address
        self._clock = clock
        self._pool = Pool(
            partial(connect, address, connect_s=connect_s), clock=clock, sessions_max=sessions_max
        )
        self._control = ClamdControl(address)
        self._answer_s = answer_s
        self._version = UNKNOWN
        self._version_until_s = float("-inf")
        self._asking_version = asyncio.Lock()
        self._opens: frozenset[str] = frozenset()
        self._opens_until_s = float("-inf")
        can_take = takes_descriptors and address.startswith(UNIX_PREFIX)
        self._refuses_until_s = float("-inf") if can_take else float("inf")

    @property
    def address(self) -> str:
        return self._address

    @property
    def version(self) -> replies.ClamdVersion:
        """Return what it has, as it said at most ``VERSION_S`` before its last answer."""
        return self._version

    async def scanned(self, sample: Sample, shown: asyncio.Event) -> tuple[bytes, int]:
        """Return its answer to a message in the words of INSTREAM, and how often it was asked.

        Args:
            sample: the message.
            shown: set once it is asked about it.

        Raises:
            ServerUnreachable, SessionEnded, Misunderstood: there is no answer.
            SampleUnreadable: the message cannot be read.
        """
        if self._clock.monotonic_s() >= self._version_until_s:
            await self._learn_version()
        if self._is_to_be_opened(sample):
            reply, tries = await self._pool.ask(partial(_as_file, sample), lent=shown)
            if not replies.is_own_failure(reply):
                return reply, tries
            streamed, more = await self._streamed(sample, shown)
            if not replies.is_own_failure(streamed):
                self._refuses_until_s = self._clock.monotonic_s() + REFUSES_S
            return streamed, tries + more
        return await self._streamed(sample, shown)

    async def opens(self) -> frozenset[str]:
        """Return the kinds of archives that it opens."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._opens_until_s:
            try:
                reply, _ = await self.scanned(_PROBE_OF_RAR, asyncio.Event())
            except (ServerUnreachable, SessionEnded, Misunderstood):
                return frozenset()  # not known, and asked again with the next
            self._opens = opens(self._version.version, replies.meaning(reply))
            self._opens_until_s = now_s + OPENS_S
        return self._opens

    async def probe(self) -> EngineHealth:
        """Return whether it would answer now."""
        if not await self._control.ping():
            return EngineHealth(answering=False, detail="clamd does not answer PING")
        line = await self._control.version()
        version = replies.version(line.encode() if line is not None else b"")
        detail = _busy(await self._control.stats())
        with suppress(TimeoutError):  # it is busy; whether it opens RAR can wait
            async with asyncio.timeout(PROBE_OF_RAR_S):
                kinds = await self.opens()
                if kinds and RAR not in kinds:
                    detail += "; opens no RAR: install libclamunrar, or set archive.unreadable"
        return EngineHealth(
            answering=True,
            version=version.version,
            detail=detail,
            definitions=version.definitions,
            definitions_us=version.definitions_us,
        )

    def close(self) -> None:
        """Close its sessions."""
        self._pool.close()

    def _is_to_be_opened(self, sample: Sample) -> bool:
        """Say whether a message is given as an open file."""
        if self._clock.monotonic_s() < self._refuses_until_s:
            return False
        if sample.path is not None:
            return sample.size >= FILE_BYTES_MIN
        return IN_MEMORY_BYTES_MIN <= sample.size <= IN_MEMORY_BYTES_MAX

    def _streamed(self, sample: Sample, shown: asyncio.Event) -> Awaitable[tuple[bytes, int]]:
        return self._pool.ask(lambda session: session.scan(sample), lent=shown)

    async def _learn_version(self) -> None:
        """Ask for the version when what we know of it is old; it changes with the definitions.

        The session is taken before the lock: who waited for it behind others that cannot connect
        would wait for each of them.
        """
        session = await self._pool.lend()
        try:
            async with asyncio.timeout(self._answer_s), self._asking_version:
                if self._clock.monotonic_s() < self._version_until_s:
                    return
                self._version = replies.version(await session.command("VERSION"))
                self._version_until_s = self._clock.monotonic_s() + VERSION_S
        except (SessionEnded, Misunderstood):
            self._version = UNKNOWN  # it may be forbidden to ask; scanning goes on
            self._version_until_s = self._clock.monotonic_s() + VERSION_S
        except TimeoutError:
            what = f"no answer from {self._address} within {self._answer_s:g} s"
            raise ServerUnreachable(what) from None
        finally:
            self._pool.take_back(session)


async def _as_file(sample: Sample, session: ClamdSession) -> bytes:
    with _opened(sample) as descriptor:
        reply = await session.scan_descriptor(descriptor)
    if replies.is_own_failure(reply):
        session.close()  # whoever does not know the command may take its last octet for another
    return reply


@contextmanager
def _opened(sample: Sample) -> Iterator[int]:
    """Open a message as a file: its own in the spool, or one in memory with its octets.

    Raises:
        SampleUnreadable: it cannot be opened, or is not as long as it was.
    """
    try:
        if sample.path is not None:
            descriptor = os.open(sample.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        else:
            descriptor = os.memfd_create("message", os.MFD_CLOEXEC)
    except OSError as error:
        raise SampleUnreadable(f"the body cannot be read: {error.strerror}") from None
    try:
        if sample.path is None:
            _fill(descriptor, sample)
        about = os.fstat(descriptor)
        if about.st_size != sample.size or not stat.S_ISREG(about.st_mode):
            raise SampleUnreadable("the body is shorter than it was, or longer")
        yield descriptor
    finally:
        os.close(descriptor)


def _fill(descriptor: int, sample: Sample) -> None:
    try:
        for chunk in sample.chunks():
            if os.write(descriptor, chunk) != len(chunk):
                raise SampleUnreadable("there is no memory for the body")
    except OSError as error:
        raise SampleUnreadable(f"there is no memory for the body: {error.strerror}") from None


def _busy(stats: Stats | None) -> str:
    if stats is None:
        return "gives no statistics"
    return f"threads {stats.threads}, queued {stats.queued}"
