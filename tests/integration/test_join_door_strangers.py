"""What can who reaches the join door, or stole a member's certificate, do to the others?"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.issuing import KeyKind, new_key, new_request
from common.join_token import JoinToken
from common.joining import JoinRequest, KeyRequests, RenewRequest
from common.wireguard.tunnel_file import parse_tunnel_file
from core.people.members import MemberRefused
from tests.support.core.joining_core import JoiningCore, ShiftedClock

RSA = new_key(KeyKind.RSA)


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
            await core.joining.renew("lon1", RenewRequest(requests=requests(), wireguard=key))
        with pytest.raises(MemberRefused, match="another's"):
            again = await core.token(again=True)
            await core.joining.join(asked(again, key), client="t")

    assert core.wireguard.read_text() == before
