"""Is the core's issuer what the authority allows, and where is the authority's key asked for?"""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from time import time_ns

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from common.errors import LocalError
from common.issuing import (
    Credential,
    Identity,
    KeyKind,
    instant,
    key_pem,
    load_key,
    new_key,
    pem_of,
)
from inventory.certificates import (
    AUTHORITY_CERTIFICATE,
    AUTHORITY_KEY,
    ISSUER_CERTIFICATE,
    ISSUER_KEY,
    authority,
    is_issuer,
    signer_of,
)
from inventory.identities import core_identity, issuer_hosts
from inventory.issuer_files import accept_certificate, sign_request, write_request
from inventory.load import load_inventory
from inventory.model import Inventory
from inventory.render.folder import render_folder

EXAMPLE = Path(__file__).parents[3] / "inventory" / "example.yaml"
NOW_US = time_ns() // 1000
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was rendered once: each RSA key takes a while."""
    out = tmp_path_factory.mktemp("rendered")
    render_folder(load_inventory(EXAMPLE), out, loopback=False, now_us=NOW_US)
    return out


@pytest.fixture
def rendered(once: Path, tmp_path: Path) -> Path:
    return shutil.copytree(once, tmp_path / "out")


def issuer_in(folder: Path) -> Credential:
    core = folder / "core"
    return Credential((core / ISSUER_CERTIFICATE).read_bytes(), (core / ISSUER_KEY).read_bytes())


def pair(folder: Path, name: str, identity: Identity, signer: Credential) -> None:
    """Write a certificate with its chain, and its key."""
    key = new_key(KeyKind.ECDSA)
    made = signer_of(signer).sign(identity, key.public_key(), now=instant(NOW_US), days=90)
    (folder / f"{name}.crt").write_bytes(made + signer.certificate)
    (folder / f"{name}.key").write_bytes(key_pem(key))


def meet(folder: Path, root: Path, *, client: str, host: str) -> None:
    """Let a client and a server meet that believe the authority alone."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(folder / "server.crt", folder / "server.key")
    ours.load_verify_locations(root)
    ours.verify_mode = ssl.CERT_REQUIRED
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.load_cert_chain(folder / f"{client}.crt", folder / f"{client}.key")
    theirs.load_verify_locations(root)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        ours.wrap_bio(up, down, server_side=True),
        theirs.wrap_bio(down, up, server_hostname=host),
    ]
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    for side in sides:
        side.do_handshake()


def test_a_chain_over_the_issuer_is_believed_by_whoever_knows_the_authority_alone(
    rendered: Path, example: Inventory, tmp_path: Path
) -> None:
    issuer = issuer_in(rendered)
    pair(
        tmp_path,
        "server",
        core_identity(example.cluster, example.core, loopback=False),
        Credential(
            (rendered / AUTHORITY_CERTIFICATE).read_bytes(), (rendered / AUTHORITY_KEY).read_bytes()
        ),
    )
    uris = ("borderscout://example/satellite/lon1",)
    pair(tmp_path, "client", Identity(name="lon1", uris=uris, is_client=True), issuer)

    host = "core.example.borderscout.internal"
    meet(tmp_path, rendered / AUTHORITY_CERTIFICATE, client="client", host=host)


@pytest.mark.parametrize("name", ["bank.example", "10.77.0.1"])
def test_the_issuer_cannot_name_others_hosts_or_any_address(
    rendered: Path, tmp_path: Path, name: str
) -> None:
    is_address = name[0] == "1"
    shown = Identity(
        name="x",
        is_server=True,
        addresses=(name,) if is_address else (),
        hosts=() if is_address else (name,),
    )
    pair(tmp_path, "server", shown, issuer_in(rendered))
    uris = ("borderscout://example/satellite/lon1",)
    pair(tmp_path, "client", Identity(name="x", uris=uris, is_client=True), issuer_in(rendered))

    with pytest.raises(ssl.SSLError, match="subtree"):
        meet(tmp_path, rendered / AUTHORITY_CERTIFICATE, client="client", host=name)


def test_an_issuer_signs_no_issuer(rendered: Path) -> None:
    found = x509.load_pem_x509_certificate(issuer_in(rendered).certificate)

    constraints = found.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_rendering_keeps_the_issuer_and_renews_it_with_its_key(
    rendered: Path, example: Inventory
) -> None:
    first = issuer_in(rendered)

    render_folder(example, rendered, loopback=False, now_us=NOW_US + 200 * DAY_US)
    assert issuer_in(rendered) == first
    render_folder(example, rendered, loopback=False, now_us=NOW_US + 260 * DAY_US)
    renewed = issuer_in(rendered)
    assert renewed.key == first.key
    assert renewed.certificate != first.certificate


def test_an_authority_of_a_version_before_keeps_its_key_and_what_it_signed(
    rendered: Path, example: Inventory
) -> None:
    made = authority(rendered, cluster="example", now_us=NOW_US)
    old = rendered / AUTHORITY_CERTIFICATE
    old.write_bytes(_without_issuers(made))
    link = (rendered / "lon1" / "tls" / "node.crt").read_bytes()

    render_folder(example, rendered, loopback=False, now_us=NOW_US)
    root = x509.load_pem_x509_certificate(old.read_bytes())

    assert root.public_key() == signer_of(made).key.public_key()
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 1
    render_folder(example, rendered, loopback=False, now_us=NOW_US)
    assert (rendered / "lon1" / "tls" / "node.crt").read_bytes() == link
    assert old.read_bytes() == pem_of(root)


