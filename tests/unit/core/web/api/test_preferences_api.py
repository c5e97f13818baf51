"""Policies and documents over HTTP: published whole, refused with a reason, brought back."""

from __future__ import annotations

import asyncio
from itertools import product
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from common.preferences import POLICY_KEYS, Document, Kind, documents
from common.preferences.bodies import Body
from common.preferences.documents import parse_body
from core.preferences import ledger
from tests.support.core.face import Face, problem_of
from tests.support.core.rooms import document, route

ROUTE = {"customer": "a", "deliver_to": ["m:25"]}
RULE = {"field": "subject", "pattern": "(", "score": 1}
SCOPES = ("cluster", "customer/acme", "domain/acme.example", "recipient/a+b/c@acme.example")


async def publish(face: Face, *documents: Document) -> int:
    return (await face.database.preferences.publish(list(documents), who="test")).revision


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_policy_is_set_read_and_taken_out_again(face: Face, scope: str) -> None:
    await publish(face, route())
    path = f"/api/v1/policies/{quote(scope)}"
    set_ = await face.ask("PATCH", path, json={"values": {"score.mark": 4, "virus": "drop"}})
    stands = {"revision": 2, "scope": scope, "values": {"score.mark": 4, "virus": "drop"}}
    assert set_ == stands | {"warnings": []}
    assert await face.ask("GET", path) == stands

    one = await face.ask("PATCH", path, json={"unset": ["virus"], "comment": "why"})
    assert one["values"] == {"score.mark": 4}
    none = await face.ask("PATCH", path, json={"unset": ["score.mark"]})
    assert none == {"revision": 4, "scope": scope, "values": {}, "warnings": []}
    assert await face.ask("GET", path) == {"scope": scope, "values": {}, "revision": None}


async def test_setting_what_is_set_makes_no_revision(face: Face) -> None:
    for _ in range(2):
        made = await face.ask(
            "PATCH", "/api/v1/policies/cluster", json={"values": {"virus": "drop"}}
        )
        assert made["revision"] == 1


async def test_score_drop_may_be_never(face: Face) -> None:
    await publish(face, document("policy", "cluster", {"score.drop": 20}), route())
    path = "/api/v1/policies/domain/acme.example"
    await face.ask("PATCH", path, json={"values": {"score.drop": None}})

    explained = await face.ask("GET", "/api/v1/explain", params={"recipient": "x@acme.example"})

    (key,) = [one for one in explained["policy"] if one["key"] == "score.drop"]
    assert (key["value"], key["from"]) == (None, "domain/acme.example")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"colour": 1}, "'colour' is no policy key"),
        ({"virus": "wait"}, "virus is one of"),
        ({"virus": 1}, "virus is one of"),
        ({"score.mark": "4"}, "score.mark"),
        ({"score.mark": None}, "score.mark needs a number"),
        ({"score.mark": 1e300}, "score.mark"),
        ({"subject_tag": "x" * 65}, "subject_tag"),
        ({"subject_tag": "a\r\nBcc: b@c"}, "subject_tag"),
    ],
)
async def test_a_wrong_key_or_value_is_refused_and_says_what_would_be_right(
    face: Face, values: dict[str, Any], named: str
) -> None:
    problem = await face.refused(400, "PATCH", "/api/v1/policies/cluster", json={"values": values})

    assert named in problem["title"]
    assert face.database.preferences.position.revision == 0


