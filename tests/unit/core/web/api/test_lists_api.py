"""List entries over HTTP, for every kind of pattern and scope."""

from __future__ import annotations

import pytest

from tests.support.core.face import Face

PATTERNS = {
    "Partner.example": "partner.example",
    ".partner.example": ".partner.example",
    "A.B+c/d@Partner.example": "a.b+c/d@partner.example",
    "192.0.2.7": "192.0.2.7/32",
    "192.0.2.7/24": "192.0.2.0/24",
    "2001:db8::/32": "2001:db8::/32",
    "bücher.example": "xn--bcher-kva.example",
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
    assert again["replaced"] == entry | {"colour": "black", "revision": 1}
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


@pytest.mark.parametrize("pattern", ["", "-", "a b", "@a.example", "..a.example", "a.example/24"])
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
