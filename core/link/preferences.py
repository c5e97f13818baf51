"""How does a shard's preference stream reach the feed?

Touches preference streams; ``core.feed.feed`` does the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import structlog
from borderscout.v1 import preferences_pb2

from common import wire
from common.clock import Clock
from common.errors import PeerError
from common.identity import ShardIdentity
from common.link import Answer, Batch, Bookmark, PreferencesHello, Unreadable
from core.feed.feed import ANSWERS_MAX, Feed
from core.feed.session import PreferenceStanding
from core.fleet.fleet import Fleet
from core.link.calls import Access, Context, Streams, first_message, until_first
from core.link.ports import FleetTable

log = structlog.get_logger()


class PreferenceStreams:
    """The preference streams of all shards.

    Args:
        access: who may speak for which node.
        streams: the open ones.
        fleet: told where the shards stand.
        table: fences a shard's earlier lives.
        feed: what they are fed.
        clock: for the fleet.
    """

    def __init__(
        self,
        *,
        access: Access,
        streams: Streams,
        fleet: Fleet,
        table: FleetTable,
        feed: Feed,
        clock: Clock,
    ) -> None:
        self._access = access
        self._streams = streams
        self._fleet = fleet
        self._table = table
        self._feed = feed
        self._clock = clock

    async def serve(
        self, messages: AsyncIterator[preferences_pb2.PreferencesRequest], context: Context
    ) -> None:
        """Serve one preference stream."""
        hello = wire.preferences_request_from_wire(await first_message(messages))
        if not isinstance(hello, PreferencesHello):
            raise PeerError("a preference stream begins with a hello")
        identity = hello.identity
        self._access.check(context, identity)
        # Raises when a later life has spoken. A copy judges mail, and gets what it judges by.
        self._streams.let_in(identity, await self._table.note_life(identity))
        answers: asyncio.Queue[Answer] = asyncio.Queue(ANSWERS_MAX)
        context.set_compression(grpc.Compression.Gzip)  # documents are text that repeats itself
        digest = await self._feed.digest_at(hello.applied)
        await self._access.admit(context, identity, digest_at_yours=digest)

        async def write(message: Batch | Bookmark) -> None:
            await context.write(wire.preferences_response_to_wire(message))

        def standing(now: PreferenceStanding) -> None:
            if now.refused is not None:
                log.warning(
                    "preferences.refused_by_satellite",
                    shard=str(identity),
                    revision=now.refused.revision,
                    kind=now.refused.kind,
                    key=now.refused.key,
                    reason=now.refused.reason,
                )
            self._fleet.stood(identity, now, now_s=self._clock.monotonic_s())

        with self._streams.only("preferences", identity) as ended:
            fed = self._feed.follow(
                hello,
                answers,
                write=write,
                standing=standing,
                before=self._fleet.standing(identity),
            )
            await until_first(fed, _listen(identity, messages, answers), ended)


async def _listen(
    identity: ShardIdentity,
    messages: AsyncIterator[preferences_pb2.PreferencesRequest],
    answers: asyncio.Queue[Answer],
) -> None:
    async for message in messages:
        request = wire.preferences_request_from_wire(message)
        match request:
            case Answer():
                await answers.put(request)
            case Unreadable(reason=reason):
                log.warning("link.message_unknown", shard=str(identity), reason=reason)
            case PreferencesHello():
                raise PeerError("a second hello on one preference stream")
