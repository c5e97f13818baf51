"""A certificate bounds what its holder can read and write (P9)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from borderscout.v1 import control_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common import rpc, wire
from common.identity import ShardIdentity
from common.issuing import Identity
from common.link import Hello, PreferencesHello, Records
from common.preferences.documents import NOTHING
from common.records import LogRecord
from common.reports import NodeReport
from common.round_trips import RoundTrip
from common.rpc import LET_IN, TlsFiles
from core.link import control
from tests.support.core.rooms import identity, made_id, told_case
from tests.support.network.link import CLUSTER, Certificates, Core, until

CALL_S = 10.0


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "authority")


@pytest.fixture
async def core(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Core]:
    started = await Core.start(tmp_path / "core", certificates.issue("core", "core"))
    yield started
    await started.stop()


class Intruder:
    """Whoever has these certificates, and calls what he likes."""

    def __init__(self, files: TlsFiles, port: int, *, core_name: str = "core") -> None:
        tls = files.read()
        self.channel = rpc.open_channel(
            f"127.0.0.1:{port}", tls, cluster=CLUSTER, core_name=core_name
        )
        self.stub = LinkStub(self.channel)

    async def control(self, who: ShardIdentity) -> None:
        call = self.stub.Control(timeout=CALL_S)
        hello = Hello(identity=who, shards=1, version="1")
        await self.first_answer(call, wire.control_request_to_wire(hello))

    async def measured(self, who: ShardIdentity, number: int, core: Core) -> None:
        """Open a stream, tell of a round trip to a target, and go once it is heard."""
        call = self.stub.Control(timeout=CALL_S)
        trip = RoundTrip(f"m{number}.example:25", 5_000, 1, 0, 0)
        told = NodeReport(oldest_us=number + 1, round_trips=(trip,))
        hello = Hello(identity=who, shards=1, version="1")
        await call.write(wire.control_request_to_wire(hello))
        await call.write(wire.control_request_to_wire(told))

        def heard() -> bool:
            found = core.link.fleet.node(who.node, now_s=core.clock.monotonic_s())
            return found.oldest_us == number + 1

        await until(heard, "the report")
        call.cancel()

    async def preferences(self, who: ShardIdentity) -> None:
        call = self.stub.Preferences(timeout=CALL_S)
        hello = PreferencesHello(identity=who, applied=NOTHING, digest=bytes(32))
        await self.first_answer(call, wire.preferences_request_to_wire(hello))

    async def records(self, who: ShardIdentity) -> None:
        call = self.stub.Records(timeout=CALL_S)
        forged = Records((LogRecord(1, 0, "accepting", "", b"{}"),), who)
        await self.first_answer(call, wire.records_to_wire(forged))

    async def quarantine(self, who: ShardIdentity) -> None:
        call = self.stub.Quarantine(timeout=CALL_S)
        await call.write(wire.quarantine_request_to_wire(who))
        if not any(key == LET_IN for key, _ in await call.initial_metadata()):
            await call.read()  # raises how the call ended
        await self.first_answer(call, wire.quarantine_request_to_wire(CASE))

    async def claim(self, who: ShardIdentity) -> None:
        request = control_pb2.ClaimRequest(
            identity=wire.identity_to_wire(who), release_id=made_id(7)
        )
        await self.stub.Claim(request, timeout=CALL_S)

    async def fetch(self, who: ShardIdentity) -> None:
        request = control_pb2.FetchRequest(
            identity=wire.identity_to_wire(who), release_id=made_id(7)
        )
        async for _ in self.stub.Fetch(request, timeout=CALL_S):
            pass

    async def first_answer(
        self, call: grpc.aio.StreamStreamCall[Any, Any], message: object
    ) -> None:
        try:
            await call.write(message)
            await call.read()
        finally:
            call.cancel()


CASE = told_case(made_id(9), b"hello")
CALLS = ["control", "preferences", "records", "quarantine", "claim", "fetch"]


async def code_of(call: Callable[[ShardIdentity], Awaitable[None]], who: ShardIdentity) -> object:
    try:
        await call(who)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def nothing_was_written(core: Core) -> bool:
    return (
        await core.database.fleet.shards() == []
        and await core.database.records.node_events() == []
        and await core.custody.cases() == []
        and core.link.fleet.connected() == []
    )


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("role", "name", "cluster"),
    [
        ("satellite", "fra1", CLUSTER),  # another node's name
        ("core", "lon1", CLUSTER),  # a core's certificate as a satellite's
        ("satellite", "lon1", "other"),  # another cluster's, by the same authority
    ],
)
async def test_who_speaks_for_another_is_refused_and_nothing_is_written(
    core: Core, certificates: Certificates, call: str, role: str, name: str, cluster: str
) -> None:
    intruder = Intruder(certificates.issue(role, name, cluster=cluster), core.port)

    code = await code_of(getattr(intruder, call), identity("lon1"))

    await intruder.channel.close()
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert await nothing_was_written(core)


@pytest.mark.parametrize("call", CALLS)
async def test_a_node_that_the_settings_do_not_name_is_refused(
    core: Core, certificates: Certificates, call: str
) -> None:
    intruder = Intruder(certificates.issue("satellite", "gone1"), core.port)

    code = await code_of(getattr(intruder, call), identity("gone1"))

    await intruder.channel.close()
    assert code is grpc.StatusCode.PERMISSION_DENIED
    (shown,) = core.link.callers.shown()
    assert (shown.name, shown.reason) == (
        "gone1",
        "gone1 is not in the settings, and no document names it",
    )
    assert await nothing_was_written(core)


@pytest.mark.parametrize("call", CALLS)
async def test_a_certificate_with_two_names_is_nobodys(
    core: Core, certificates: Certificates, call: str
) -> None:
    uris = tuple(f"borderscout://{CLUSTER}/satellite/{node}" for node in ("lon1", "fra1"))
    files = certificates.write("two", Identity(name="two", uris=uris, is_client=True))
    intruder = Intruder(files, core.port)

    code = await code_of(getattr(intruder, call), identity("lon1"))

    await intruder.channel.close()
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert await nothing_was_written(core)


@pytest.mark.parametrize("call", ["control", "records", "quarantine", "claim"])
async def test_the_right_certificate_is_let_in(
    core: Core, certificates: Certificates, call: str
) -> None:
    satellite = Intruder(certificates.issue("satellite", "lon1"), core.port)

    code = await code_of(getattr(satellite, call), identity("lon1"))

    await satellite.channel.close()
    assert code is grpc.StatusCode.OK


async def test_a_body_is_fetched_only_by_who_claimed_it(
    core: Core, certificates: Certificates
) -> None:
    owner = identity("lon1")
    await core.arrivals.open_case(owner, CASE)
    await core.arrivals.append(owner, CASE.message_id, 0, b"hello")
    await core.arrivals.complete(owner, CASE.message_id)
    release = await core.releases.request(CASE.message_id, who="test")
    await core.releases.offers([owner.place])
    await core.releases.claim(owner, release.id)
    intruder = Intruder(certificates.issue("satellite", "fra1"), core.port)
    who = identity("fra1")

    claim = await intruder.stub.Claim(
        control_pb2.ClaimRequest(identity=wire.identity_to_wire(who), release_id=release.id)
    )
    request = control_pb2.FetchRequest(identity=wire.identity_to_wire(who), release_id=release.id)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        async for _ in intruder.stub.Fetch(request):
            pass

    await intruder.channel.close()
    assert not claim.granted
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_certificate_of_another_authority_reaches_nothing(
    core: Core, tmp_path: Path, certificates: Certificates
) -> None:
    foreign = Certificates(tmp_path / "foreign").issue("satellite", "lon1")
    ours = certificates.issue("satellite", "lon1")
    mixed = TlsFiles(certificate=foreign.certificate, key=foreign.key, authority=ours.authority)
    intruder = Intruder(mixed, core.port)

    code = await code_of(intruder.control, identity("lon1"))

    await intruder.channel.close()
    assert code is grpc.StatusCode.UNAVAILABLE
    assert await nothing_was_written(core)


async def test_without_a_certificate_nothing_is_reached_not_even_the_health(
    core: Core, certificates: Certificates
) -> None:
    authority = certificates.issue("satellite", "lon1").authority.read_bytes()
    credentials = grpc.ssl_channel_credentials(root_certificates=authority)
    options = [("grpc.ssl_target_name_override", f"core.{CLUSTER}.borderscout.internal")]
    channel = grpc.aio.secure_channel(f"127.0.0.1:{core.port}", credentials, options=options)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())

    await channel.close()
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_satellite_cannot_pose_as_the_core(
    tmp_path: Path, certificates: Certificates
) -> None:
    # A stolen satellite that serves with its own certificate, and one of a core by another name.
    ours = certificates.issue("satellite", "fra1")
    for number, files in enumerate(
        (certificates.issue("satellite", "lon1"), certificates.issue("core", "other"))
    ):
        false_core = await Core.start(tmp_path / f"false{number}", files)
        shard = Intruder(ours, false_core.port)

        code = await code_of(shard.control, identity("fra1"))

        await shard.channel.close()
        assert code is grpc.StatusCode.UNAVAILABLE
        assert await nothing_was_written(false_core)
        await false_core.stop()


async def test_a_certificate_that_was_renewed_on_disk_is_shown_to_the_next_one_who_comes(
    core: Core, tmp_path: Path, certificates: Certificates
) -> None:
    early = Intruder(certificates.issue("satellite", "lon1"), core.port)
    assert await code_of(early.control, identity("lon1")) is grpc.StatusCode.OK
    renewed = Certificates(tmp_path / "renewed")
    served = certificates.issue("core", "core")
    fresh = renewed.issue("core", "core")
    for old, new in (
        (served.key, fresh.key),
        (served.authority, fresh.authority),
        (served.certificate, fresh.certificate),
    ):
        new.replace(old)

    late = Intruder(renewed.issue("satellite", "lon1"), core.port)

    async def let_in() -> bool:
        return await code_of(late.control, identity("lon1")) is grpc.StatusCode.OK

    await until(let_in, "the renewed certificate")
    assert await code_of(early.control, identity("lon1")) is grpc.StatusCode.OK
    await early.channel.close()
    await late.channel.close()


async def test_a_message_of_a_later_version_is_passed_over_and_the_stream_goes_on(
    core: Core, certificates: Certificates
) -> None:
    satellite = Intruder(certificates.issue("satellite", "lon1"), core.port)
    call = satellite.stub.Control(timeout=CALL_S)
    hello = Hello(identity=identity("lon1"), shards=1, version="9", protocol_version=2)
    await call.write(wire.control_request_to_wire(hello))
    later = control_pb2.ControlRequest.FromString(bytes([0xFA, 0x06, 0x00]))

    await call.write(later)
    await call.write(wire.control_request_to_wire(NodeReport(oldest_us=77)))

    def reported() -> bool:
        return core.link.fleet.node("lon1", now_s=core.clock.monotonic_s()).oldest_us == 77

    await until(reported, "the report after it")
    call.cancel()
    await satellite.channel.close()


async def test_a_flood_of_lives_fills_no_table_and_keeps_no_other_node_out(
    core: Core, certificates: Certificates
) -> None:
    thief = Intruder(certificates.issue("satellite", "lon1"), core.port)
    other = Intruder(certificates.issue("satellite", "fra1"), core.port)

    codes = [await code_of(thief.control, identity(life=life)) for life in range(1, 31)]

    assert codes == [grpc.StatusCode.OK] * 17 + [grpc.StatusCode.RESOURCE_EXHAUSTED] * 13
    assert await code_of(other.control, identity("fra1")) is grpc.StatusCode.OK
    await thief.channel.close()
    await other.channel.close()


async def test_a_node_that_comes_again_and_again_has_no_more_of_what_it_measured_kept(
    core: Core, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = Intruder(certificates.issue("satellite", "lon1"), core.port)
    other = Intruder(certificates.issue("satellite", "fra1"), core.port)
    kept: list[str] = []

    async def take(node: str, told: Sequence[RoundTrip]) -> None:
        kept.append(node)

    monkeypatch.setattr(core.database.round_trips, "take", take)
    monkeypatch.setattr(control, "MEASURED_PER_S_MAX", 1e-9)  # whatever the machine's pace

    for number in range(30):
        await thief.measured(identity("lon1"), number, core)
    await other.measured(identity("fra1"), 99, core)

    assert (kept.count("lon1"), kept.count("fra1")) == (control.MEASURED_BURST, 1)
    await thief.channel.close()
    await other.channel.close()


async def test_the_health_service_says_serving(core: Core, certificates: Certificates) -> None:
    satellite = Intruder(certificates.issue("satellite", "lon1"), core.port)

    found = await health_pb2_grpc.HealthStub(satellite.channel).Check(
        health_pb2.HealthCheckRequest(service="borderscout.v1.Link")
    )

    await satellite.channel.close()
    assert found.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_core_that_began_anew_remembers_when_a_node_was_last_heard(
    tmp_path: Path, certificates: Certificates
) -> None:
    files = certificates.issue("core", "core")
    core = await Core.start(tmp_path / "core", files)
    await core.database.fleet.note_hello(identity("lon1"), {"shards": 1, "certificate_ends_s": 5.5})
    await core.stop()

    core = await Core.start(tmp_path / "core", files)
    now_s = core.clock.monotonic_s()
    ends = [core.link.certificate_ends.of(node) for node in ("lon1", "fra1")]
    heard = {one.node: one.heard_s_ago for one in core.link.fleet.nodes(now_s=now_s)}
    await core.stop()

    assert heard["lon1"] is not None
    assert heard["fra1"] is None
    assert ends == [5.5, None]
