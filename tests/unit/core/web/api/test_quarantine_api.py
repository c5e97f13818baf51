"""The quarantine over HTTP: seen, read as a download, released once, deleted for good."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from core.web.api.quarantine import BLOCK_BYTES
from tests.support.core.face import Face, problem_of
from tests.support.core.rooms import made_id, route

BODY = b"Subject: <script>alert(1)</script>\r\nContent-Type: text/html\r\n\r\n<b>hi</b>\r\n"
ONE = made_id(1)


async def audited(face: Face) -> list[tuple[str, str, str]]:
    entries = (await face.ask("GET", "/api/v1/audit"))["entries"]
    return [(one["who"], one["what"], one["subject"]) for one in entries]


async def test_cases_are_listed_the_newest_first_and_by_page(face: Face) -> None:
    for number in (1, 2, 3):
        await face.hold(made_id(number), BODY, quarantined_us=number * 1_000_000)

    first = (await face.ask("GET", "/api/v1/quarantine", params={"limit": 2}))["cases"]
    assert [case["message_id"] for case in first] == [made_id(3), made_id(2)]
    page = {"before_us": 2_000_000, "before_id": made_id(2)}
    rest = (await face.ask("GET", "/api/v1/quarantine", params=page))["cases"]
    assert [case["message_id"] for case in rest] == [ONE]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"domain": "acme.example"}, [1]),
        ({"recipient": "Y+z/q@other.example"}, [2]),
        ({"customer": "acme"}, [1]),
        ({"state": "held"}, [2, 1]),
        ({"state": "deleted"}, []),
        ({"node": "lon1"}, [2, 1]),
        ({"node": "par1"}, []),
    ],
)
async def test_cases_are_found_by_what_is_known_of_them(
    face: Face, query: dict[str, str], numbers: list[int]
) -> None:
    await face.database.preferences.publish([route()], who="test")
    await face.hold(made_id(1), BODY)
    await face.hold(made_id(2), BODY, recipients=("y+z/q@other.example",))

    found = (await face.ask("GET", "/api/v1/quarantine", params=query))["cases"]

    assert [case["message_id"] for case in found] == [made_id(number) for number in numbers]


async def test_a_case_is_shown_with_its_releases(face: Face) -> None:
    await face.hold(ONE, BODY, sender="", subject="Hello\x1b[2J")

    found = await face.ask("GET", f"/api/v1/quarantine/{ONE}")

    assert found["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert found["state"] == "held"
    assert found["releases"] == []


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
async def test_a_body_is_a_download_that_no_browser_shows(face: Face, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    await face.hold(ONE, body)

    answer = await face.client.get(f"/api/v1/quarantine/{ONE}/body")

    assert answer.content == body
    assert answer.headers["content-length"] == str(size)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f'attachment; filename="{ONE}.eml"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await audited(face))[0] == ("admin", "quarantine.read", ONE)


async def test_a_release_that_is_asked_for_twice_is_one(face: Face) -> None:
    await face.hold(ONE, BODY)

    first = await face.ask("POST", f"/api/v1/quarantine/{ONE}/release", json={})
    second = await face.ask("POST", f"/api/v1/quarantine/{ONE}/release", json={"again": False})

    assert first["id"] == second["id"]
    assert (first["state"], first["requested_by"]) == ("waiting", "admin")
    shown = await face.ask("GET", f"/api/v1/quarantine/{ONE}")
    assert [one["id"] for one in shown["releases"]] == [first["id"]]
    assert shown["state"] == "releasing"
    assert "release" in (await audited(face))[0][1]


async def test_a_release_may_be_of_some_recipients_and_of_nobody_else(face: Face) -> None:
    await face.hold(ONE, BODY, recipients=("a@acme.example", "b@globex.example"))
    path = f"/api/v1/quarantine/{ONE}/release"

    made = await face.ask("POST", path, json={"recipients": ["A@acme.example"]})
    assert made["recipients"] == ["a@acme.example"]

    wrong = await face.refused(404, "POST", path, json={"recipients": ["c@evil.example"]})
    assert "c@evil.example" in wrong["title"]
    await face.refused(422, "POST", path, json={"recipients": [""]})
    await face.refused(422, "POST", path, json={"recipients": ["x@y"] * 1001})


async def test_a_deleted_case_keeps_its_row_and_loses_its_body(face: Face) -> None:
    await face.hold(ONE, BODY)

    gone = await face.ask("DELETE", f"/api/v1/quarantine/{ONE}")

    assert (gone["state"], gone["deleted_by"]) == ("deleted", "admin")
    for method, path in (("GET", "body"), ("POST", "release")):
        more: dict[str, Any] = {"json": {}} if method == "POST" else {}
        problem = await face.refused(409, method, f"/api/v1/quarantine/{ONE}/{path}", **more)
        assert problem["remedy"] == "it is gone"
    assert "delete" in (await audited(face))[0][1]


async def test_a_case_under_release_cannot_be_deleted(face: Face) -> None:
    await face.hold(ONE, BODY)
    await face.ask("POST", f"/api/v1/quarantine/{ONE}/release", json={})

    problem = await face.refused(409, "DELETE", f"/api/v1/quarantine/{ONE}")

    assert "release" in problem["remedy"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_case_is_not_found(face: Face, method: str) -> None:
    await face.refused(404, method, f"/api/v1/quarantine/{ONE}")


@pytest.mark.parametrize("name", ["x", "..%2f..%2fetc%2fpasswd", ONE.lower(), ONE + "0", "%00"])
async def test_what_is_no_id_never_names_a_file(face: Face, name: str) -> None:
    for path in (name, f"{name}/body"):
        answer = await face.client.get(f"/api/v1/quarantine/{path}")
        assert answer.status_code in (404, 422)
        problem_of(answer)


async def test_a_release_with_a_misspelt_key_is_no_release_to_everybody(face: Face) -> None:
    await face.hold(ONE, BODY)
    path = f"/api/v1/quarantine/{ONE}/release"

    problem = await face.refused(422, "POST", path, json={"recipient": ["x@acme.example"]})

    assert "recipient" in str(problem)
    assert not (await face.ask("GET", f"/api/v1/quarantine/{ONE}"))["releases"]
