"""What can who reaches the join door, or stole a member's certificate, do to the others?"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.certificate import serial_number
from common.issuing import KeyKind, new_key, new_request
from common.join_token import JoinToken
from common.joining import (
    JoinRequest,
    KeyRequests,
    KeysAnswer,
    MemberAnswer,
    RenewRequest,
    TunnelChoice,
)
from common.wireguard.tunnel_file import parse_tunnel_file
from common.wireguard_text import WireGuardPeer
from core.joining import join_door
from core.people.members import RETIRED_S, MemberRefused, distinct_peers
from satellite.joining.door_client import CoreDoor, DoorRefused
from satellite.joining.due_keys import member_door
from satellite.joining.joiner import join
from tests.support.core.joining_core import JoiningCore, ShiftedClock

RSA = new_key(KeyKind.RSA)
TRIES = 30


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[JoiningCore]:
    folder = tmp_path / "core"
    folder.mkdir()
    made = JoiningCore(folder, ShiftedClock())
    # A rendered peer that has not joined, with a key that its file has right.
    text = made.wireguard.read_text().replace("b2xk", new_public()).replace("# lon1", "# rome1")
    made.wireguard.write_text(text.replace("10.77.1.1", "10.77.9.1"))
    async with made.running():
        yield made


def new_public() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def requests() -> KeyRequests:
    link, smtp = (new_request(new_key(KeyKind.ECDSA), "n") for _ in range(2))
    return KeyRequests(link=link, smtp=smtp, smtp_rsa=new_request(RSA, "n"))


def asked(token: JoinToken, wireguard: str) -> JoinRequest:
    return JoinRequest(
        secret=token.secret.hex(), node=token.node, requests=requests(), wireguard=wireguard
    )


async def test_a_member_takes_no_wireguard_key_that_is_anothers(core: JoiningCore) -> None:
    await core.joining.join(asked(await core.token(), new_public()), client="t")
    before = core.wireguard.read_text()
    rendered = parse_tunnel_file(before, file="wg0.conf").peers[0]
    own = core.joining._tunnel.own_key()

    assert rendered.name == "rome1"
    for key in (rendered.public_key, own):
        with pytest.raises(MemberRefused, match="another's"):
            await core.joining.renew("lon1", "", RenewRequest(requests=requests(), wireguard=key))
        with pytest.raises(MemberRefused, match="another's"):
            again = await core.token(again=True)
            await core.joining.join(asked(again, key), client="t")

    assert core.wireguard.read_text() == before


async def encrypted(
    core: JoiningCore, node: Path | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if node is not None:
        context.load_cert_chain(node / "tls" / "node.crt", node / "tls" / "node.key")
    return await asyncio.open_connection("127.0.0.1", core.port, ssl=context)


async def test_silent_connections_of_one_address_close_the_door_for_nobody(
    core: JoiningCore,
) -> None:
    silent = [await encrypted(core) for _ in range(140)]

    reader, writer = await encrypted(core)
    writer.write(b"POST /member HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    async with asyncio.timeout(10):
        first = await reader.readline()

    assert b" 403 " in first
    for _, one in [*silent, (reader, writer)]:
        one.transport.abort()


async def test_connections_that_begin_no_tls_are_bounded(core: JoiningCore) -> None:
    opened = []
    for _ in range(100):
        one = socket.create_connection(("127.0.0.1", core.port))
        one.setblocking(False)
        opened.append(one)
    loop = asyncio.get_running_loop()

    async with asyncio.timeout(5):  # before the time for a handshake is over
        gone = await asyncio.gather(*(ended(loop, one) for one in opened[:68]))
    reader, writer = await encrypted(core)

    assert all(gone)
    assert not reader.at_eof()
    writer.transport.abort()
    for one in opened:
        one.close()


async def ended(loop: asyncio.AbstractEventLoop, one: socket.socket) -> bool:
    try:
        return await loop.sock_recv(one, 1) == b""
    except ConnectionResetError:
        return True


async def test_a_body_that_trickles_has_an_end(
    core: JoiningCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_door, "BODY_S", 0.05)
    reader, writer = await encrypted(core)
    writer.write(b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")

    async with asyncio.timeout(5):
        first = await reader.readline()

    assert b" 408 " in first
    writer.transport.abort()


async def test_a_stolen_certificate_fills_no_audit(core: JoiningCore, tmp_path: Path) -> None:
    node = tmp_path / "node"
    result = await asyncio.to_thread(join, await core.token(), node, say=lambda _: None)
    door = member_door(node, result.joined)

    assert 10 <= await asyncio.to_thread(answered, door, "/settle") < TRIES
    await asyncio.to_thread(door.ask, "/member", None, MemberAnswer)  # a look is no change


async def test_a_stolen_certificate_has_the_core_read_its_tunnel_now_and_then(
    core: JoiningCore, tmp_path: Path
) -> None:
    result = await asyncio.to_thread(join, await core.token(), tmp_path / "n", say=lambda _: None)
    door = member_door(tmp_path / "n", result.joined)

    assert 10 <= await asyncio.to_thread(answered, door, "/member") < TRIES
    core.clock.shift_s += 60  # a node looks each minute
    await asyncio.to_thread(door.ask, "/member", None, MemberAnswer)


def answered(door: CoreDoor, path: str) -> int:
    """Return how many questions were answered before one was too many."""
    for number in range(TRIES):
        try:
            door.ask(path, None, MemberAnswer)
        except DoorRefused as error:
            assert "too many tries" in str(error)
            return number
    return TRIES


@pytest.mark.parametrize("path", ["/renew", "/switch"])
async def test_what_a_stolen_node_began_before_another_took_its_place_changes_nothing(
    core: JoiningCore, tmp_path: Path, path: str
) -> None:
    stolen = tmp_path / "stolen"
    await asyncio.to_thread(join, await core.token(), stolen, say=lambda _: None)
    reader, writer = await encrypted(core, stolen)
    body = RenewRequest(requests=requests(), wireguard=new_public()).model_dump_json()
    if path != "/renew":
        body = TunnelChoice(wireguard=core.joining.members()[0].wireguard).model_dump_json()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
    writer.write(f"{head}{len(body)}\r\n\r\n".encode())
    async with asyncio.timeout(10):
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")  # it was let in
        again = await core.token(again=True)
        await asyncio.to_thread(join, again, tmp_path / "new", say=lambda _: None)
        before = core.joining.members()
        writer.write(body.encode())
        first = await reader.readline()
    writer.transport.abort()

    assert b" 403 " in first
    assert core.joining.members() == before


async def test_a_certificate_from_before_all_keys_were_changed_gets_no_other_one(
    core: JoiningCore, tmp_path: Path
) -> None:
    result = await asyncio.to_thread(join, await core.token(), tmp_path / "n", say=lambda _: None)
    copied = member_door(tmp_path / "n", result.joined)
    asking = RenewRequest(requests=requests())
    await asyncio.to_thread(copied.ask, "/renew", asking, KeysAnswer)  # it is a member's so far

    await core.joining.rotate("lon1", who="t")
    [old, _] = core.joining.members()[0].certificates
    answer = await core.joining.renew("lon1", old, asking)
    new = serial_number(answer.certificates.link.encode())
    await core.joining.settle("lon1", new)

    for path in ("/renew", "/settle"):
        body = asking if path == "/renew" else None
        with pytest.raises(DoorRefused, match="not good here"):
            await asyncio.to_thread(copied.ask, path, body, KeysAnswer)
    [member] = core.joining.members()
    assert member.let_in(now_s=core.clock.now_us() / 1e6 + RETIRED_S + 1) == {new}


async def test_no_header_says_where_a_stranger_comes_from(core: JoiningCore) -> None:
    said = []
    for number in range(12):
        reader, writer = await encrypted(core)
        head = f"POST /join HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.{number}.1\r\n"
        writer.write(f"{head}Content-Length: 0\r\n\r\n".encode())
        async with asyncio.timeout(5):
            said.append((await reader.readline()).split()[1])
        writer.transport.abort()

    assert said == [b"400"] * 10 + [b"429"] * 2


def test_of_two_peers_with_one_key_that_with_networks_stays() -> None:
    beside = WireGuardPeer(name="a", public_key="k", allowed=())
    main = WireGuardPeer(name="b", public_key="k", allowed=("10.77.1.1/32",))

    assert distinct_peers([beside, main, beside]) == [main]
