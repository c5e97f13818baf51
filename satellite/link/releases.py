"""How does a message that the core released come back to be delivered?

Touches unary and fetching calls, and the spool. The shard claims the release, fetches the body from
where it stopped, and takes it once its SHA-256 agrees. The core offers a release again until its
``released`` record arrived, so a failure here loses nothing and a release that is known here is
not taken a second time (P8).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from borderscout.v1 import control_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import wire
from common.backoff import Backoff
from common.clock import Clock
from common.envelope import Envelope
from common.errors import EnvironmentFailure, PeerError
from common.identity import ShardIdentity
from common.ids import MessageId
from common.link import Claim, ReleaseOffer
from common.tasks import finish
from satellite.headers import HEADER_BYTES_MAX
from satellite.link.accepted_core import AcceptedCore
from satellite.link.released_copy import released_copy
from satellite.link.spool import LinkSpool, ReleaseEntry
from satellite.link.streams import FAILURES, reason_of
from satellite.spool.model.messages import Copy
from satellite.spool.model.states import IllegalTransition

log = structlog.get_logger()

OFFERS_MAX = 1000  # waiting here; what finds no room is offered again
# What an honest sender's mail may be kept for: he is told when a next hop refuses what was
# released. A virus or spam stays suspect, though somebody here has looked at it: its sender may be
# forged, and a DSN would bring it to a stranger. A core of the version before says nothing of it.
HONEST_REASONS = frozenset({"policy", "unscannable", "waited", "postmaster"})
FETCHERS = 2  # a large body does not hold up the others
FETCH_TRIES_MAX = 5  # each goes on where the last one stopped; then the core offers it again
CLAIM_S = 30.0  # a core that does not answer a claim within this is away


@dataclass(slots=True)
class _Fetch:
    """A body that is on its way: what is in the entry is in the hash."""

    entry: ReleaseEntry
    hash: Any = field(default_factory=hashlib.sha256)
    header: bytearray = field(default_factory=bytearray)  # the beginning, as long as one may be


class ReleaseTaker:
    """Takes releases that the core offers.

    Args:
        spool: where they go.
        identity: who we are.
        mail_domain: our authserv-id.
        stub: returns the calls of the present channel.
        core: says whether the core that is reached is the accepted one.
        clock, spread, backoff: for the waits between tries.
        on_released: called with the id of the new message once it is durable.
    """

    def __init__(
        self,
        *,
        spool: LinkSpool,
        identity: ShardIdentity,
        mail_domain: str,
        stub: Callable[[], LinkStub],
        core: AcceptedCore,
        clock: Clock,
        spread: Callable[[], float],
        backoff: Backoff,
        on_released: Callable[[MessageId], None],
    ) -> None:
        self._spool = spool
        self._identity = identity
        self._mail_domain = mail_domain
        self._stub = stub
        self._core = core
        self._clock = clock
        self._spread = spread
        self._backoff = backoff
        self._on_released = on_released
        self._offers: asyncio.Queue[ReleaseOffer] = asyncio.Queue(OFFERS_MAX)
        self._under_way: set[str] = set()

    def offer(self, offer: ReleaseOffer) -> None:
        """Take note of an offer; a repeat changes nothing."""
        known = offer.release_id in self._under_way or self._spool.release_is_known(
            offer.release_id
        )
        if known or self._offers.full():
            return
        self._under_way.add(offer.release_id)
        self._offers.put_nowait(offer)

    async def run(self) -> None:
        """Take offers one after another until cancelled; run ``FETCHERS`` of these."""
        while True:
            offer = await self._offers.get()
            try:
                await self._take(offer)
            except (*FAILURES, IllegalTransition) as error:
                # The core offers it again.
                log.warning("release.failed", release=offer.release_id, reason=reason_of(error))
            finally:
                self._under_way.discard(offer.release_id)

    async def _take(self, offer: ReleaseOffer) -> None:
        if self._spool.release_is_known(offer.release_id):
            return
        claim = await self._claim(offer)
        if not claim.granted:
            log.info("release.not_granted", release=offer.release_id, reason=claim.reason)
            return
        if claim.message_id != offer.message_id or not claim.recipients:
            raise PeerError("the core granted another release than it offered")
        entry = self._spool.begin()
        try:
            fetch = _Fetch(entry)
            await self._fetch(offer, claim, fetch)
            # In a thread: a header section of a quarter of a megabyte takes its time.
            copy = await asyncio.to_thread(self._copy, bytes(fetch.header), claim, entry.id)
            self._core.check()  # what a core that is refused by now has granted is not ours
            # From here on the copy is ours to deliver.
            await finish(self._commit(offer, claim, entry, copy))
        except BaseException:  # cancelled too: what was begun is undone
            entry.abandon()
            raise
        log.info("release.taken", release=offer.release_id, message=entry.id)
        self._on_released(entry.id)

    async def _claim(self, offer: ReleaseOffer) -> Claim:
        self._core.check()
        request = control_pb2.ClaimRequest(
            identity=wire.identity_to_wire(self._identity), release_id=offer.release_id
        )
        call = self._stub().Claim(request, timeout=CLAIM_S)
        try:
            hearing = await self._core.hear(call)
            claim = wire.claim_from_wire(await call)
            hearing.check()  # another core may have granted what is not its own any more
        finally:
            call.cancel()
        return claim

    async def _fetch(self, offer: ReleaseOffer, claim: Claim, fetch: _Fetch) -> None:
        for tries in range(1, FETCH_TRIES_MAX + 1):
            try:
                await self._fetch_once(offer, claim, fetch)
            except FAILURES as error:
                if isinstance(error, PeerError | EnvironmentFailure) or tries == FETCH_TRIES_MAX:
                    raise
                await self._clock.sleep(self._backoff.wait_s(tries, spread=self._spread()))
            else:
                break
        if fetch.entry.size != claim.size or fetch.hash.digest() != claim.sha256:
            raise PeerError("the body that came is not the one that was released")

    async def _fetch_once(self, offer: ReleaseOffer, claim: Claim, fetch: _Fetch) -> None:
        request = control_pb2.FetchRequest(
            identity=wire.identity_to_wire(self._identity),
            release_id=offer.release_id,
            offset=fetch.entry.size,
        )
        call = self._stub().Fetch(request)
        try:
            hearing = await self._core.hear(call)
            async for message in call:
                hearing.check()
                chunk = wire.chunk_from_wire(message)
                end = chunk.offset + len(chunk.data)
                if chunk.offset != fetch.entry.size or end > claim.size:
                    raise PeerError("the core sent other octets than were asked for")
                fetch.entry.write(chunk.data)
                fetch.hash.update(chunk.data)
                fetch.header += chunk.data[: HEADER_BYTES_MAX + 1 - len(fetch.header)]
        finally:
            call.cancel()

    def _copy(self, header: bytes, claim: Claim, message: MessageId) -> Copy:
        return released_copy(
            header,
            claim,
            id=message,
            node=self._identity.node,
            mail_domain=self._mail_domain,
            revision=self._spool.preferences.position.revision,
        )

    async def _commit(
        self, offer: ReleaseOffer, claim: Claim, entry: ReleaseEntry, copy: Copy
    ) -> None:
        await entry.commit_release(
            release_id=offer.release_id,
            envelope=Envelope(
                client_address="",
                helo="",
                sender=claim.sender,
                recipients=claim.recipients,
                smtputf8=claim.smtputf8,
                eight_bit=claim.eight_bit,
            ),
            copy=copy,
            subject=claim.subject,
            released_from=claim.message_id,
            suspect=claim.kept_for not in HONEST_REASONS,
        )
