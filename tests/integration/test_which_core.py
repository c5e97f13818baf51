"""Which core does a shard follow, when there are two of one cluster?

Pure: both machines of the link, and what an operator is told. Each row of the table in
docs/operating/restore.md, *Renew the epoch*, is here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from common.identity import ShardIdentity
from common.link import Answer, Batch, Bookmark, PreferencesHello
from common.preferences import Document, Epoch, Position, Preferences
from core.feed.session import (
    BatchSent,
    End,
    FeedSession,
    Greeted,
    NoHistory,
    PreferenceStanding,
    SendAll,
    SendBookmark,
    SendChanges,
)
from core.preferences.epochs import next_generation, other_epoch
from satellite.link.follower import Applied, Apply, Connected, Follower, Say
from tests.support.core.preferences import route

WHO = ShardIdentity("lon1", 0, "01KDVDNA000000000000000001")


def epoch(generation: int, name: str) -> Epoch:
    return Epoch(generation, f"{name * 8}-1111-4111-8111-111111111111")


def core_at(of: Epoch, *domains: str) -> Preferences:
    """Return what a core has that published a route in each of its revisions."""
    made = Preferences()
    for revision, domain in enumerate(domains, 1):
        told = route(domain)
        documents = [Document(told.kind, told.key, revision, told.body)]
        made = made.applied(documents, position=Position(of, revision))
    return made


@dataclass
class Shard:
    """What a shard has, and what it said last of a core that it refused."""

    has: Preferences = field(default_factory=Preferences)
    refused: str = ""

    def meet(self, core: Preferences) -> str:
        """Open a stream to a core, until nobody says anything; return why nothing was taken."""
        follower = Follower(identity=WHO, applied=self.has.position, digest=self.has.digest)
        session = FeedSession(head=core.position)
        (hello,) = follower.handle(Connected(), now_s=0.0)
        assert isinstance(hello, Say)
        assert isinstance(hello.message, PreferencesHello)
        known = core.digest if hello.message.applied == core.position else None
        todo = list(session.handle(Greeted(hello.message, known)))
        while todo:
            match todo.pop(0):
                case SendChanges():
                    todo += session.handle(NoHistory())
                case SendAll(nonce=nonce):
                    batch = Batch(
                        nonce=nonce,
                        base=None,
                        target=core.position,
                        documents=tuple(core.documents()),
                        snapshot=True,
                        last_part=True,
                        digest=core.digest,
                    )
                    todo += session.handle(BatchSent(core.position, core.digest))
                    todo += session.handle(self._answer(follower, batch, core))
                case End(reason=reason):
                    return reason
                case PreferenceStanding(refused=refused):
                    self.refused = refused.reason if refused is not None else ""
                case SendBookmark(position=position):
                    follower.handle(Bookmark(position=position, time_us=0), now_s=0.0)
        return self.refused

    def _answer(self, follower: Follower, batch: Batch, core: Preferences) -> Answer:
        todo = list(follower.handle(batch, now_s=0.0))
        while todo:
            match todo.pop(0):
                case Apply(nonce=nonce, position=position, digest=digest):
                    self.has = core
                    todo += follower.handle(Applied(nonce, position, digest), now_s=0.0)
                case Say(message=Answer() as answer):
                    return answer
        raise AssertionError("every batch is answered")


def told(core: Preferences, shard: Shard) -> str:
    """Return what the operator of a core is told of a shard."""
    found = other_epoch("lon1", shard.has.position, ours=core.position)
    return found.problem if found is not None else ""


def renewed(core: Preferences, *heard: Shard, name: str) -> Preferences:
    """Return a core with the epoch that `core renew-epoch` begins."""
    known = [shard.has.position.epoch.generation for shard in heard]
    generation = next_generation(core.position.epoch.generation, known=known)
    return core.applied([], position=Position(epoch(generation, name), core.position.revision))


def test_one_backup_that_was_restored_on_two_machines() -> None:
    one = core_at(epoch(2, "a"), "x.example")
    two = core_at(epoch(2, "b"), "x.example", "y.example")
    shard = Shard()

    assert shard.meet(one) == ""
    assert "another one that claims the same generation" in shard.meet(two)
    assert "follows another core of generation 2" in told(two, shard)
    assert shard.has is one

    two = renewed(two, shard, name="c")
    assert shard.meet(two) == ""
    assert "earlier one" in shard.meet(one)
    assert "follows a later core" in told(one, shard)
    assert told(two, shard) == ""


def test_a_backup_that_was_restored_while_the_old_core_still_runs() -> None:
    old = core_at(epoch(1, "a"), "x.example", "y.example")
    restored = core_at(epoch(2, "b"), "x.example")
    shard = Shard()
    shard.meet(old)

    assert shard.meet(restored) == ""
    assert "earlier one" in shard.meet(old)
    assert shard.has is restored
    assert "follows a later core: generation 2, this core's is 1" in told(old, shard)


def test_a_machine_that_was_put_back_to_a_snapshot_of_its_disk() -> None:
    before = core_at(epoch(1, "a"), "x.example", "y.example")
    back = core_at(epoch(1, "a"), "x.example")
    shard = Shard()
    shard.meet(before)

    assert "lost changes" in shard.meet(back)
    assert "this core was put back" in told(back, shard)
    assert shard.has is before

    assert shard.meet(renewed(back, shard, name="b")) == ""
    assert shard.has.route("y.example") is None


def test_a_clone_that_published_something_else_under_a_revision_that_is_known() -> None:
    original = core_at(epoch(1, "a"), "x.example", "y.example")
    clone = core_at(epoch(1, "a"), "x.example", "z.example")
    shard = Shard()
    shard.meet(original)

    assert "one epoch, two histories" in shard.meet(clone)
    assert shard.has is original

    assert shard.meet(renewed(clone, shard, name="b")) == ""
    assert shard.has.route("z.example") is not None


def test_a_core_that_began_from_nothing() -> None:
    lost = core_at(epoch(1, "a"), *(f"{name}.example" for name in "xyz"))
    new = core_at(epoch(1, "b"), "x.example")
    shard = Shard()
    shard.meet(lost)

    assert "claims the same generation" in shard.meet(new)
    assert shard.has is lost

    assert shard.meet(renewed(new, shard, name="c")) == ""
    assert shard.has.position.revision == 1
