"""How does a quarantined message get out again, once?

Touches the database and the folder of bodies. People ask for a release; it is assigned to one
shard, offered to it, claimed by it, and done when its record says that the message is in its spool.
Each step is durable before anybody hears of it.

Source: promises P8, P9; docs/sync.md, *Releases*.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager

from common.clock import Clock, new_id
from common.errors import PeerError
from common.identity import ShardIdentity, check_identity
from common.ids import is_ulid
from common.link import Claim
from core.custody.bodies import BodyFolder
from core.quarantine.assignment import Place, Release
from core.quarantine.cases import UnknownCase
from core.store.database import Database
from core.store.subscribers import Subscribers

FETCH_BYTES_MAX = 1_048_576  # of a body at a time


class FetchRefused(PeerError):
    """A shard asked for a body that no release gives it."""


class Releases:
    """The way of quarantined messages out."""

    def __init__(
        self, *, database: Database, bodies: BodyFolder, clock: Clock, claim_wait_s: float
    ) -> None:
        self._releases = database.releases
        self._bodies = bodies
        self._clock = clock
        self._claim_wait_us = round(claim_wait_s * 1_000_000)
        self._subscribers = Subscribers()

    def subscribe(self) -> AbstractContextManager[asyncio.Event]:
        """Give an event that is set after each new release."""
        return self._subscribers.subscribe()

    async def request(
        self, message_id: str, *, who: str, again: bool = False, recipients: Sequence[str] = ()
    ) -> Release:
        """Ask that a message be delivered, and return its release.

        To ask twice gives the same release; whoever has one already gets none by another. With
        ``again`` a new one is made once the last was
        claimed: the message may then be delivered twice.

        Raises:
            UnknownCase: there is no such message.
            CaseNotHeld: its body is not here yet, or not any more.
            NoSuchRecipient: it is not kept for one of ``recipients``; none of them: for all.
        """
        if not is_ulid(message_id):
            raise UnknownCase(message_id)
        release, is_new = await self._releases.request(
            message_id,
            release_id=new_id(self._clock),
            who=who,
            again=again,
            recipients=recipients,
        )
        if is_new:
            self._subscribers.wake()
        return release

    async def offers(self, connected: Collection[Place]) -> list[Release]:
        """Return what the connected shards should be offered now, assigning what nobody has.

        Call it when a shard comes, when a release is new, and every few seconds: a release that
        its shard did not claim in time passes to another. What was claimed is offered to its
        holder until it is done, since the answer to a claim may be lost.
        """
        return await self._releases.assigned(connected, claim_wait_us=self._claim_wait_us)

    async def claim(self, identity: ShardIdentity, release_id: str) -> Claim:
        """Give a release to the shard that it is assigned to, durably; a repeat is granted too.

        Raises:
            IdentityRefused: the identity names no shard.
            Fenced: a later life of the shard has spoken.
        """
        check_identity(identity)
        claimed = await self._releases.claim(identity, release_id)
        if claimed.case is None or claimed.release is None:
            return Claim(granted=False, reason=claimed.reason)
        case = claimed.case.told
        return Claim.granted_for(case, claimed.release.delivers_to(case.recipients))

    async def read(
        self, identity: ShardIdentity, release_id: str, offset: int, length: int
    ) -> bytes:
        """Return octets of the body of a release that this shard has claimed; none at its end.

        Raises:
            IdentityRefused: the identity names no shard.
            FetchRefused: it has not claimed this release.
            Fenced: a later life of the shard has spoken.
            EnvironmentFailure: the disk failed.
        """
        check_identity(identity)
        held = await self._releases.held_by(identity, release_id)
        if held.case is None:
            raise FetchRefused(f"release {release_id[:40]!r}: {held.reason}")
        if offset < 0 or length < 0:
            raise FetchRefused(f"release {release_id[:40]!r}: no such octets")
        return await self._bodies.read(held.case.told.sha256, offset, min(length, FETCH_BYTES_MAX))

    async def release(self, release_id: str) -> Release | None:
        """Return one release, or None when there is none."""
        return await self._releases.release(release_id)

    async def of_case(self, message_id: str) -> list[Release]:
        """Return every release of a message, the oldest first."""
        return await self._releases.of_case(message_id)
