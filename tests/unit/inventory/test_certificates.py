"""Does a certificate say who its holder is, no more, and for how long?"""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from common.errors import LocalError
from common.issuing import Credential, Identity, KeyKind
from inventory.certificates import (
    AUTHORITY_CERTIFICATE,
    AUTHORITY_KEY,
    authority,
    credential,
)
from inventory.identities import core_identity, satellite_identity, smtp_identity
from inventory.model import Inventory

# The system's clock decides in a handshake, so these certificates are of about now.
from time import time_ns  # isort: skip

NOW_US = time_ns() // 1000
DAY_US = 86_400_000_000
CLIENT = Identity(name="lon1", uris=("borderscout://example/satellite/lon1",), is_client=True)


@pytest.fixture
def signer(tmp_path: Path) -> Credential:
    """The authority of a cluster, written to its folder."""
    made = authority(tmp_path, cluster="example", now_us=NOW_US)
    (tmp_path / AUTHORITY_KEY).write_bytes(made.key)
    (tmp_path / AUTHORITY_CERTIFICATE).write_bytes(made.certificate)
    return made


def issue(
    folder: Path,
    signer: Credential,
    identity: Identity = CLIENT,
    *,
    now_us: int = NOW_US,
    name: str = "node",
    key_kind: KeyKind = KeyKind.ECDSA,
) -> Credential:
    """Return a credential, and write it where the next call finds it."""
    files = folder / f"{name}.crt", folder / f"{name}.key"
    made = credential(*files, identity=identity, signer=signer, now_us=now_us, key_kind=key_kind)
    files[0].write_bytes(made.certificate)
    files[1].write_bytes(made.key)
    return made


def names(made: Credential) -> list[str]:
    certificate = x509.load_pem_x509_certificate(made.certificate)
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]


def purposes(made: Credential) -> list[x509.ObjectIdentifier]:
    certificate = x509.load_pem_x509_certificate(made.certificate)
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_the_authority_is_made_once(tmp_path: Path, signer: Credential) -> None:
    later_us = NOW_US + 8 * 365 * DAY_US

    assert authority(tmp_path, cluster="example", now_us=later_us) == signer


def test_the_authority_keeps_its_key_when_its_certificate_is_renewed(
    tmp_path: Path, signer: Credential
) -> None:
    renewed = authority(tmp_path, cluster="example", now_us=NOW_US + 9 * 366 * DAY_US)

    assert renewed.key == signer.key
    assert renewed.certificate != signer.certificate


def test_a_certificate_is_kept_while_two_weeks_are_left(tmp_path: Path, signer: Credential) -> None:
    first = issue(tmp_path, signer)

    assert issue(tmp_path, signer, now_us=NOW_US + 75 * DAY_US) == first
    renewed = issue(tmp_path, signer, now_us=NOW_US + 77 * DAY_US)
    assert renewed.certificate != first.certificate
    assert renewed.key != first.key


@pytest.mark.parametrize("change", ["names", "purposes", "authority", "key"])
def test_a_certificate_that_no_longer_fits_is_made_anew(
    tmp_path: Path, signer: Credential, change: str
) -> None:
    first = issue(tmp_path, signer)
    identity = CLIENT
    match change:
        case "names":
            identity = Identity(name="lon1", uris=("borderscout://other/x",), is_client=True)
        case "purposes":
            identity = Identity(name="lon1", uris=CLIENT.uris, is_client=True, is_server=True)
        case "authority":
            signer = authority(tmp_path / "elsewhere", cluster="example", now_us=NOW_US)
        case "key":
            (tmp_path / "node.key").write_bytes(signer.key)

    assert issue(tmp_path, signer, identity).certificate != first.certificate


@pytest.mark.parametrize("file", [AUTHORITY_KEY, AUTHORITY_CERTIFICATE])
def test_a_damaged_authority_is_never_replaced_in_silence(
    tmp_path: Path, signer: Credential, file: str
) -> None:
    (tmp_path / file).write_text("nonsense")

    with pytest.raises(LocalError, match="restore it, or delete it"):
        authority(tmp_path, cluster="example", now_us=NOW_US)


