"""Which nodes have joined, how does another one, and what becomes of a member's keys?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from common.settings.values import Name
from core.people.members import TOKEN_S_MAX, MadeToken, NodeMember
from core.records.search import iso_time
from core.web.request.caller import Caller
from core.web.request.request_body import RequestBody
from core.web.request.services import Core, Services

router = APIRouter(prefix="/api/v1", tags=["members"])

HOUR_S = 3600
Node = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class TokenRequest(RequestBody):
    """A token for a node that is to join."""

    node: Name
    for_s: int = Field(default=HOUR_S, ge=60, le=TOKEN_S_MAX, description="until it is worthless")
    again: bool = Field(
        default=False, description="whether it may replace what a member of this name has"
    )


@router.get("/members", summary="The nodes that have joined, and how their keys stand")
async def members(core: Core, _caller: Caller) -> dict[str, Any]:
    return {
        "members": [_member(core, one) for one in core.joining.members()],
        "problems": core.joining.problems(),
    }


@router.post("/members/{node}/rotate", summary="Have a member change all of its keys")
async def rotate(core: Core, who: Caller, node: Node) -> dict[str, Any]:
    return _member(core, await core.joining.rotate(node, who=who))


@router.post("/members/{node}/revoke", summary="Let nothing of a member in any more")
async def revoke(core: Core, who: Caller, node: Node) -> dict[str, Any]:
    return {"node": node, "calls_ended": await core.joining.revoke(node, who=who)}


@router.get("/join-tokens", summary="The tokens that nobody has used, without their secrets")
async def tokens(core: Core, _caller: Caller) -> dict[str, Any]:
    return {"tokens": [_token(one) for one in await core.joining.tokens()]}


@router.post("/join-tokens", summary="Make a token that a node can join with, once")
async def make(core: Core, who: Caller, request: TokenRequest) -> dict[str, Any]:
    token = await core.joining.make_token(
        request.node, for_s=request.for_s, again=request.again, who=who
    )
    return {"node": request.node, "token": token, "for_s": request.for_s}


@router.delete("/join-tokens/{node}", summary="Make a node's unused tokens worthless")
async def withdraw(core: Core, who: Caller, node: Node) -> dict[str, Any]:
    return {"node": node, "withdrawn": await core.joining.withdraw(node, who=who)}


def _member(core: Services, member: NodeMember) -> dict[str, Any]:
    now_s = core.clock.now_us() / 1_000_000
    let_in = member.let_in(now_s=now_s)
    return {
        "node": member.node,
        "site": core.sites.get(member.node),
        "joined": iso_time(member.joined_us),
        "revoked": iso_time(member.revoked_us) if member.revoked_us else None,
        "rotating_since": iso_time(member.rotate_us) if member.rotate_us else None,
        "certificates": [
            {"serial": serial, "ends": iso_time(ends_s * 1_000_000)}
            for serial, ends_s in sorted(member.certificates.items(), key=lambda one: one[1])
            if serial in let_in
        ],
        "wireguard": member.wireguard or None,
        "wireguard_beside": member.wireguard_beside or None,
    }


def _token(token: MadeToken) -> dict[str, Any]:
    return {
        "node": token.node,
        "made": iso_time(token.made_us),
        "by": token.who,
        "expires": iso_time(token.expires_us),
        "again": token.again,
    }