def _without_issuers(made: Credential) -> bytes:
    """Return the certificate that a version before made for an authority."""
    found = x509.load_pem_x509_certificate(made.certificate)
    builder = (
        x509.CertificateBuilder()
        .subject_name(found.subject)
        .issuer_name(found.subject)
        .public_key(found.public_key())
        .serial_number(7)
        .not_valid_before(found.not_valid_before_utc)
        .not_valid_after(found.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    return pem_of(builder.sign(load_key(made.key), hashes.SHA256()))


def test_the_key_of_an_authority_elsewhere_never_comes_into_the_folder(
    rendered: Path, example: Inventory, tmp_path: Path
) -> None:
    safe = tmp_path / "safe"
    safe.mkdir()
    render_folder(example, rendered, loopback=False, now_us=NOW_US)
    key = (rendered / AUTHORITY_KEY).rename(safe / AUTHORITY_KEY).read_bytes()
    (safe / AUTHORITY_CERTIFICATE).write_bytes((rendered / AUTHORITY_CERTIFICATE).read_bytes())
    before = {path: path.read_bytes() for path in sorted(rendered.rglob("*")) if path.is_file()}

    render_folder(example, rendered, loopback=False, now_us=NOW_US)  # nothing is due
    after = {path: path.read_bytes() for path in sorted(rendered.rglob("*")) if path.is_file()}
    assert after == before
    late_us = NOW_US + 80 * DAY_US
    with pytest.raises(LocalError, match=r"made anew.*--authority DIR"):
        render_folder(example, rendered, loopback=False, now_us=late_us)
    render_folder(example, rendered, loopback=False, now_us=late_us, elsewhere=safe)
    assert not any(key in path.read_bytes() for path in rendered.rglob("*") if path.is_file())
    assert sorted(path.name for path in safe.iterdir()) == [AUTHORITY_KEY, AUTHORITY_CERTIFICATE]


def test_a_disk_that_is_not_mounted_makes_no_second_authority(
    rendered: Path, example: Inventory, tmp_path: Path
) -> None:
    with pytest.raises(LocalError, match="is the authority's disk mounted"):
        render_folder(
            example, rendered, loopback=False, now_us=NOW_US, elsewhere=tmp_path / "nothing"
        )


@pytest.mark.parametrize("has_certificate", [True, False])
def test_the_key_of_another_authority_signs_nothing_here(
    rendered: Path, example: Inventory, tmp_path: Path, has_certificate: bool
) -> None:
    other = authority(tmp_path / "none", cluster=example.cluster.name, now_us=NOW_US)
    safe = tmp_path / "safe"
    safe.mkdir()
    (safe / AUTHORITY_KEY).write_bytes(other.key)
    if has_certificate:
        (safe / AUTHORITY_CERTIFICATE).write_bytes(other.certificate)
    before = {path: path.read_bytes() for path in sorted(rendered.rglob("*")) if path.is_file()}

    with pytest.raises(LocalError, match=r"the key of another authority than .*out/authority\.crt"):
        render_folder(example, rendered, loopback=False, now_us=NOW_US, elsewhere=safe)
    after = {path: path.read_bytes() for path in sorted(rendered.rglob("*")) if path.is_file()}
    assert after == before


def test_a_request_and_an_answer_travel_as_files(
    rendered: Path, example: Inventory, tmp_path: Path
) -> None:
    before = issuer_in(rendered)
    request, answer = tmp_path / "issuer.csr", tmp_path / "issuer.crt"

    write_request(example.cluster, rendered, request)
    hosts = sign_request(request, rendered, answer, now_us=NOW_US)
    accept_certificate(answer, example, rendered)

    assert hosts == issuer_hosts(example.cluster)
    assert issuer_in(rendered).key == before.key
    assert issuer_in(rendered).certificate == answer.read_bytes() != before.certificate
    root = x509.load_pem_x509_certificate((rendered / AUTHORITY_CERTIFICATE).read_bytes())
    found = x509.load_pem_x509_certificate(answer.read_bytes())
    assert is_issuer(found, signer_of(issuer_in(rendered)).key.public_key(), root, hosts)


def test_each_file_that_was_mistyped_is_named_with_what_it_should_be(
    rendered: Path, example: Inventory, tmp_path: Path
) -> None:
    out, request, answer = tmp_path / "uot", tmp_path / "issuer.csr", tmp_path / "issuer.crt"

    with pytest.raises(LocalError, match=r"uot: is no rendered folder; name the DIR"):
        write_request(example.cluster, out, request)
    assert not out.exists()
    assert not request.exists()
    with pytest.raises(LocalError, match=r"example\.yaml: .* is none; name what .* request wrote"):
        sign_request(EXAMPLE, rendered, answer, now_us=NOW_US)
    with pytest.raises(LocalError, match=r"example\.yaml: .* name what .* sign wrote"):
        accept_certificate(EXAMPLE, example, rendered)
    with pytest.raises(LocalError, match=r"issuer\.crt: is not there; name what .* sign wrote"):
        accept_certificate(answer, example, rendered)


def test_an_answer_for_another_folder_is_not_accepted(
    rendered: Path, example: Inventory, tmp_path: Path
) -> None:
    other = shutil.copytree(rendered, tmp_path / "other")
    (other / "core" / ISSUER_KEY).unlink()
    request, answer = tmp_path / "issuer.csr", tmp_path / "issuer.crt"
    write_request(example.cluster, other, request)
    sign_request(request, other, answer, now_us=NOW_US)

    with pytest.raises(LocalError, match="is not for the key in"):
        accept_certificate(answer, example, rendered)
