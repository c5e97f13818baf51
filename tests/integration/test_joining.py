"""A node joins with a token, once, and nobody else does; no private key ever travels."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from common.certificate import serial_number
from common.errors import BorderScoutError
from common.issuing import KeyKind, PrivateKey, new_key, new_request
from common.join_token import JoinToken
from common.joining import JoinRequest, KeyRequests
from common.preferences import Document, Kind
from common.preferences.documents import check_document
from common.preferences.node_settings import settings_digest
from common.rpc import TlsFiles
from common.wireguard.tunnel_interface import read_tunnel_file
from core.people.members import TokenNotGood
from satellite.joining.door_client import (
    CoreDoor,
    DoorNotReached,
    DoorNotTrusted,
    DoorRefused,
    pinned_authority,
)
from satellite.joining.joiner import JoinResult, join
from satellite.joining.node_keys import public_half
from satellite.settings import load_settings
from tests.support.core.joining_core import HOUR_S, JoiningCore, ShiftedClock
from tests.support.network.link import MemorySpool, Shard, until
from tests.support.network.link import satellite_settings as link_settings

RSA = new_key(KeyKind.RSA)  # one takes half a second, and which one it is means nothing here


def quick_key(kind: KeyKind) -> PrivateKey:
    return RSA if kind is KeyKind.RSA else new_key(kind)


@pytest.fixture(autouse=True)
def _one_rsa_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("satellite.joining.node_keys.new_key", quick_key)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[JoiningCore]:
    folder = tmp_path / "core"
    folder.mkdir()
    made = JoiningCore(folder, ShiftedClock())
    async with made.running():
        yield made


async def joined(token: JoinToken, folder: Path) -> JoinResult:
    return await asyncio.to_thread(join, token, folder, say=lambda _: None)


def private_octets(folder: Path) -> list[bytes]:
    """Return what must be nowhere else: of each private key, as its file has it and as numbers."""
    found = []
    for file in folder.rglob("*.key"):
        text = file.read_bytes().strip()
        if b"-----" in text:
            key = serialization.load_pem_private_key(text, password=None)
            der = key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            text = b"".join(text.splitlines()[1:2])
            # Of a PKCS 8 key the part with the secret comes right after the algorithm.
            found.append(der[30:60])
        found.append(text)
    return found


async def test_a_node_that_joins_makes_its_own_keys_and_links(
    core: JoiningCore, tmp_path: Path
) -> None:
    node = tmp_path / "node"

    result = await joined(await core.token(), node)

    assert (result.joined.node, result.joined.has_tunnel) == ("lon1", True)
    settings = load_settings(node / "satellite.yaml")
    assert settings.node == "lon1"
    secret = ("tls/node.key", "tls/smtp.key", "tls/smtp-rsa.key", "wireguard.key", "wg0.conf")
    assert {(node / name).stat().st_mode & 0o777 for name in secret} == {0o600}
    assert not (node / "incoming").exists()
    public = public_half((node / "wireguard.key").read_text().strip())
    assert public in core.wireguard.read_text()
    assert "b2xk" not in core.wireguard.read_text()
    files = TlsFiles(
        certificate=node / "tls/node.crt",
        key=node / "tls/node.key",
        authority=node / "tls/authority.crt",
    )
    shard = Shard.start(MemorySpool(), link_settings(files, port=core.grpc))
    try:
        await until(lambda: bool(core.link.fleet.connected()), "the node links")
    finally:
        await shard.stop()


async def test_what_bounds_a_tunnel_comes_where_the_node_does_not_write(
    core: JoiningCore, tmp_path: Path
) -> None:
    node, machine = tmp_path / "node", tmp_path / "machine"

    before = os.umask(0o077)
    try:
        await asyncio.to_thread(join, await core.token(), node, say=lambda _: None, machine=machine)
    finally:
        os.umask(before)

    tunnel = read_tunnel_file(node / "wg0.conf", within=machine / "tunnel.networks")
    assert tunnel.addresses == ("10.77.1.1/32",)
    assert (machine / "tunnel.networks").read_text().splitlines()[1:] == [
        "10.77.1.1/32", "10.77.0.1/32"
    ]  # fmt: skip
    rules = (machine / "firewall.nft").read_text()
    assert "ip daddr 10.77.1.1 iifname != { lo, wg0 } drop" in rules
    assert "tcp dport { 9100 } accept" in rules
    assert (machine.stat().st_mode & 0o777, {one.stat().st_mode for one in machine.iterdir()}) == (
        0o755, {0o100644}
    )  # fmt: skip


async def test_no_private_key_is_sent_or_stored(core: JoiningCore, tmp_path: Path) -> None:
    node, token = tmp_path / "node", await core.token()
    sent: list[bytes] = []
    asked = CoreDoor.ask

    def listening(self: CoreDoor, path: str, body, kind):  # type: ignore[no-untyped-def]
        sent.append(body.model_dump_json().encode())
        return asked(self, path, body, kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CoreDoor, "ask", listening)
        await joined(token, node)
    kept = [path.read_bytes() for path in core.folder.rglob("*") if path.is_file()]

    assert len(sent) == 1
    secrets = private_octets(node)
    assert len(secrets) == 3 * 2 + 1
    for secret in secrets:
        assert not any(secret in content for content in (*sent, *kept))
    assert not any(token.secret in one or token.secret.hex().encode() in one for one in kept)


async def test_a_token_works_once_and_again_for_the_same_keys(
    core: JoiningCore, tmp_path: Path
) -> None:
    token, node = await core.token(), tmp_path / "node"
    await joined(token, node)
    before = {path: path.read_bytes() for path in node.rglob("*") if path.is_file()}

    assert (await joined(token, node)).was_known
    assert {path: path.read_bytes() for path in node.rglob("*") if path.is_file()} == before
    with pytest.raises(DoorRefused, match="not good here"):
        await joined(token, tmp_path / "thief")
    assert not (tmp_path / "thief" / "satellite.yaml").exists()


async def test_a_lost_answer_costs_nothing(core: JoiningCore, tmp_path: Path) -> None:
    token, node = await core.token(), tmp_path / "node"
    asked = CoreDoor.ask

    def lost(self: CoreDoor, path: str, body, kind):  # type: ignore[no-untyped-def]
        asked(self, path, body, kind)
        raise DoorNotReached("cut")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CoreDoor, "ask", lost)
        with pytest.raises(DoorNotReached):
            await joined(token, node)
    keys = {path.name: path.read_bytes() for path in (node / "incoming").glob("*.key")}
    [member] = core.joining.members()

    await joined(token, node)

    assert (node / "tls/node.key").read_bytes() == keys["tls_node.key"]
    assert set(member.certificates) == {serial_number((node / "tls/node.crt").read_bytes())}
    assert core.joining.members() == [member]


async def test_a_wrong_an_expired_and_a_used_token_hear_the_same(
    core: JoiningCore, tmp_path: Path
) -> None:
    good, late = await core.token(), await core.token("par1")
    await joined(good, tmp_path / "node")
    said = set()

    core.clock.shift_s = HOUR_S + 1
    for number, token in enumerate(
        (good, late, replace(good, secret=bytes(32)), replace(late, node="lon1"))
    ):
        with pytest.raises(DoorRefused) as refused:
            await joined(token, tmp_path / f"other{number}")
        said.add(str(refused.value))

    assert len(said) == 1


async def test_a_token_for_one_node_makes_no_other(core: JoiningCore, tmp_path: Path) -> None:
    token = replace(await core.token("par1"), node="lon1")

    with pytest.raises(DoorRefused, match="not good here"):
        await joined(token, tmp_path / "node")
    assert core.joining.members() == []


async def test_what_a_request_says_of_names_is_not_looked_at(core: JoiningCore) -> None:
    token = await core.token("par1")
    hosts = ("core.example.borderscout.internal", "bank.example")
    keys = [quick_key(kind) for kind in (KeyKind.ECDSA, KeyKind.ECDSA, KeyKind.RSA)]
    link, smtp, rsa = (new_request(key, "core", hosts=hosts) for key in keys)

    answer = await core.joining.join(
        JoinRequest(
            secret=token.secret.hex(),
            node="par1",
            requests=KeyRequests(link=link, smtp=smtp, smtp_rsa=rsa),
            wireguard=public_half("a" * 43 + "="),
        ),
        client="t",
    )

    found = x509.load_pem_x509_certificate(answer.certificates.link.encode())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [one.value for one in names] == ["borderscout://example/satellite/par1"]
    assert "core" not in found.subject.rfc4514_string()


async def test_of_two_who_come_with_one_token_at_once_one_joins(
    core: JoiningCore, tmp_path: Path
) -> None:
    token = await core.token()

    outcomes = await asyncio.gather(
        *(joined(token, tmp_path / f"node{number}") for number in range(4)),
        return_exceptions=True,
    )

    assert sum(isinstance(one, JoinResult) for one in outcomes) == 1
    assert sum(isinstance(one, DoorRefused) for one in outcomes) == 3
    assert len(core.joining.members()) == 1


async def test_a_node_that_has_joined_needs_a_token_made_for_that(
    core: JoiningCore, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    early = await core.token()  # made before it joined, and not used
    await joined(await core.token(), first)
    serial = serial_number((first / "tls/node.crt").read_bytes())
    with pytest.raises(BorderScoutError, match="has joined already"):
        await core.token()
    with pytest.raises(DoorRefused):
        await joined(early, tmp_path / "second")
    assert core.link.roster.why_not("lon1", serial) == ""

    await joined(await core.token(again=True), tmp_path / "second")

    assert core.link.roster.why_not("lon1", serial)
    key = public_half((first / "wireguard.key").read_text().strip())
    assert key not in core.wireguard.read_text()


async def test_the_door_of_another_authority_learns_nothing(
    core: JoiningCore, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    other = JoiningCore(folder, ShiftedClock())
    token = replace(await core.token(), doors=(f"127.0.0.1:{other.port}",))
    async with other.running():
        with pytest.raises(DoorNotTrusted, match="its authority is another one"):
            await joined(token, tmp_path / "node")
        assert not list((tmp_path / "node").rglob("*.key"))


async def test_who_shows_the_right_authority_without_its_key_gets_no_secret(
    core: JoiningCore, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    other = JoiningCore(folder, ShiftedClock())
    stolen = core.joining.signer.authority_pem()  # anybody may have seen it
    own, key = _door_of(other)
    with _listening(own + stolen, key) as (port, heard):
        token = replace(await core.token(), doors=(f"127.0.0.1:{port}",))
        with pytest.raises(DoorNotTrusted, match="not this cluster's core"):
            await joined(token, tmp_path / "node")

    assert heard == []


async def test_a_mail_certificate_of_a_stolen_node_is_no_join_door(
    core: JoiningCore, tmp_path: Path
) -> None:
    node = tmp_path / "stolen"
    await joined(await core.token("par1"), node)
    chain = (node / "tls/smtp.crt").read_bytes() + core.joining.signer.authority_pem()
    with _listening(chain, (node / "tls/smtp.key").read_bytes()) as (port, heard):
        token = replace(await core.token(), doors=(f"127.0.0.1:{port}",))
        with pytest.raises(DoorNotTrusted):
            await joined(token, tmp_path / "node")

    assert heard == []


def _door_of(core: JoiningCore) -> tuple[bytes, bytes]:
    from core.joining.node_signing import NodeSigner

    signer = NodeSigner(
        cluster="example",
        mail_domain="mx.scout.example",
        certificate=core.folder / "issuer.crt",
        key=core.folder / "issuer.key",
        authority=core.tls.authority,
    )
    return signer.door(now_us=core.clock.now_us())


@contextmanager
def _listening(chain: bytes, key: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Stand where a join door should be, with this certificate; give what was said in the end."""
    from common.certificate import named_file

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with named_file(chain) as certificate, named_file(key) as private:
        context.load_cert_chain(certificate, private)
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(20.0)

    def serve() -> None:
        for _ in range(2):
            plain, _ = server.accept()
            plain.settimeout(5.0)
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    if said := secure.recv(65_536):
                        heard.append(said)
            except OSError:
                plain.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1], heard
    thread.join(20.0)
    server.close()