@pytest.mark.parametrize("value", ["true", "NaN", "1e999", "[4]", '{"a": 1}', '"\\ud800"'])
async def test_a_value_of_no_kind_is_refused(face: Face, value: str) -> None:
    answer = await face.client.patch(
        "/api/v1/policies/cluster",
        content=f'{{"values": {{"score.mark": {value}}}}}',
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code in (400, 422)
    assert face.database.preferences.position.revision == 0


async def test_an_unknown_key_cannot_be_taken_out(face: Face) -> None:
    problem = await face.refused(
        400, "PATCH", "/api/v1/policies/cluster", json={"unset": ["colour"]}
    )

    assert "score.mark" in problem["remedy"]


@pytest.mark.parametrize(
    "scope", ["nowhere", "customer/", "domain/-", "recipient/acme.example", "x" * 2000]
)
async def test_a_scope_that_is_none_is_a_problem(face: Face, scope: str) -> None:
    for method, more in (("GET", {}), ("PATCH", {"json": {"values": {"virus": "drop"}}})):
        problem = await face.refused(400, method, f"/api/v1/policies/{scope}", **more)
        assert " is no " in problem["title"]


async def test_two_admins_who_set_different_keys_at_once_both_have_them(face: Face) -> None:
    path = "/api/v1/policies/cluster"
    keys = {
        "virus": "drop",
        "macro": "drop",
        "encrypted": "drop",
        "score.mark": 1,
        "unscannable": "drop",
    }

    await asyncio.gather(
        *(face.ask("PATCH", path, json={"values": {key: value}}) for key, value in keys.items())
    )

    assert (await face.ask("GET", path))["values"] == keys


@pytest.mark.parametrize(
    ("method", "path", "request_body"),
    [
        (
            "POST",
            "/api/v1/documents",
            {"documents": [{"kind": "policy", "key": "cluster", "body": {"virus": "drop"}}]},
        ),
        ("PATCH", "/api/v1/policies/cluster", {"values": {"virus": "drop"}}),
        ("POST", "/api/v1/lists/white", {"scope": "cluster", "pattern": "a.example"}),
    ],
)
async def test_a_document_is_read_once_on_its_way_from_the_request_into_force(
    face: Face,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    request_body: dict[str, Any],
) -> None:
    read: list[bytes] = []

    def counted(kind: Kind, body: bytes) -> Body:
        read.append(body)
        return parse_body(kind, body)

    def never(_octets: bytes) -> object:
        raise AssertionError("the octets of a document that was checked are read again")

    monkeypatch.setattr(documents, "parse_body", counted)
    monkeypatch.setattr(ledger, "json", SimpleNamespace(loads=never))

    await face.ask(method, path, json=request_body)

    (document,) = face.database.preferences.current.documents()
    assert read == [document.body]


async def test_documents_are_published_as_one_revision_and_read_back(face: Face) -> None:
    given = [
        {
            "kind": "route",
            "key": "Acme.example",
            "body": {"customer": "acme", "deliver_to": ["m:25"]},
        },
        {"kind": "policy", "key": "cluster", "body": {"virus": "drop"}},
    ]
    made = await face.ask("POST", "/api/v1/documents", json={"documents": given, "comment": "c"})
    assert made == {"revision": 1, "changed": True, "warnings": []}

    read = await face.ask("GET", "/api/v1/documents")
    assert [(one["kind"], one["key"]) for one in read["documents"]] == [
        ("route", "acme.example"),
        ("policy", "cluster"),
    ]
    again = await face.ask("POST", "/api/v1/documents", json={"documents": read["documents"]})
    assert again == made | {"changed": False}
    routes = await face.ask("GET", "/api/v1/documents", params={"kind": "route"})
    assert len(routes["documents"]) == 1


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"kind": "colour", "key": "x", "body": {}}, "unknown kind"),
        ({"kind": "route", "key": "-", "body": ROUTE}, "domain"),
        ({"kind": "route", "key": "a.example", "body": {"customer": "a"}}, "deliver_to"),
        ({"kind": "route", "key": "a.example"}, "body must be an object"),
        ({"kind": "policy", "key": "cluster", "body": {"virus": "wait"}}, "virus is one of"),
        ({"kind": "rule", "key": "r", "body": RULE}, "pattern"),
        ({"kind": "policy", "key": "cluster", "body": {}, "colour": 1}, "unknown field"),
        ({"key": "cluster", "body": {}}, "kind and key"),
    ],
)  # fmt: skip
async def test_one_wrong_document_refuses_all_of_them(
    face: Face, wrong: dict[str, Any], named: str
) -> None:
    good = {"kind": "policy", "key": "domain/b.example", "body": {"virus": "drop"}}
    problem = await face.refused(
        400, "POST", "/api/v1/documents", json={"documents": [good, wrong]}
    )

    assert named in problem["title"]
    assert face.database.preferences.position.revision == 0


async def test_text_that_is_no_unicode_is_refused_and_no_fault(face: Face) -> None:
    one = b'{"kind":"list","key":"black/cluster/a.example","body":{"reason":"\\ud800"}}'
    body = b'{"documents":[' + one + b"]}"

    problem = await face.refused(
        400, "POST", "/api/v1/documents", content=body, headers={"Content-Type": "application/json"}
    )

    assert "surrogates" in problem["title"]


async def test_a_base_that_is_not_the_newest_revision_is_a_conflict(face: Face) -> None:
    await publish(face, route())
    documents = [{"kind": "policy", "key": "cluster", "body": {"virus": "drop"}}]

    problem = await face.refused(
        409, "POST", "/api/v1/documents", json={"documents": documents, "base": 0}
    )
    assert problem["remedy"]
    made = await face.ask("POST", "/api/v1/documents", json={"documents": documents, "base": 1})
    assert made == {"revision": 2, "changed": True, "warnings": []}