def test_a_satellite_is_a_client_that_names_no_host(
    tmp_path: Path, signer: Credential, example: Inventory
) -> None:
    made = issue(tmp_path, signer, satellite_identity(example.cluster, example.nodes()[0][1]))

    assert names(made) == ["borderscout://example/satellite/lon1"]
    assert purposes(made) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_the_core_is_a_server_on_its_vpn_addresses(
    tmp_path: Path, signer: Credential, example: Inventory
) -> None:
    real = issue(tmp_path, signer, core_identity(example.cluster, example.core, loopback=False))
    local = issue(tmp_path, signer, core_identity(example.cluster, example.core, loopback=True))

    assert names(real) == [
        "borderscout://example/core/core",
        "core.example.borderscout.internal",
        "10.77.0.1",
        "2001:db8:77::1",
    ]
    assert names(local) == [*names(real), "127.0.0.1"]
    assert ExtendedKeyUsageOID.SERVER_AUTH in purposes(real)


def test_what_the_world_sees_opens_no_door_to_the_core(
    tmp_path: Path, signer: Credential, example: Inventory
) -> None:
    made = issue(tmp_path, signer, smtp_identity(example.cluster, example.nodes()[0][1]))

    assert names(made) == ["lon1.mx.scout.example", "*.mx.scout.example"]
    assert purposes(made) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_long_name_still_makes_a_certificate(tmp_path: Path, signer: Credential) -> None:
    issue(tmp_path, signer, Identity(name="x" * 200, hosts=("a.example",), is_server=True))


def handshake(folder: Path, *, server: str, client: str, host: str) -> None:
    """Let a client and a server of this cluster meet; raises what either side says against it."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(folder / f"{server}.crt", folder / f"{server}.key")
    server_side.load_verify_locations(folder / AUTHORITY_CERTIFICATE)
    server_side.verify_mode = ssl.CERT_REQUIRED
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.load_cert_chain(folder / f"{client}.crt", folder / f"{client}.key")
    client_side.load_verify_locations(folder / AUTHORITY_CERTIFICATE)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        server_side.wrap_bio(up, down, server_side=True),
        client_side.wrap_bio(down, up, server_hostname=host),
    ]
    for _ in range(4):  # TLS 1.3 is done after two turns of each side
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    for side in sides:
        side.do_handshake()  # raises when it is not done


def test_a_key_of_another_kind_is_replaced_and_one_of_the_same_is_kept(
    tmp_path: Path, signer: Credential
) -> None:
    of_ecdsa = issue(tmp_path, signer)

    of_rsa = issue(tmp_path, signer, key_kind=KeyKind.RSA)

    assert of_rsa.key != of_ecdsa.key
    assert issue(tmp_path, signer, key_kind=KeyKind.RSA) == of_rsa


@pytest.fixture
def people(tmp_path: Path, signer: Credential, example: Inventory) -> Path:
    """A folder with the credentials of a core and a satellite."""
    cluster, node = example.cluster, example.nodes()[0][1]
    issue(tmp_path, signer, core_identity(cluster, example.core, loopback=True), name="core")
    issue(tmp_path, signer, satellite_identity(cluster, node), name="satellite")
    issue(tmp_path, signer, smtp_identity(cluster, node), name="smtp")
    return tmp_path


@pytest.mark.parametrize("host", ["127.0.0.1", "10.77.0.1", "core.example.borderscout.internal"])
def test_a_satellite_and_the_core_trust_each_other(people: Path, host: str) -> None:
    handshake(people, server="core", client="satellite", host=host)


def test_a_stolen_satellite_cannot_pose_as_the_core(people: Path) -> None:
    with pytest.raises(ssl.SSLError):
        handshake(people, server="satellite", client="satellite", host="127.0.0.1")
    with pytest.raises(ssl.SSLError):
        handshake(people, server="smtp", client="satellite", host="127.0.0.1")


def test_the_certificate_for_the_world_is_no_clients(people: Path) -> None:
    with pytest.raises(ssl.SSLError):
        handshake(people, server="core", client="smtp", host="127.0.0.1")
