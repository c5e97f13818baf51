"""List entries over HTTP, for every kind of pattern and scope."""

from __future__ import annotations

from typing import Any

import pytest

from core.web.api import lists
from tests.support.core.face import Face

PATTERNS = {
    "Partner.example": "partner.example",
    ".partner.example": ".partner.example",
    "A.B+c/d@Partner.example": "a.b+c/d@partner.example",
    "192.0.2.7": "192.0.2.7/32",
    "192.0.2.7/24": "192.0.2.0/24",
    "2001:db8::/32": "2001:db8::/32",
    "bücher.example": "xn--bcher-kva.example",
    r"header:List-ID:<Junk\.[a-z]+/@>": r"header:list-id:<Junk\.[a-z]+/@>",
}
SCOPES = ("cluster", "customer/acme", "domain/acme.example", "recipient/x+y/z@acme.example")


@pytest.mark.parametrize("scope", SCOPES)
async def test_an_entry_of_every_kind_is_added_shown_and_removed(face: Face, scope: str) -> None:
    for colour, other in (("black", "white"), ("white", "black")):
        for pattern, canonical in PATTERNS.items():
            path = f"/api/v1/lists/{colour}"
            entry = {"scope": scope, "pattern": pattern, "reason": "why", "until_us": 1}
            made = await face.ask("POST", path, json=entry)
            assert made["key"] == f"{colour}/{scope}/{canonical}"

            (found,) = (await face.ask("GET", path, params={"scope": scope}))["entries"]
            assert found == {
                "colour": colour,
                "scope": scope,
                "pattern": canonical,
                "reason": "why",
                "until_us": 1,
                "by": "admin",
                "added_us": face.services.clock.now_us(),
                "revision": made["revision"],
            }
            assert (await face.ask("GET", f"/api/v1/lists/{other}"))["entries"] == []

            query = {"scope": scope, "pattern": pattern}
            gone = await face.ask("DELETE", path, params=query)
            assert gone == {"revision": made["revision"] + 1, "key": made["key"]}
            assert (await face.ask("GET", path))["entries"] == []


async def test_adding_again_replaces_the_reason_and_says_what_stood(face: Face) -> None:
    entry = {"scope": "cluster", "pattern": "a.example", "reason": "first", "until_us": 5}
    first = await face.ask("POST", "/api/v1/lists/black", json=entry)
    again = await face.ask(
        "POST", "/api/v1/lists/black", json={**entry, "reason": "second", "pattern": "A.example"}
    )

    assert first["replaced"] is None
    added = {"by": "admin", "added_us": face.services.clock.now_us()}
    assert again["replaced"] == entry | {"colour": "black", "revision": 1} | added
    (found,) = (await face.ask("GET", "/api/v1/lists/black"))["entries"]
    assert found["reason"] == "second"


async def test_entries_of_other_scopes_are_left_out(face: Face) -> None:
    for scope in ("cluster", "domain/acme.example"):
        entry = {"scope": scope, "pattern": "a.example"}
        await face.ask("POST", "/api/v1/lists/black", json=entry)

    found = await face.ask("GET", "/api/v1/lists/black", params={"scope": "domain/ACME.example"})

    assert [one["scope"] for one in found["entries"]] == ["domain/acme.example"]


async def test_removing_what_is_not_there_says_so(face: Face) -> None:
    query = {"scope": "cluster", "pattern": "a.example"}
    problem = await face.refused(404, "DELETE", "/api/v1/lists/black", params=query)

    assert "black/cluster/a.example" in problem["title"]
    assert face.database.preferences.position.revision == 0


@pytest.mark.parametrize("pattern", ["", "-", "a b", "@a.example", "..a.example", "a.example/24",
    "header:", "header:a", "header:a:", "header:a b:c", "header::c", "header:a:(", "header:a:\x01",
    "header:a:" + "b" * 201,
])  # fmt: skip
async def test_a_pattern_that_is_none_is_a_problem(face: Face, pattern: str) -> None:
    entry = {"scope": "cluster", "pattern": pattern}
    problem = await face.refused(400, "POST", "/api/v1/lists/black", json=entry)

    assert "network" in problem["remedy"]


async def test_a_scope_that_is_none_is_told_as_such(face: Face) -> None:
    entry = {"scope": "nowhere", "pattern": "a.example"}
    problem = await face.refused(400, "POST", "/api/v1/lists/black", json=entry)

    assert "no scope" in problem["title"]


async def test_an_entry_of_a_scope_that_nobody_has_is_added_and_said(face: Face) -> None:
    entry = {"scope": "domain/nowhere.example", "pattern": "a.example"}
    made = await face.ask("POST", "/api/v1/lists/black", json=entry)

    assert made["revision"] == 1
    (line,) = made["warnings"]
    assert line.startswith("domain/nowhere.example: we take no mail for nowhere.example; ")


async def test_there_are_two_colours(face: Face) -> None:
    await face.refused(422, "GET", "/api/v1/lists/grey")


async def test_a_header_pattern_that_cannot_be_compiled_is_told_with_what_may_stand_there(
    face: Face,
) -> None:
    entry = {"scope": "cluster", "pattern": "header:subject:(a"}
    problem = await face.refused(400, "POST", "/api/v1/lists/black", json=entry)

    assert "missing )" in problem["title"]
    assert "header:NAME:EXPRESSION" in problem["remedy"]


async def test_an_entry_that_stands_so_already_is_no_revision(face: Face) -> None:
    entry = {"scope": "cluster", "pattern": "a.example", "reason": "why"}
    first = await face.ask("POST", "/api/v1/lists/black", json=entry)
    again = await face.ask("POST", "/api/v1/lists/black", json=entry)

    assert first["revision"] == again["revision"] == 1
    assert again["replaced"]["reason"] == "why"