async def test_the_history_tells_who_changed_what_and_rollback_brings_it_back(face: Face) -> None:
    path = "/api/v1/policies/domain/acme.example"
    await face.ask("PATCH", path, json={"values": {"score.mark": 4}, "comment": "first"})
    await face.ask("PATCH", path, json={"values": {"score.mark": 6}, "comment": "second"})
    await face.ask("PATCH", "/api/v1/policies/cluster", json={"values": {"virus": "drop"}})

    newest, *_ = (await face.ask("GET", "/api/v1/history"))["revisions"]
    assert newest["revision"] == 3
    mine = await face.ask("GET", "/api/v1/history", params={"scope": "domain/acme.example"})
    assert [(one["revision"], one["who"], one["comment"]) for one in mine["revisions"]] == [
        (2, "admin", "second"),
        (1, "admin", "first"),
    ]
    (change,) = mine["revisions"][0]["changes"]
    assert (change["before"], change["after"]) == ({"score.mark": 4}, {"score.mark": 6})

    assert await face.ask("POST", "/api/v1/rollback", json={"revision": 1}) == {"revision": 4}
    assert (await face.ask("GET", path))["values"] == {"score.mark": 4}
    await face.refused(404, "POST", "/api/v1/rollback", json={"revision": 99})


async def test_a_page_of_the_history_goes_on_before_a_revision(face: Face) -> None:
    for mark in (1, 2, 3):
        await face.ask("PATCH", "/api/v1/policies/cluster", json={"values": {"score.mark": mark}})

    page = await face.ask("GET", "/api/v1/history", params={"before": 3, "limit": 1})

    assert [one["revision"] for one in page["revisions"]] == [2]


async def test_explain_says_where_each_part_comes_from(face: Face) -> None:
    await publish(
        face,
        route(),
        document("policy", "cluster", {"virus": "drop"}),
        document("policy", "recipient/x+y@acme.example", {"score.mark": 1}),
        document("list", "white/domain/acme.example/partner.example", {"reason": "a partner"}),
        document("list", "black/domain/other.example/partner.example", {}),
        document("list", "black/cluster/192.0.2.0/24", {}),
    )
    found = await face.ask("GET", "/api/v1/explain", params={"recipient": "X+y@ACME.example"})

    keys = {one["key"]: (one["value"], one["from"]) for one in found["policy"]}
    assert set(keys) == set(POLICY_KEYS)
    assert keys["virus"] == ("drop", "cluster")
    assert keys["score.mark"] == (1, "recipient/x+y@acme.example")
    assert keys["macro"] == ("mark", "default")
    assert found["accepted"]
    assert found["route"]["deliver_to"] == ["mail.acme.example:25"]
    assert found["scopes"][-1] == "recipient/x+y@acme.example"
    assert [one["entry"] for one in found["lists"]] == [
        "black/cluster/192.0.2.0/24",
        "white/domain/acme.example/partner.example",
    ]


async def test_explain_says_what_mail_leaves_by_and_not_what_a_recipient_sets_for_nothing(
    face: Face,
) -> None:
    await publish(
        face,
        route(),
        document("policy", "domain/acme.example", {"tls": "required"}),
        document("policy", "recipient/x@acme.example", {"tls": "verified", "eight_bit": "refuse"}),
    )

    found = await face.ask("GET", "/api/v1/explain", params={"recipient": "x@acme.example"})

    keys = {one["key"]: (one["value"], one["from"]) for one in found["policy"]}
    assert keys["tls"] == ("required", "domain/acme.example")
    assert keys["eight_bit"] == ("send", "default")


async def test_explain_leaves_out_what_has_ended(face: Face) -> None:
    now_us = face.services.clock.now_us()
    await publish(
        face,
        route(),
        document("list", "white/cluster/ended.example", {"until_us": now_us}),
        document("list", "white/cluster/stands.example", {"until_us": now_us + 1}),
        document("list", "white/cluster/removed.example", {}),
    )
    await publish(face, document("list", "white/cluster/removed.example"))

    found = await face.ask("GET", "/api/v1/explain", params={"recipient": "x@acme.example"})

    assert found["lists"] == [
        {"entry": "white/cluster/stands.example", "reason": "", "until_us": now_us + 1}
    ]


