"""A certificate that is over, or of another cluster, is named as that at both ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from cli.checks import DoctorCheck
from cli.handshake_checks import handshake_with_the_core
from common.certificate import not_after_s
from common.issuing import Identity
from common.rpc import TlsFiles
from tests.support.network.link import (
    Certificates,
    Core,
    HurriedClock,
    MemorySpool,
    Shard,
    satellite_settings,
    until,
)
from tests.support.network.ports import free_port

OVER = 400  # days


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "authority")


@pytest.fixture
async def core(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Core]:
    started = await Core.start(tmp_path / "core", certificates.issue("core", "core"))
    yield started
    await started.stop()


async def handshake(core: Core, tls: TlsFiles, *, cluster: str = "example") -> DoctorCheck:
    (check,) = await handshakes([core.port], tls, cluster=cluster)
    return check


async def handshakes(
    ports: Sequence[int], tls: TlsFiles, *, cluster: str = "example"
) -> list[DoctorCheck]:
    """Return what is said of a core that may be at several ports."""
    settings = satellite_settings(tls, port=ports[0]).model_copy(update={"cluster": cluster})
    standbys = [f"127.0.0.1:{port}" for port in ports[1:]]
    core = settings.core.model_copy(update={"standbys": standbys})
    settings = settings.model_copy(update={"core": core})
    return await asyncio.to_thread(lambda: list(handshake_with_the_core(settings)))


async def test_a_handshake_that_succeeds_is_well(core: Core, certificates: Certificates) -> None:
    check = await handshake(core, certificates.issue("satellite", "lon1"))

    assert (check.ok, check.note) == (True, False)


async def test_the_core_knows_when_a_nodes_certificate_ends(
    core: Core, certificates: Certificates
) -> None:
    tls = certificates.issue("satellite", "lon1")

    shard = Shard.start(MemorySpool(), satellite_settings(tls, port=core.port))
    await until(lambda: core.link.certificate_ends.of("lon1") is not None, "it came")
    await shard.stop()
    (row,) = await core.database.fleet.shards()

    ends_s = not_after_s(tls.certificate.read_bytes())
    assert core.link.certificate_ends.of("lon1") == row.hello["certificate_ends_s"] == ends_s


async def test_a_core_that_is_away_is_a_note(core: Core, certificates: Certificates) -> None:
    await core.link.stop(grace_s=0.0)

    check = await handshake(core, certificates.issue("satellite", "lon1"))

    assert (check.ok, check.note) == (True, True)
    assert "nothing answers at 127.0.0.1:" in check.found


async def test_a_machine_on_which_the_core_does_not_run_is_a_note_as_long_as_another_one_has_it(
    core: Core, certificates: Certificates
) -> None:
    tls, silent = certificates.issue("satellite", "lon1"), free_port()

    for ports in ([core.port, silent], [silent, core.port]):
        checks = await handshakes(ports, tls)

        assert sorted((check.ok, check.note) for check in checks) == [(True, False), (True, True)]
        [note] = [check.found for check in checks if check.note]
        assert note.startswith(f"no core runs at 127.0.0.1:{silent}")


async def test_that_no_machine_has_the_core_is_a_fault(certificates: Certificates) -> None:
    ports = [free_port(), free_port()]

    checks = await handshakes(ports, certificates.issue("satellite", "lon1"))

    assert [check.ok for check in checks] == [False, False]
    for port, check in zip(ports, checks, strict=True):
        assert check.found.startswith(f"nothing answers at 127.0.0.1:{port}: ")
        assert "systemctl start borderscout-core" in check.remedy


async def test_a_name_that_dns_cannot_hold_is_an_address_where_nothing_answers(
    core: Core, certificates: Certificates
) -> None:
    settings = satellite_settings(certificates.issue("satellite", "lon1"), port=core.port)
    link = settings.core.model_copy(update={"standbys": ["core2..example:7443"]})
    settings = settings.model_copy(update={"core": link})

    checks = await asyncio.to_thread(lambda: list(handshake_with_the_core(settings)))

    assert [check.ok for check in checks] == [True, True]
    assert checks[1].found.startswith("no core runs at core2..example:7443")


async def test_a_certificate_that_is_over_is_named_on_each_machine_that_shows_one(
    core: Core, certificates: Certificates, tmp_path: Path
) -> None:
    tls = certificates.issue("satellite", "lon1")
    identity = Identity(
        name="core",
        uris=("borderscout://example/core/core",),
        hosts=("core.example.borderscout.internal",),
        is_server=True,
        is_client=True,
    )
    over = certificates.write("old-core", identity, days_ago=OVER)
    old = await Core.start(tmp_path / "old", over)
    try:
        checks = await handshakes([core.port, old.port], tls)
    finally:
        await old.stop()

    assert [check.ok for check in checks] == [True, False]
    assert checks[1].found == f"at 127.0.0.1:{old.port}: the core's certificate has ended"


async def test_certificates_of_another_cluster_or_authority_are_named(
    core: Core, certificates: Certificates, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    strangers = Certificates(tmp_path / "other").issue("satellite", "lon1")
    mixed = TlsFiles(
        certificate=strangers.certificate,
        key=strangers.key,
        authority=certificates.issue("satellite", "lon1").authority,
    )

    name = await handshake(core, certificates.issue("satellite", "lon1"), cluster="oslo")
    authority = await handshake(core, strangers)
    ours = await handshake(core, mixed)

    assert name.found == "the core's certificate is not for core.oslo.borderscout.internal"
    assert authority.found.startswith("the core's certificate is of another authority: ")
    assert ours.found.startswith("the core refuses our certificate: ")
    for check in (name, authority, ours):
        assert not check.ok
        assert "borderscout inventory render FILE --out DIR" in check.remedy
    assert "ssl_transport_security" not in capfd.readouterr().err  # whoever knocks writes no log


async def test_a_core_whose_certificate_is_over_is_named_by_doctor_and_link(
    certificates: Certificates, tmp_path: Path
) -> None:
    old = certificates.issue("core", "core", days_ago=OVER)
    core = await Core.start(tmp_path / "core", old)
    tls = certificates.issue("satellite", "lon1")

    check = await handshake(core, tls)
    shard = Shard.start(MemorySpool(), satellite_settings(tls, port=core.port))
    await until(lambda: "certificate has expired" in problems(shard), "the link says why")
    await shard.stop()
    await core.stop()

    assert check.found == "the core's certificate has ended"
    assert check.remedy.startswith("at the core, renew it: ")


async def test_a_node_whose_certificate_is_over_says_so_itself(
    core: Core, certificates: Certificates
) -> None:
    tls = certificates.issue("satellite", "lon1", days_ago=OVER)

    check = await handshake(core, tls)
    shard = Shard.start(MemorySpool(), satellite_settings(tls, port=core.port))
    await until(lambda: "certificate on the link ended at 20" in problems(shard), "it is over")
    await shard.stop()

    assert check.remedy.startswith("has it ended? renew it: borderscout inventory render")


def problems(shard: Shard) -> str:
    return "; ".join(shard.link.status(now_s=HurriedClock().monotonic_s()).problems)
