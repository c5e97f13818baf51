"""Both machines together: cut and doubled at every position, a satellite ends with the core's set.

Pure, and in the core's and the satellite's words at once: what crosses between them goes through
protobuf. Source: docs/design/link-guarantees.md, G2, G3, G6.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

from borderscout.v1 import preferences_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from common import wire
from common.identity import ShardIdentity
from common.link import Answer, Batch, Bookmark, PreferencesHello
from common.preferences import Document, DocumentRefused, Kind, Position, Preferences
from common.preferences.documents import check_document
from core.feed.feed import latest, parts
from core.feed.session import (
    BatchSent,
    End,
    FeedSession,
    Greeted,
    Moved,
    NoHistory,
    PreferenceStanding,
    SendAll,
    SendBookmark,
    SendChanges,
)
from core.feed.session import Command as CoreCommand
from core.preferences.ledger import Published
from satellite.link.follower import (
    Announce,
    Applied,
    Apply,
    ComplainOfPreferences,
    Connected,
    Disconnected,
    Follower,
    Say,
)
from satellite.link.follower import Command as ShardCommand
from satellite.spool.applied import prepared
from tests.support.core.preferences import EPOCH, route, tombstone

WHO = ShardIdentity("lon1", 0, "01KDVDNA000000000000000001")
KEYS = ("a.example", "b.example", "c.example")
PART_BYTES = 100  # one document each


class World:
    """A core, a shard, and a connection between them that carries protobuf."""

    def __init__(self, *, history_kept: int) -> None:
        self.history_kept = history_kept
        self.core = Preferences()
        self.published: list[Published] = []
        self.digests: dict[int, bytes] = {0: Preferences().digest}
        self.shard = Preferences()
        self.follower = Follower(
            identity=WHO, applied=self.shard.position, digest=self.shard.digest
        )
        self.revisions: list[int] = []
        self.batches_sent = 0
        self.standing: PreferenceStanding | None = None
        self.down: deque[bytes] = deque()
        self.up: deque[bytes] = deque()
        self.connect()

    # ---- the core

    def publish(self, *documents: Document) -> None:
        revision = len(self.published) + 1
        position = Position(EPOCH, revision)
        told = [Document(d.kind, d.key, revision, d.body, d.removed) for d in documents]
        self.core = self.core.applied(told, position=position)
        self.digests[revision] = self.core.digest
        self.published.append(
            Published(
                position=position,
                digest=self.core.digest,
                documents=tuple(told),
                time_us=0,
                who="",
                comment="",
            )
        )
        self.core_does(self.session.handle(Moved(position)))

    def core_does(self, commands: list[CoreCommand]) -> None:
        for command in commands:
            match command:
                case SendChanges(nonce=nonce, base=base):
                    kept = self.published[
                        max(base.revision, len(self.published) - self.history_kept) :
                    ]
                    if not kept or kept[0].position.revision != base.revision + 1:
                        self.core_does(self.session.handle(NoHistory()))
                        continue
                    last = kept[-1]
                    self.send_parts(nonce, base, last.position, last.digest, latest(kept))
                case SendAll(nonce=nonce):
                    self.send_parts(
                        nonce, None, self.core.position, self.core.digest, self.core.documents()
                    )
                case SendBookmark(position=position):
                    self.say(Bookmark(position=position, time_us=0))
                case PreferenceStanding():
                    self.standing = command
                case End(reason=reason):
                    raise AssertionError(reason)

    def send_parts(
        self,
        nonce: str,
        base: Position | None,
        target: Position,
        digest: bytes,
        documents: Sequence[Document],
    ) -> None:
        self.batches_sent += 1
        for part, is_last in parts(documents, byte_limit=PART_BYTES):
            self.say(
                Batch(
                    nonce=nonce,
                    base=base,
                    target=target,
                    documents=part,
                    snapshot=base is None,
                    last_part=is_last,
                    digest=digest,
                )
            )
        self.core_does(self.session.handle(BatchSent(target, digest)))

    def say(self, message: Batch | Bookmark) -> None:
        self.down.append(wire.preferences_response_to_wire(message).SerializeToString())

    # ---- the shard

    def shard_does(self, commands: list[ShardCommand]) -> None:
        for command in commands:
            match command:
                case Say(message=message):
                    self.up.append(wire.preferences_request_to_wire(message).SerializeToString())
                case Apply():
                    self.apply(command)
                case Announce(position=position):
                    self.revisions.append(position.revision)
                case ComplainOfPreferences(problem=problem):
                    raise AssertionError(f"nothing to complain about: {problem}")

    def apply(self, batch: Apply) -> None:
        try:
            self.shard = prepared(
                self.shard,
                [check_document(document) for document in batch.documents],
                position=batch.position,
                digest=batch.digest,
                snapshot=batch.snapshot,
            )
        except DocumentRefused as error:
            raise AssertionError("every document is good") from error
        # G2: what is in force is a whole revision of the core's, never a part of one.
        assert self.shard.digest == self.digests[batch.position.revision]
        self.shard_does(
            self.follower.handle(Applied(batch.nonce, batch.position, self.shard.digest), now_s=0.0)
        )

    # ---- the connection

    def connect(self) -> None:
        self.down.clear()
        self.up.clear()
        self.session = FeedSession(
            head=self.core.position,
            refused_target=self.standing.refused_target if self.standing else None,
        )
        self.follower.handle(Disconnected(), now_s=0.0)
        self.shard_does(self.follower.handle(Connected(), now_s=0.0))

    def step(self, *, twice: bool = False) -> None:
        if self.up:
            data = self.up.popleft()
            is_hello = _request(data).WhichOneof("message") == "hello"
            for _ in range(2 if twice and not is_hello else 1):
                self.core_hears(data)
        if self.down:
            data = self.down.popleft()
            for _ in range(2 if twice and _is_whole(data) else 1):
                self.shard_hears(data)

    def core_hears(self, data: bytes) -> None:
        message = wire.preferences_request_from_wire(_request(data))
        match message:
            case PreferencesHello(applied=applied):
                known = self.digests.get(applied.revision)
                kept = applied.revision >= len(self.published) - self.history_kept
                self.core_does(self.session.handle(Greeted(message, known if kept else None)))
            case Answer():
                self.core_does(self.session.handle(message))

    def shard_hears(self, data: bytes) -> None:
        message = wire.preferences_response_from_wire(_response(data))
        self.shard_does(self.follower.handle(message, now_s=0.0))


def _request(data: bytes) -> preferences_pb2.PreferencesRequest:
    return preferences_pb2.PreferencesRequest.FromString(data)


def _response(data: bytes) -> preferences_pb2.PreferencesResponse:
    return preferences_pb2.PreferencesResponse.FromString(data)


def _is_whole(data: bytes) -> bool:
    """A part of several cannot come twice inside one stream; a whole batch could be sent again."""
    message = _response(data)
    return message.WhichOneof("message") == "bookmark" or (
        message.batch.last_part and len(message.batch.documents) <= 1
    )


def drain(world: World) -> None:
    for _ in range(1000):
        if not world.up and not world.down:
            return
        world.step()
    raise AssertionError("it never comes to rest")


STEPS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(KEYS), st.integers(1, 30)),
    st.tuples(st.just("remove"), st.sampled_from(KEYS), st.just(0)),
    st.tuples(st.sampled_from(["step", "twice", "cut"]), st.just(""), st.just(0)),
)


@settings(max_examples=400, deadline=None)
@given(history_kept=st.sampled_from([1, 3, 100]), steps=st.lists(STEPS, max_size=40))
def test_cut_and_doubled_anywhere_the_shard_ends_with_the_cores_set(
    history_kept: int, steps: list[tuple[str, str, int]]
) -> None:
    world = World(history_kept=history_kept)

    for what, key, number in steps:
        match what:
            case "set":
                world.publish(route(key, hold_days=number))
            case "remove":
                world.publish(tombstone(Kind.ROUTE, key))
            case "cut":
                world.connect()
            case _:
                world.step(twice=what == "twice")
    drain(world)
    world.connect()
    drain(world)

    assert world.shard.digest == world.core.digest
    assert world.shard.position == world.core.position
    assert world.shard.documents() == world.core.documents()
    assert all(earlier < later for earlier, later in pairwise(world.revisions))
    assert world.follower.lag(now_s=0.0) == 0


def test_a_removal_while_the_shard_is_away_arrives_as_a_change_not_as_everything() -> None:
    world = World(history_kept=100)
    world.publish(route("a.example"), route("b.example"))
    drain(world)
    sent = world.batches_sent
    world.down.clear()

    world.publish(tombstone(Kind.ROUTE, "a.example"))
    world.connect()
    world.core_hears(world.up.popleft())
    heard = [wire.preferences_response_from_wire(_response(data)) for data in world.down]
    drain(world)

    (batch, *_) = heard
    assert isinstance(batch, Batch)
    assert not batch.snapshot
    assert [document.removed for document in batch.documents] == [True]
    assert world.shard.route("a.example") is None
    assert world.shard.route("b.example") is not None
    assert world.batches_sent <= sent + 2
