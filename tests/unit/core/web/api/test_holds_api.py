"""Who is away, and what is ordered for it, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.reports import HoldReport
from tests.support.clock import FakeClock
from tests.support.core.face import Face
from tests.support.core.rooms import START_US, accepted, identity, made_id, record, route

PATH = "/api/v1/holds/acme.example"
SECOND_US = 1_000_000


def hold(destination: str = "acme.example", **more: Any) -> HoldReport:
    values: dict[str, Any] = {
        "customer": "as a node says",
        "destination": destination,
        "since_us": START_US,
        "reason": "connection refused",
        "messages": 3,
        "bytes": 1234,
        "oldest_us": START_US - SECOND_US,
        "expires_us": START_US + SECOND_US,
    }
    return HoldReport(**(values | more))


async def publish(face: Face, *documents: Any) -> int:
    return (await face.database.preferences.publish(list(documents), who="test")).revision


async def test_who_is_away_is_listed_for_each_node(face: Face) -> None:
    await publish(face, route("acme.example", "acme", hold_days=9))
    face.hear("lon1", holds=(hold(),))
    face.hear("par1", holds=(hold(messages=1, reason="timed out"), hold("b.example")))

    found = await face.ask("GET", "/api/v1/holds")

    first, second, third = found["holds"]
    assert first == {
        "customer": "acme",
        "destination": "acme.example",
        "site": "london",
        "node": "lon1",
        "heard_s_ago": 0.0,
        "since": "2026-01-01T00:00:00.000000Z",
        "why": "connection refused",
        "messages": 3,
        "bytes": 1234,
        "oldest": "2025-12-31T23:59:59.000000Z",
        "expires": "2026-01-01T00:00:01.000000Z",
        "hold_days": 9,
        "order": None,
    }
    assert (second["node"], second["messages"], second["why"]) == ("par1", 1, "timed out")
    # For what no route names, the node's word is all that there is.
    assert (third["destination"], third["customer"]) == ("b.example", "as a node says")
    assert (found["orders"], found["silent"], found["route"]) == ([], [], None)


async def test_one_domain_is_shown_with_where_its_mail_goes_now(face: Face) -> None:
    await publish(face, route(), route("b.example"))
    face.hear("lon1", holds=(hold(), hold("b.example")))
    await face.ask("PATCH", PATH, json={"deliver_to": ["backup.example:25"]})

    found = await face.ask("GET", "/api/v1/holds", params={"domain": "ACME.example"})

    assert [one["destination"] for one in found["holds"]] == ["acme.example"]
    assert found["route"] == {
        "domain": "acme.example",
        "customer": "acme",
        "deliver_to": ["backup.example:25"],
        "hold_days": 7,
    }
    nobody = await face.ask("GET", "/api/v1/holds", params={"domain": "nobody.example"})
    assert nobody["route"] is None


async def test_a_silent_node_is_named_and_what_it_held_is_shown_with_its_age(
    face: Face, fake_clock: FakeClock
) -> None:
    face.hear("lon1", holds=(hold(),))
    await fake_clock.advance(60)

    found = await face.ask("GET", "/api/v1/holds")

    assert found["holds"][0]["heard_s_ago"] == 60
    assert found["silent"] == [
        {"node": "lon1", "site": "london", "heard_s_ago": 60},
        {"node": "par1", "site": "paris", "heard_s_ago": None},
    ]


async def test_orders_go_on_top_of_each_other_and_are_taken_back_together(face: Face) -> None:
    await publish(face, route())
    more = await face.ask("PATCH", PATH, json={"hold_days": 14, "reason": "moved"})
    assert more == {
        "revision": 2,
        "domain": "acme.example",
        "order": {"hold_days": 14, "deliver_to": [], "bounce_before": None, "reason": "moved"},
    }

    await face.ask("PATCH", PATH, json={"deliver_to": ["a.example:26", "[2001:db8::1]:25"]})
    last = await face.ask("PATCH", PATH, json={"bounce_before_us": START_US})

    assert last["order"] == {
        "hold_days": 14,
        "deliver_to": ["a.example:26", "[2001:db8::1]:25"],
        "bounce_before": "2026-01-01T00:00:00.000000Z",
        "reason": "moved",
    }
    (standing,) = (await face.ask("GET", "/api/v1/holds"))["orders"]
    assert standing == {
        "domain": "acme.example",
        "customer": "acme",
        "revision": 4,
        **last["order"],
    }
    current = face.database.preferences.current.route("acme.example")
    assert current is not None
    assert (current.hold_days, current.deliver_to[0]) == (14, "a.example:26")

    gone = await face.ask("DELETE", PATH)
    assert gone == {"revision": 5, "domain": "acme.example", "order": None}
    assert (await face.ask("GET", "/api/v1/holds"))["orders"] == []
    await face.refused(404, "DELETE", PATH)


async def test_one_part_is_taken_back_by_what_the_route_says(face: Face) -> None:
    await publish(face, route())
    await face.ask("PATCH", PATH, json={"hold_days": 14, "deliver_to": ["a.example:25"]})

    one = await face.ask("PATCH", PATH, json={"hold_days": None})
    none = await face.ask("PATCH", PATH, json={"deliver_to": []})

    assert one["order"]["deliver_to"] == ["a.example:25"]
    assert none["order"] is None


async def test_what_goes_back_now_is_what_was_accepted_until_the_core_s_now(face: Face) -> None:
    await publish(face, route())

    made = await face.ask("PATCH", PATH, json={"bounce_before_us": "now"})

    assert made["order"]["bounce_before"] == "2026-01-01T00:00:00.000000Z"


async def test_mail_that_is_yet_to_come_cannot_be_sent_back(face: Face) -> None:
    await publish(face, route())

    problem = await face.refused(400, "PATCH", PATH, json={"bounce_before_us": START_US + 1})

    assert "yet to come" in problem["title"]
    assert face.database.preferences.current.hold_order("acme.example") is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"reason": "why"}, 400),
        ({"hold_days": 0}, 422),
        ({"hold_days": 31}, 422),
        ({"hold_days": "14"}, 422),
        ({"hold_days": True}, 422),
        ({"days": 14}, 422),
        ({"hold_days": 14, "days": 3}, 422),
        ({"deliver_to": ["a.example:0"]}, 400),
        ({"deliver_to": ["a b:25"]}, 400),
        ({"deliver_to": ["a\r\nb.example:25"]}, 400),
        ({"deliver_to": [""]}, 422),
        ({"deliver_to": ["a.example:25"] * 17}, 422),
        ({"deliver_to": "a.example:25"}, 422),
        ({"bounce_before_us": -1}, 422),
        ({"bounce_before_us": "then"}, 422),
        ({"bounce_before_us": 1 << 63}, 422),
        ({"hold_days": 14, "reason": "x" * 501}, 422),
    ],
)
async def test_an_order_that_is_wrong_is_none(
    face: Face, body: dict[str, Any], status: int
) -> None:
    await publish(face, route())

    await face.refused(status, "PATCH", PATH, json=body)

    assert face.database.preferences.position.revision == 1


@pytest.mark.parametrize("domain", ["other.example", "mail.acme.example", "xn--a.example"])
async def test_a_domain_without_a_route_is_told_so(face: Face, domain: str) -> None:
    await publish(face, route())

    path = f"/api/v1/holds/{domain}"
    problem = await face.refused(404, "PATCH", path, json={"hold_days": 9})

    assert f"{domain} has no route" in problem["title"]
    await face.refused(404, "DELETE", path)


async def test_what_is_held_for_a_domain_that_has_lost_its_route_can_still_go_back(
    face: Face,
) -> None:
    face.hear()  # it holds mail for acme.example, which has no route any more

    made = await face.ask("PATCH", PATH, json={"bounce_before_us": "now", "reason": "left us"})

    assert made["order"]["bounce_before"]
    for order in ({"hold_days": 9}, {"deliver_to": ["b.example:25"], "bounce_before_us": "now"}):
        problem = await face.refused(404, "PATCH", PATH, json=order)
        assert "acme.example has no route" in problem["title"]


async def test_what_is_no_domain_is_a_problem(face: Face) -> None:
    for method, more in (("PATCH", {"json": {"hold_days": 9}}), ("DELETE", {})):
        await face.refused(400, method, "/api/v1/holds/-", **more)
    await face.refused(400, "GET", "/api/v1/holds", params={"domain": "a b"})


async def test_two_operators_who_order_different_things_at_once_both_have_them(face: Face) -> None:
    await publish(face, route())
    orders: list[dict[str, Any]] = [
        {"hold_days": 14},
        {"deliver_to": ["a.example:25"]},
        {"bounce_before_us": START_US},
    ]

    await asyncio.gather(*(face.ask("PATCH", PATH, json=order) for order in orders))

    (order,) = (await face.ask("GET", "/api/v1/holds"))["orders"]
    assert (order["hold_days"], order["deliver_to"]) == (14, ["a.example:25"])
    assert order["bounce_before"]


async def test_the_history_of_a_domain_and_the_audit_tell_of_its_orders(face: Face) -> None:
    await publish(face, route())
    await face.ask("PATCH", PATH, json={"hold_days": 14, "reason": "moved"})
    await face.ask("DELETE", PATH)

    query = {"scope": "domain/acme.example", "kind": "hold"}
    revisions = (await face.ask("GET", "/api/v1/history", params=query))["revisions"]

    assert [one["comment"] for one in revisions] == ["hold: taken back", "hold: moved"]
    assert revisions[1]["changes"][0]["after"] == {"hold_days": 14, "reason": "moved"}
    assert {one["who"] for one in revisions} == {"admin"}
    entries = (await face.ask("GET", "/api/v1/audit"))["entries"]
    assert [entry["who"] for entry in entries][:2] == ["admin", "admin"]


async def test_what_applies_to_a_recipient_shows_the_order_above_its_route(face: Face) -> None:
    await publish(face, route())
    await face.ask("PATCH", PATH, json={"deliver_to": ["a.example:25"]})

    found = await face.ask("GET", "/api/v1/explain", params={"recipient": "x@acme.example"})

    assert found["route"]["deliver_to"] == ["mail.acme.example:25"]
    assert found["hold"]["deliver_to"] == ["a.example:25"]


async def test_a_tracked_message_says_why_it_is_held_now_and_when_it_is_tried_next(
    face: Face, fake_clock: FakeClock
) -> None:
    first = START_US + 45 * SECOND_US
    held = {"address": "x@acme.example", "reason": "timed out", "next_us": first}
    told = [accepted(1, made_id(7)), record(2, "held", made_id(7), recipients=[held])]
    await face.database.records.take(identity("lon1"), told)
    fake_clock.jump(3 * 86_400)
    face.hear("lon1", holds=(hold(reason="connection refused"),))

    assert await tracked(face) == ("connection refused", "2026-01-04T00:00:45.000000Z")

    face.hear("lon1", holds=())
    assert await tracked(face) == ("timed out", "")  # a time that has passed is no next one


async def tracked(face: Face) -> tuple[str, str]:
    found = await face.ask("GET", "/api/v1/messages", params={"query": made_id(7)})
    ((recipient,),) = (message["recipients"] for message in found["messages"])
    return recipient["reason"], recipient.get("next", "")
