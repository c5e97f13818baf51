"""How does a quarantined message arrive whole?

Touches the database and the folder of bodies, in this order: the body is durable, then the case
says ``held``, and only then is a satellite told that it may let go of its copy. Source: promise P8.
"""

from __future__ import annotations

from common.clock import Clock
from common.identity import ShardIdentity
from common.link import Case, Taken, Wanted
from core.custody.bodies import BodyFolder, Partial
from core.quarantine.cases import TABLE, CaseRefused, CaseState, KeptCase
from core.store.database import Database

CHUNK_BYTES_MAX = 1_048_576  # four times what the link sends


Arrival = Wanted | Taken  # from where on the body is wanted, or that it is durable


class Arrivals:
    """The way of quarantined messages from the satellites to here."""

    def __init__(self, *, database: Database, bodies: BodyFolder, clock: Clock) -> None:
        self._cases = database.cases
        self._bodies = bodies
        self._clock = clock

    async def open_case(self, identity: ShardIdentity, told: Case) -> Arrival:
        """Keep what is said of a message, and tell from where on its body is wanted.

        Raises:
            IdentityRefused: the identity names no shard.
            CaseRefused: the message can never be taken.
            Fenced: a later life of the shard has spoken.
        """
        case, is_new = await self._cases.open_case(identity, told)
        if case.state is not CaseState.ARRIVING:
            if not await self._was_lost(case):
                return Taken(case.message_id)
            # To say `durable` would let the satellite delete the last copy that there is.
            await self._cases.open_case(identity, told)
            case, is_new = await self._cases.arriving(identity, case.message_id), True
        partial = Partial(identity, case.message_id)
        async with self._bodies.lock(case.told.sha256):
            if is_new or await self._bodies.partial_size(partial) > case.told.size:
                await self._bodies.discard(partial)
            return Wanted(case.message_id, await self._bodies.partial_size(partial))

    async def append(
        self, identity: ShardIdentity, message_id: str, offset: int, data: bytes
    ) -> Arrival:
        """Add octets to a body and tell from where on more is wanted.

        A repeat does no harm, and after a hole nothing is written.

        Raises:
            CaseRefused: it was not opened, or there is more than was announced.
            Fenced: a later life of the shard has spoken.
            DiskFull, EnvironmentFailure: what the disk said.
        """
        case = await self._cases.arriving(identity, message_id)
        if case.state is not CaseState.ARRIVING:
            return Taken(case.message_id)
        if offset < 0 or len(data) > CHUNK_BYTES_MAX or offset + len(data) > case.told.size:
            raise CaseRefused(message_id, "a chunk goes beyond the size that was announced")
        async with self._bodies.lock(case.told.sha256):
            size = await self._bodies.append(Partial(identity, message_id), offset, data)
        return Wanted(message_id, size)

    async def complete(self, identity: ShardIdentity, message_id: str) -> Arrival:
        """Take a body that has arrived, durably; when octets are missing, tell from where on.

        Raises:
            BodyMismatch: it is not the body that was announced; it was discarded, begin again.
            CaseRefused: it was not opened.
            Fenced: a later life of the shard has spoken.
            DiskFull, EnvironmentFailure: it is not durable; begin again.
        """
        case = await self._cases.arriving(identity, message_id)
        partial = Partial(identity, message_id)
        async with self._bodies.lock(case.told.sha256):
            # Another stream of the same shard may have been quicker: look again, under the lock.
            case = await self._cases.arriving(identity, message_id)
            if case.state is not CaseState.ARRIVING:
                return Taken(case.message_id)
            told = case.told
            size = await self._bodies.partial_size(partial)
            if size < told.size:
                return Wanted(message_id, size)
            await self._bodies.complete(partial, sha256=told.sha256, size=told.size)
            # The body is ours. The satellite may let go of its own only after this commit.
            await self._cases.hold(identity, message_id)
            return Taken(message_id)

    async def _was_lost(self, case: KeptCase) -> bool:
        """Write that a case has no body, where that is so, and say whether it is."""
        if not TABLE[case.state].keeps_body:
            return False  # deleted on purpose
        async with self._bodies.lock(case.told.sha256):
            if await self._bodies.has(case.told.sha256, case.told.size):
                return False
            return await self._cases.want_again([case], who="core") == 1
