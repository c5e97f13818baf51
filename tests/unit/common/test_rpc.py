"""A certificate names one peer, or nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import EnvironmentFailure, PeerError
from common.rpc import Peer, Role, TlsFiles, core_host, open_server, peer_of
from tests.support.network.link import Certificates
from tests.support.network.ports import free_port


def test_the_one_name_of_ours_says_who_it_is() -> None:
    names = [b"lon1.example.net", b"borderscout://example/satellite/lon1", b"10.0.0.1"]

    peer = peer_of({"x509_subject_alternative_name": names})

    assert peer == Peer("example", Role.SATELLITE, "lon1")


@pytest.mark.parametrize(
    "names",
    [
        [],
        [b"lon1"],
        [b"https://example/satellite/lon1"],
        [b"borderscout://example/satellite/lon1", b"borderscout://example/satellite/fra1"],
        [b"borderscout://example/satellite/lon1/"],
        [b"borderscout://example/satellite/lon1\n"],
        [b"borderscout://example/admin/lon1"],
        [b"borderscout://example/satellite/"],
        [b"borderscout://EXAMPLE/satellite/lon1"],
    ],
)
def test_any_other_certificate_is_nobody(names: list[bytes]) -> None:
    with pytest.raises(PeerError):
        peer_of({"x509_subject_alternative_name": names})


def test_the_core_is_called_by_its_cluster_not_by_its_address() -> None:
    assert core_host(cluster="example", name="core") == "core.example.borderscout.internal"


def test_a_missing_certificate_is_told_by_its_path(tmp_path: Path) -> None:
    missing = tmp_path / "core.crt"

    with pytest.raises(EnvironmentFailure, match=r"core\.crt"):
        TlsFiles(certificate=missing, key=missing, authority=missing).read()


async def test_a_second_core_on_the_same_port_fails_to_start(tmp_path: Path) -> None:
    files = Certificates(tmp_path).issue("core", "core")
    address = f"127.0.0.1:{free_port()}"
    first, _ = open_server(address, files)
    await first.start()

    with pytest.raises(EnvironmentFailure, match="cannot listen"):
        open_server(address, files)

    await first.stop(None)
