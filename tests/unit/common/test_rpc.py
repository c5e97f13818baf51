"""A certificate names one peer, or nobody."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.errors import EnvironmentFailure, PeerError
from common.issuing import Identity
from common.rpc import Peer, Role, ServerCertificate, TlsFiles, core_host, open_server, peer_of
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
    first, _ = open_server(address, ServerCertificate(files))
    await first.start()

    with pytest.raises(EnvironmentFailure, match="cannot listen"):
        open_server(address, ServerCertificate(files))

    await first.stop(None)


def handshake(port: int, client: TlsFiles) -> str:
    """Return the serial number of the certificate that a server shows to a client of ours."""
    context = ssl.create_default_context(cafile=str(client.authority))
    context.load_cert_chain(client.certificate, client.key)
    context.set_alpn_protocols(["h2"])
    host = core_host(cluster="example", name="core")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        shown = connection.getpeercert()
    assert shown is not None
    return str(shown["serialNumber"])


def renewed(certificates: Certificates) -> TlsFiles:
    """Return a newer certificate of the same authority for the core."""
    identity = Identity(
        name="core",
        uris=("borderscout://example/core/core",),
        hosts=(core_host(cluster="example", name="core"),),
        is_server=True,
    )
    return certificates.write("renewed", identity)


async def test_a_server_shows_a_renewed_certificate_once_it_is_whole(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    files = certificates.issue("core", "core")
    client = certificates.issue("satellite", "lon1")
    new = renewed(certificates)
    certificate = ServerCertificate(files)
    server, port = open_server("127.0.0.1:0", certificate)
    await server.start()

    before = await asyncio.to_thread(handshake, port, client)
    new.certificate.replace(files.certificate)
    with capture_logs() as said:
        half = await asyncio.to_thread(handshake, port, client)
        again = await asyncio.to_thread(handshake, port, client)
    problem = certificate.look().problem
    new.key.replace(files.key)
    whole = await asyncio.to_thread(handshake, port, client)
    await server.stop(None)

    assert before == half == again != whole
    assert [line["event"] for line in said] == ["link.certificate_unusable"]
    assert problem.endswith("the key belongs to another certificate")
    assert certificate.look().problem == ""


@pytest.mark.parametrize("name", ["certificate", "key", "authority"])
def test_files_that_do_not_belong_together_are_told_by_their_path(
    tmp_path: Path, name: str
) -> None:
    files = Certificates(tmp_path).issue("core", "core")
    getattr(files, name).write_bytes(b"half writ")

    with pytest.raises(EnvironmentFailure, match=r"node\.crt: .*PEM"):
        files.read()