async def test_a_stranger_is_slowed_down_and_nothing_else_is_served(
    core: JoiningCore, tmp_path: Path
) -> None:
    token = await core.token()
    authority = await asyncio.to_thread(pinned_authority, token.doors, token.pin)
    door = CoreDoor(token.doors, authority=authority)

    def tried(path: str) -> str:
        with pytest.raises(DoorRefused) as refused:
            door.ask(path, None, JoinRequest)
        return str(refused.value)

    for path in ("/", "/member", "/renew", "/openapi.json"):
        assert "not served here" in await asyncio.to_thread(tried, path) or path in (
            "/member",
            "/renew",
        )
    said = [await asyncio.to_thread(tried, "/join") for _ in range(12)]

    assert "not served here" in said[0]
    assert "too many tries" in said[-1]


async def test_a_published_document_says_which_settings_the_node_gets(
    core: JoiningCore, tmp_path: Path
) -> None:
    token = await core.token("par1")
    terms = await core.joining.join(_request(token), client="t")
    tree = {**terms.settings, "workers": 3}
    body = {
        "site": "paris",
        "addresses": ["2001:db8::9", "10.77.2.1"],
        "vpn_addresses": ["10.77.2.1"],
        "settings": tree,
        "digest": settings_digest(tree),
        "wireguard": {
            "port": 51821,
            "core": {
                "public": ["192.0.2.1", "2001:db8::1"],
                "port": 51820,
                "vpn_addresses": ["10.77.0.1"],
            },
        },
    }
    document = check_document(Document(Kind.NODE, "par1", 0, json.dumps(body).encode()))
    await core.database.preferences.publish([document], who="t")

    await joined(await core.token("par1", again=True), tmp_path / "node")

    assert load_settings(tmp_path / "node" / "satellite.yaml").workers == 3
    tunnel = (tmp_path / "node" / "wg0.conf").read_text()
    assert "ListenPort = 51821" in tunnel
    assert "Endpoint = [2001:db8::1]:51820" in tunnel  # of the family that the node has
    assert "# par1\n[Peer]" in core.wireguard.read_text()


def _request(token: JoinToken) -> JoinRequest:
    keys = [quick_key(kind) for kind in (KeyKind.ECDSA, KeyKind.ECDSA, KeyKind.RSA)]
    link, smtp, rsa = (new_request(key, "x") for key in keys)
    return JoinRequest(
        secret=token.secret.hex(),
        node=token.node,
        requests=KeyRequests(link=link, smtp=smtp, smtp_rsa=rsa),
        wireguard=public_half("b" * 43 + "="),
    )


async def test_a_core_that_was_killed_after_the_commit_gives_the_same_answer(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "core"
    folder.mkdir()
    clock = ShiftedClock()
    first = JoiningCore(folder, clock)
    async with first.running():
        token = await first.token()
        request = _request(token)
        before = await first.joining.join(request, client="t")
    second = JoiningCore(folder, clock)
    async with second.running():
        after = await second.joining.join(request, client="t")
        serial = serial_number(after.certificates.link.encode())
        assert second.link.roster.why_not("lon1", serial) == ""
        with pytest.raises(TokenNotGood):
            await second.joining.join(_request(token), client="t")

    assert after.certificates == before.certificates