@pytest.mark.parametrize("scope", SCOPES[1:])
async def test_a_scope_that_nobody_has_is_published_and_said(face: Face, scope: str) -> None:
    named = {"json": {"values": {"virus": "drop"}}}
    set_ = await face.ask("PATCH", f"/api/v1/policies/{quote(scope)}", **named)
    documents = [{"kind": "policy", "key": scope, "body": {"virus": "mark"}}]
    made = await face.ask("POST", "/api/v1/documents", json={"documents": documents})

    assert (set_["revision"], made["revision"]) == (1, 2)
    for answer in (set_, made):
        (line,) = answer["warnings"]
        assert line.startswith(f"{scope}: ")


async def test_the_history_counts_what_a_revision_changed_altogether(face: Face) -> None:
    await publish(face, route(), document("policy", "cluster", {"virus": "drop"}))

    found = await face.ask("GET", "/api/v1/history", params={"scope": "cluster"})

    (revision,) = found["revisions"]
    assert (len(revision["changes"]), revision["changes_count"]) == (1, 2)


async def test_explain_says_when_a_domain_is_not_ours(face: Face) -> None:
    found = await face.ask("GET", "/api/v1/explain", params={"recipient": "x@nowhere.example"})

    assert (found["accepted"], found["route"]) == (False, None)


@pytest.mark.parametrize(
    "recipient", ["", "acme.example", "@acme.example", "a b@c.example", "a@-", "\0@a.example"]
)
async def test_explain_of_no_address_is_a_problem_and_no_fault(face: Face, recipient: str) -> None:
    await face.refused(400, "GET", "/api/v1/explain", params={"recipient": recipient})


async def test_a_body_that_is_no_such_object_is_a_problem(face: Face) -> None:
    places = (
        ("POST", "/api/v1/documents"),
        ("PATCH", "/api/v1/policies/cluster"),
        ("POST", "/api/v1/rollback"),
    )
    bodies = (b"", b"{", b"[]", b"null", b'"x"', b"[" * 100_000, b"\xff\xfe")
    headers = {"Content-Type": "application/json"}
    for (method, path), body in product(places, bodies):
        answer = await face.client.request(method, path, content=body, headers=headers)
        assert answer.status_code in (400, 422), (path, body[:10])
        assert problem_of(answer)["remedy"]


@pytest.mark.parametrize("entry", ["192.0.2.10:2525", "[2001:db8::10]", "mx.scout.example/mx"])
async def test_no_route_or_order_to_a_node_of_ours_is_published(face: Face, entry: str) -> None:
    await publish(face, route())
    looping = {"kind": "route", "key": "b.example", "body": {**ROUTE, "deliver_to": [entry]}}

    by_route = await face.refused(400, "POST", "/api/v1/documents", json={"documents": [looping]})
    by_order = await face.refused(
        400, "PATCH", "/api/v1/holds/acme.example", json={"deliver_to": [entry]}
    )

    assert by_route["title"].startswith("b.example: deliver_to ")
    assert by_order["title"].startswith("acme.example: deliver_to ")
    assert by_order["title"].endswith(": a loop")
    assert by_order["remedy"] == "write the customer's own mail server"
    assert face.database.preferences.position.revision == 1


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
async def test_documents_are_one_answer_in_however_many_parts_it_is_written(
    face: Face, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("core.web.api.preferences.PART_DOCUMENTS", 2)
    if count:
        await publish(face, *(route(f"d{number}.example") for number in range(count)))

    found = await face.ask("GET", "/api/v1/documents")

    assert [one["key"] for one in found["documents"]] == [f"d{n}.example" for n in range(count)]
    assert found["revision"] == min(count, 1)


async def test_documents_of_several_kinds_are_read_at_one_revision(face: Face) -> None:
    given = [
        {"kind": "engine", "key": "clamav", "body": {}},
        {"kind": "route", "key": "a.example", "body": {"customer": "a", "deliver_to": ["m.a:25"]}},
        {"kind": "policy", "key": "cluster", "body": {"virus": "drop"}},
    ]
    await face.ask("POST", "/api/v1/documents", json={"documents": given})

    read = await face.ask("GET", "/api/v1/documents", params={"kind": ["engine", "route"]})

    assert [one["kind"] for one in read["documents"]] == ["route", "engine"]
    assert (read["revision"], read["epoch"]) == (1, face.database.epoch.identifier)


async def test_a_change_for_another_epoch_is_refused(face: Face) -> None:
    documents = [{"kind": "policy", "key": "cluster", "body": {"virus": "drop"}}]
    change = {"documents": documents, "epoch": "11111111-1111-4111-8111-111111111111"}

    problem = await face.refused(409, "POST", "/api/v1/documents", json=change)

    assert "another epoch" in problem["title"]
    change["epoch"] = face.database.epoch.identifier
    assert (await face.ask("POST", "/api/v1/documents", json=change))["revision"] == 1