def many(count: int, **more: Any) -> dict[str, Any]:
    entries = [
        {"colour": "white", "scope": "cluster", "pattern": f"p{n:03}.example"} | more
        for n in range(count)
    ]
    return {"entries": entries, "comment": "an import"}


async def test_many_entries_are_one_revision(face: Face) -> None:
    made = await face.ask("POST", "/api/v1/lists", json=many(100))
    again = await face.ask("POST", "/api/v1/lists", json=many(101))
    other = await face.ask("POST", "/api/v1/lists", json=many(3, reason="now said why"))

    counts = ("revision", "added", "replaced", "unchanged")
    assert [made[name] for name in counts] == [1, 100, 0, 0]
    assert [again[name] for name in counts] == [2, 1, 0, 100]
    assert [other[name] for name in counts] == [3, 0, 3, 0]
    (newest, *_) = (await face.ask("GET", "/api/v1/history"))["revisions"]
    assert (newest["who"], newest["comment"]) == ("admin", "an import")


async def test_of_two_entries_for_the_same_the_last_one_counts(face: Face) -> None:
    change = {"entries": many(1, reason="a")["entries"] + many(1, reason="b")["entries"]}
    made = await face.ask("POST", "/api/v1/lists", json=change)

    assert made["added"] == 1
    (found,) = (await face.ask("GET", "/api/v1/lists/white"))["entries"]
    assert found["reason"] == "b"


@pytest.mark.parametrize("wrong", [{"pattern": "a b"}, {"scope": "nowhere"}])
async def test_one_wrong_entry_refuses_all_and_is_named(face: Face, wrong: dict[str, str]) -> None:
    change = {"entries": many(2)["entries"] + many(1, **wrong)["entries"]}
    problem = await face.refused(400, "POST", "/api/v1/lists", json=change)

    assert problem["title"].startswith("entry 3: ")
    assert face.database.preferences.position.revision == 0


async def test_more_entries_than_one_change_may_have_are_refused(face: Face) -> None:
    await face.refused(422, "POST", "/api/v1/lists", json=many(lists.ENTRIES_MAX + 1))


async def test_header_patterns_are_so_many_and_no_more(face: Face) -> None:
    change = {"entries": [
        {"colour": "black", "scope": "cluster", "pattern": f"header:subject:a{n}"}
        for n in range(21)
    ]}  # fmt: skip
    problem = await face.refused(400, "POST", "/api/v1/lists", json=change)

    assert "more than 20 header patterns" in problem["title"]
    assert face.database.preferences.position.revision == 0


async def test_the_entries_come_a_page_after_the_other(face: Face) -> None:
    await face.ask("POST", "/api/v1/lists", json=many(25))
    await face.ask("POST", "/api/v1/lists", json=many(5, scope="domain/acme.example"))

    found: list[str] = []
    after = None
    for rest in (15, 5, None):
        query = {"limit": 10, "scope": "cluster"} | ({"after": after} if after else {})
        page = await face.ask("GET", "/api/v1/lists/white", params=query)
        found += [one["pattern"] for one in page["entries"]]
        after = page["next"]
        assert (after is None) == (rest is None)

    assert found == [f"p{n:03}.example" for n in range(25)]


async def test_a_text_is_found_in_patterns_and_reasons(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "SEEN_MAX", 10)
    await face.ask("POST", "/api/v1/lists", json=many(25))
    await face.ask("POST", "/api/v1/lists", json=many(1, pattern="z.example", reason="P007 too"))

    found: list[str] = []
    query: dict[str, Any] = {"contains": "p007"}
    while True:
        page = await face.ask("GET", "/api/v1/lists/white", params=query)
        found += [one["pattern"] for one in page["entries"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]

    assert found == ["p007.example", "z.example"]


async def test_it_is_explained_which_entry_decides(face: Face) -> None:
    for colour, scope, pattern in (
        ("white", "cluster", "s.example"),
        ("black", "recipient/x@acme.example", ".s.example"),
        ("white", "cluster", "192.0.2.0/24"),
        ("black", "cluster", "other.example"),
    ):
        body = {"scope": scope, "pattern": pattern}
        await face.ask("POST", f"/api/v1/lists/{colour}", json=body)

    query = {"recipient": "X@acme.example", "sender": "a@s.example", "client": "::ffff:192.0.2.7"}
    path = "/api/v1/lists/explain"
    found = await face.ask("GET", path, params=query)
    nobody = await face.ask("GET", path, params={"recipient": "x@acme.example"})

    assert [(one["colour"], one["pattern"], one["needs_proof"]) for one in found["entries"]] == [
        ("black", ".s.example", False),
        ("white", "s.example", True),
        ("white", "192.0.2.0/24", False),
    ]
    assert (found["proof"], found["client"]) == ("required", "192.0.2.7")
    assert nobody["entries"] == []
    for wrong in ({"recipient": "x"}, {"sender": "x"}, {"client": "x"}):
        await face.refused(400, "GET", path, params=query | wrong)


async def test_where_the_envelope_is_trusted_no_entry_needs_a_proof(face: Face) -> None:
    await face.ask("POST", "/api/v1/lists", json=many(1))
    policy = {"values": {"whitelist.proof": "envelope"}}
    await face.ask("PATCH", "/api/v1/policies/cluster", json=policy)

    query = {"recipient": "x@acme.example", "sender": "a@p000.example"}
    found = await face.ask("GET", "/api/v1/lists/explain", params=query)

    assert [one["needs_proof"] for one in found["entries"]] == [False]
