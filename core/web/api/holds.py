"""Which customers are away, what waits for them, and what was ordered for it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field, StrictInt

from common.address import parse_domain
from common.preferences import Kind
from common.preferences.bodies import TARGETS_MAX, HoldBody
from common.preferences.documents import new_tombstone
from common.records.bounds import TIME_US_MAX
from common.reports import HoldReport
from core.fleet.fleet import NodeStatus, SatelliteState
from core.preferences.orders import ordered
from core.records.search import iso_time
from core.web.request.caller import Caller
from core.web.request.problems import Problem
from core.web.request.request_body import RequestBody
from core.web.request.services import Core, Services

router = APIRouter(prefix="/api/v1/holds", tags=["holds"])

Target = Annotated[str, Field(min_length=1, max_length=300)]


class HoldRequest(RequestBody):
    """An order for a domain's held mail; what is left out stays as it was ordered before."""

    hold_days: Annotated[StrictInt, Field(ge=1, le=30)] | None = Field(
        default=None, description="days in all, from when a message was accepted; null: the route's"
    )
    deliver_to: list[Target] | None = Field(
        default=None,
        max_length=TARGETS_MAX,
        description="HOST:PORT, lmtp:HOST:PORT or NAME/mx, in order; []: the route's",
    )
    bounce_before_us: Annotated[StrictInt, Field(ge=0, le=TIME_US_MAX)] | Literal["now"] = Field(
        default=0,
        description="held mail accepted before this time (microseconds since 1970 UTC, at the"
        " latest now) goes back to its senders; 0: none does",
    )
    reason: str = Field(default="", max_length=500)


@router.get("", summary="Customers that are away, at each node, and the orders that stand")
async def holds(
    core: Core, _caller: Caller, domain: Annotated[str | None, Query(max_length=300)] = None
) -> dict[str, Any]:
    wanted = parse_domain(domain) if domain else None
    nodes = core.link.fleet.nodes(now_s=core.clock.monotonic_s())
    found = (_hold(core, node, hold) for node in nodes for hold in node.holds)
    return {
        "holds": sorted(
            (one for one in found if wanted in (None, one["destination"])),
            key=lambda one: (one["customer"], one["destination"], one["site"], one["node"]),
        ),
        "orders": [one for one in _orders(core) if wanted in (None, one["domain"])],
        # What these hold is what they held when they were last heard.
        "silent": [_silent(node) for node in nodes if node.state is SatelliteState.SILENT],
        "route": _route(core, wanted) if wanted else None,
    }


@router.patch("/{domain}", summary="Extend, redirect or bounce what is held for a domain")
async def order(core: Core, who: Caller, domain: str, change: HoldRequest) -> dict[str, Any]:
    given = _given(core, change)
    name = _of_ours(core, domain, given)
    reason = given.get("reason", "")
    made = await core.database.preferences.revise(
        lambda current: [ordered(name, current.hold_order(name), given)],
        who=who,
        comment=f"hold: {reason}"[:500] if reason else "hold",
    )
    stands = made.hold_order(name)
    return {
        "revision": made.position.revision,
        "domain": name,
        "order": None if stands is None else order_json(stands),
    }


@router.delete("/{domain}", summary="Take the order for a domain back")
async def clear(core: Core, who: Caller, domain: str) -> dict[str, Any]:
    name = parse_domain(domain)
    preferences = core.database.preferences
    if preferences.current.hold_order(name) is None:
        raise Problem(
            404, f"nothing is ordered for {name}", "see the orders with: borderscout hold list"
        )
    removal = new_tombstone(Kind.HOLD, name)
    position = await preferences.publish([removal], who=who, comment="hold: taken back")
    return {"revision": position.revision, "domain": name, "order": None}


def _of_ours(core: Services, domain: str, given: Mapping[str, Any]) -> str:
    """Return a domain's name, once it has a route; held mail can go back without one."""
    name = parse_domain(domain)
    has_route = core.database.preferences.current.document(Kind.ROUTE, name) is not None
    only_returns = given.keys() <= {"bounce_before_us", "reason"}
    if not has_route and not (only_returns and _is_held_anywhere(core, name)):
        raise Problem(
            404,
            f"{name} has no route: we take no mail for it",
            "see the domains with: borderscout policy show --kind route",
        )
    return name


def _is_held_anywhere(core: Services, name: str) -> bool:
    nodes = core.link.fleet.nodes(now_s=core.clock.monotonic_s())
    return any(hold.destination == name for node in nodes for hold in node.holds)


def _given(core: Services, change: HoldRequest) -> dict[str, Any]:
    """Return the fields that a request names, as they stand in a document."""
    given = change.model_dump(exclude_unset=True)
    if not given.keys() - {"reason"}:
        raise Problem(400, "nothing is ordered", "name hold_days, deliver_to or bounce_before_us")
    now_us = core.clock.now_us()
    if given.get("bounce_before_us") == "now":
        given["bounce_before_us"] = now_us
    if given.get("bounce_before_us", 0) > now_us:
        # It would send back what nobody has looked at yet, for as long as the order stands.
        raise Problem(400, "bounce_before_us is yet to come", "bounce what was accepted before now")
    return given


def _hold(core: Services, node: NodeStatus, hold: HoldReport) -> dict[str, Any]:
    current = core.database.preferences.current
    route = current.route(hold.destination)
    standing = current.hold_order(hold.destination)
    return {
        # A node says for whom it holds; whose the domain is, the core knows better.
        "customer": route.customer if route is not None else hold.customer,
        "destination": hold.destination,
        "site": node.site,
        "node": node.node,
        "heard_s_ago": node.heard_s_ago,
        "since": iso_time(hold.since_us),
        "why": hold.reason,
        "messages": hold.messages,
        "bytes": hold.bytes,
        "oldest": iso_time(hold.oldest_us),
        "expires": iso_time(hold.expires_us),
        "hold_days": route.hold_days if route is not None else None,
        "order": None if standing is None else order_json(standing),
    }


def _orders(core: Services) -> Iterator[dict[str, Any]]:
    current = core.database.preferences.current
    for document in current.documents(Kind.HOLD):
        route = current.route(document.key)
        yield {
            "domain": document.key,
            "customer": route.customer if route is not None else None,
            "revision": document.revision,
            **order_json(document.body_as(HoldBody)),
        }


def order_json(body: HoldBody) -> dict[str, Any]:
    """Return what stands for a domain, as people read it."""
    return {
        "hold_days": body.hold_days,
        "deliver_to": list(body.deliver_to),
        "bounce_before": iso_time(body.bounce_before_us) if body.bounce_before_us else None,
        "reason": body.reason,
    }


def _route(core: Services, domain: str) -> dict[str, Any] | None:
    """Return where a domain's mail goes now, its order included; None when we take none for it."""
    route = core.database.preferences.current.route(domain)
    if route is None:
        return None
    return {
        "domain": route.domain,
        "customer": route.customer,
        "deliver_to": list(route.deliver_to),
        "hold_days": route.hold_days,
    }


def _silent(node: NodeStatus) -> dict[str, Any]:
    return {"node": node.node, "site": node.site, "heard_s_ago": node.heard_s_ago}
