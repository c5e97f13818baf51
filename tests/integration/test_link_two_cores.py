"""Two cores with one certificate, one after the other at one address: each gets what is its own.

Real gRPC, certificates and stores. Whatever a shard has is kept while another core stands in the
place of its own, and reaches its own once that is back (G16, P8).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from borderscout.v1 import control_pb2, link_service_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import rpc, wire
from common.identity import ShardIdentity
from common.lessons import LearnersHello
from common.link import (
    DefinitionsOffer,
    Flush,
    Hello,
    Hint,
    PreferencesHello,
    Records,
    ReleaseOffer,
)
from common.preferences.digest import EMPTY_DIGEST
from common.preferences.documents import NOTHING
from common.records import NotAcceptingRecord
from common.tallies import TellsTallies
from core.link.calls import Access
from tests.support.core.rooms import made_id, route
from tests.support.network.link import CLUSTER, Core, until
from tests.support.network.two_cores import TwoCores, another_core
from tests.support.spool.quarantined import quarantine

OFFERED = DefinitionsOffer(family="clamav", serial=1, sha256=bytes(32), may_load=True)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[TwoCores]:
    cores = TwoCores(tmp_path)
    await cores.begin()
    yield cores
    await cores.end()


async def happened(core: Core) -> list[str]:
    """Return the events that a core was told of."""
    return [event["event"] for event in await core.database.records.node_events(limit=100)]


@pytest.mark.parametrize("kind", ["empty", "with a set", "clone that went on"])
async def test_what_is_kept_while_another_core_is_there_reaches_our_own(
    two: TwoCores, kind: str
) -> None:
    other = await another_core(two, kind)
    message = await quarantine(two.spool, b"Subject: x\r\n\r\nkept\r\n")
    await two.spool.note(NotAcceptingRecord(reason="while another core was there", cause=""))

    await until(lambda: bool(two.refused()), "it is refused")
    for name in ("preferences", "records", "quarantine", "tallies"):
        await until(lambda name=name: f"{name}: this core" in two.told(), name)  # type: ignore[misc]
    assert two.spool.backlog_sizes()[1] == 1
    assert await other.custody.case(message) is None
    assert "not_accepting" not in await happened(other)

    await two.core.stop()
    ours = await two.put("ours")

    await until(lambda: two.spool.backlog_sizes() == (0, 0), "our core has it all")
    assert two.refused() == ""
    assert await ours.custody.case(message) is not None
    assert (await happened(ours)).count("not_accepting") == 1


async def test_a_refused_core_commands_nothing_and_hears_why(two: TwoCores) -> None:
    other = await another_core(two, "with a set")
    await until(lambda: bool(two.refused()), "it is refused")
    await until(lambda: bool(other.link.visits()), "its control stream is open")

    for command in (Flush(""), Hint("acme.example"), OFFERED, ReleaseOffer(made_id(1), made_id(2))):
        assert other.link.tell("lon1", 0, command)
    two.shard.tallies.add("network", b"192.0.2.0/24", 5)

    await until(lambda: "same generation" in str(other.problems("lon1")), "it hears why")
    assert (two.shard.flushed, two.shard.hinted, two.shard.definitions) == ([], [], [])
    assert len(other.link.tallies) == 0
    assert await happened(other) == []

    await two.core.stop()
    ours = await two.put("ours")
    await until(lambda: bool(ours.link.visits()), "our core is back")
    await until(lambda: two.refused() == "", "and accepted")
    assert ours.link.tell("lon1", 0, Flush("acme.example"))
    await until(lambda: two.shard.flushed == ["acme.example"], "and obeyed")


async def test_every_stream_and_call_names_its_core_before_its_first_answer(two: TwoCores) -> None:
    who = ShardIdentity("fra1", 0, made_id(1))
    applied = PreferencesHello(identity=who, applied=NOTHING, digest=EMPTY_DIGEST)
    named = wire.identity_to_wire(who)
    says: dict[str, Any] = {
        "Control": wire.control_request_to_wire(Hello(identity=who, shards=1, version="1")),
        "Preferences": wire.preferences_request_to_wire(applied),
        "Records": wire.records_to_wire(Records((), who)),
        "Quarantine": wire.quarantine_request_to_wire(who),
        "Tallies": wire.tallies_request_to_wire((), TellsTallies(who, "0" * 16)),
        "Lessons": wire.learners_hello_to_wire(LearnersHello(identity=who, learners=("rspamd",))),
        "Claim": control_pb2.ClaimRequest(identity=named, release_id=made_id(2)),
        "Fetch": control_pb2.FetchRequest(identity=named, release_id=made_id(2)),
    }
    methods = link_service_pb2.DESCRIPTOR.services_by_name["Link"].methods
    assert says.keys() == {method.name for method in methods}
    channel = rpc.open_channel(
        f"127.0.0.1:{two.core.port}",
        two.certificate("fra1").read(),
        cluster=CLUSTER,
        core_name="core",
    )
    try:
        for method in methods:
            call = getattr(LinkStub(channel), method.name)
            asked = call(timeout=10) if method.client_streaming else call(says[method.name])
            if method.client_streaming:
                await asked.write(says[method.name])
            standing = wire.standing_from_metadata(await asked.initial_metadata())

            assert standing is not None, method.name
            assert standing.position == two.core.database.preferences.position
            asked.cancel()
    finally:
        await channel.close()


async def test_a_core_of_the_version_before_is_handed_what_is_its_own(
    two: TwoCores, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def admit(self: Access, context: Any, who: ShardIdentity, **_: object) -> None:
        self.check(context, who)
        await context.send_initial_metadata(((rpc.LET_IN, "1"),))

    monkeypatch.setattr(Access, "admit", admit)
    await two.core.stop()
    ours = await two.put("ours")
    message = await quarantine(two.spool, b"Subject: x\r\n\r\nkept\r\n")
    await two.spool.note(NotAcceptingRecord(reason="of the version before", cause=""))

    await until(lambda: two.spool.backlog_sizes() == (0, 0), "it has it all")
    assert await ours.custody.case(message) is not None
    await ours.database.preferences.publish([route("next.example")], who="test")
    await until(lambda: two.shard.applied == [1, 2], "it is followed")

    other = await another_core(two, "with a set")
    await until(lambda: bool(two.refused()), "another one is refused by its first batch")
    kept = await quarantine(two.spool, b"Subject: y\r\n\r\nkept\r\n")
    await until(lambda: "quarantine: this core" in two.told(), "and nothing is handed to it")
    assert await other.custody.case(kept) is None
