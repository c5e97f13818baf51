"""A certificate that the settings name no more is worth nothing, on open streams either (P9)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from borderscout.v1 import control_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import rpc, wire
from common.certificate import serial_number
from common.issuing import Identity
from common.link import Hello, Records
from common.preferences import Kind
from common.preferences.node_settings import settings_digest
from common.rpc import TlsFiles
from common.settings.core import NodeEntry
from common.tallies import TellsTallies
from core.running_nodes import RunningNodes
from tests.support.core.face import core_settings
from tests.support.core.preferences import document, tombstone
from tests.support.core.rooms import identity, made_id, told_case
from tests.support.network.link import CLUSTER, Certificates, Core, until

CALL_S = 10.0
HELLO = wire.control_request_to_wire(Hello(identity=identity("lon1"), shards=1, version="1"))


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "authority")


@pytest.fixture
async def core(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Core]:
    started = await Core.start(tmp_path / "core", certificates.issue("core", "core"))
    yield started
    await started.stop()


def of_lon1(certificates: Certificates, which: str) -> TlsFiles:
    uri = f"borderscout://{CLUSTER}/satellite/lon1"
    return certificates.write(which, Identity(name="lon1", uris=(uri,), is_client=True))


def named(*certificates: TlsFiles) -> list[NodeEntry]:
    serials = [serial_number(one.certificate.read_bytes()) for one in certificates]
    return [NodeEntry(name="lon1", site="lon", certificates=serials)]


def channel_of(files: TlsFiles, core: Core) -> grpc.aio.Channel:
    target = f"127.0.0.1:{core.port}"
    return rpc.open_channel(target, files.read(), cluster=CLUSTER, core_name="core")


async def code_of_claim(channel: grpc.aio.Channel) -> grpc.StatusCode:
    request = control_pb2.ClaimRequest(
        identity=wire.identity_to_wire(identity("lon1")), release_id=made_id(7)
    )
    try:
        await LinkStub(channel).Claim(request, timeout=CALL_S)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_of_two_certificates_of_a_name_the_one_that_is_named_is_let_in(
    core: Core, certificates: Certificates
) -> None:
    good, stolen = of_lon1(certificates, "good"), of_lon1(certificates, "stolen")
    core.link.take_nodes(named(good))
    async with channel_of(good, core) as ours, channel_of(stolen, core) as theirs:
        assert await code_of_claim(ours) is grpc.StatusCode.OK
        assert await code_of_claim(theirs) is grpc.StatusCode.PERMISSION_DENIED

        core.link.take_nodes(named(good, stolen))
        assert await code_of_claim(theirs) is grpc.StatusCode.OK


async def test_open_streams_end_with_their_certificate_and_others_go_on(
    core: Core, certificates: Certificates
) -> None:
    good, stolen = of_lon1(certificates, "good"), of_lon1(certificates, "stolen")
    who = identity("lon1")
    async with channel_of(good, core) as ours, channel_of(stolen, core) as theirs:
        kept = LinkStub(ours).Tallies(timeout=CALL_S)
        await kept.write(wire.tallies_request_to_wire((), TellsTallies(who, "0" * 16)))
        await kept.read()
        control, records = LinkStub(theirs).Control(), LinkStub(theirs).Records()
        await control.write(HELLO)
        await control.read()
        await records.write(wire.records_to_wire(Records((), who)))
        await records.read()
        assert core.link.fleet.connected() == [("lon1", 0)]

        began_s = time.monotonic()
        ended = core.link.take_nodes(named(good))
        for stream in (control, records):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asyncio.wait_for(stream.read(), CALL_S)
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED

        assert ended == 2
        assert time.monotonic() - began_s < 5.0
        await until(lambda: core.link.fleet.connected() == [], "the stream's end at the core")
        assert (await kept.read()) is not grpc.aio.EOF
        kept.cancel()


async def test_a_node_that_the_settings_name_no_more_is_gone_and_may_come_back(
    core: Core, certificates: Certificates
) -> None:
    files = of_lon1(certificates, "good")
    async with channel_of(files, core) as channel:
        control = LinkStub(channel).Control()
        await control.write(HELLO)
        await control.read()

        core.link.take_nodes([NodeEntry(name="par1", site="paris")])
        with pytest.raises(grpc.aio.AioRpcError):
            await asyncio.wait_for(control.read(), CALL_S)
        now_s = core.clock.monotonic_s()
        assert [node.node for node in core.link.fleet.nodes(now_s=now_s)] == ["par1"]
        assert await code_of_claim(channel) is grpc.StatusCode.PERMISSION_DENIED

        core.link.take_nodes([NodeEntry(name="lon1", site="lon")])
        assert await code_of_claim(channel) is grpc.StatusCode.OK


async def test_a_node_links_once_its_document_is_published_and_is_out_when_it_is_removed(
    core: Core, certificates: Certificates, tmp_path: Path
) -> None:
    settings = {"node": "lon1", "site": "london"}
    written = document(
        Kind.NODE, "lon1", site="london", settings=settings, digest=settings_digest(settings)
    )
    of_others = core_settings(tmp_path).model_copy(update={"nodes": []})
    core.link.take_nodes([])
    preferences = core.database.preferences
    nodes = RunningNodes(of_others, link=core.link, preferences=preferences)
    watching = asyncio.create_task(nodes.watch())
    async with channel_of(of_lon1(certificates, "good"), core) as channel:
        assert await code_of_claim(channel) is grpc.StatusCode.PERMISSION_DENIED

        await preferences.publish([written], who="t")
        await until(lambda: "lon1" in core.link.roster, "the node that was published")
        control = LinkStub(channel).Control()
        await control.write(HELLO)
        await control.read()
        assert core.link.fleet.node("lon1", now_s=core.clock.monotonic_s()).site == "london"

        await preferences.publish([tombstone(Kind.NODE, "lon1")], who="t")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await asyncio.wait_for(control.read(), CALL_S)

        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert await code_of_claim(channel) is grpc.StatusCode.PERMISSION_DENIED
        assert core.link.fleet.nodes(now_s=core.clock.monotonic_s()) == []
    watching.cancel()


async def test_a_node_that_has_no_more_room_in_the_quarantine_is_told_and_speaks_on(
    core: Core, certificates: Certificates
) -> None:
    who = identity("lon1")
    core.database.cases.room.bytes_max = 10
    async with channel_of(of_lon1(certificates, "good"), core) as channel:
        control = LinkStub(channel).Control(timeout=CALL_S)
        await control.write(HELLO)
        await control.read()
        quarantine = LinkStub(channel).Quarantine(timeout=CALL_S)
        await quarantine.write(wire.quarantine_request_to_wire(who))
        await quarantine.initial_metadata()
        case = told_case(made_id(9), b"more than ten octets")
        await quarantine.write(wire.quarantine_request_to_wire(case))

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await quarantine.read()

        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert any("quarantined mail of lon1 waits" in one for one in core.problems("lon1"))
        assert core.link.fleet.connected() == [("lon1", 0)]
        assert await core.custody.cases() == []
        control.cancel()
