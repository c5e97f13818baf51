"""Definitions over HTTP: what is in use, what an operator puts in, and the way back."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from common.reports import DefinitionsReport, DefinitionsState
from core.definitions.keeper import UNTRIED
from tests.support.clock import FakeClock
from tests.support.core.face import Face
from tests.support.core.rooms import START_US

FIRST = 20260101000000  # the time of the fake clock


async def put_in(face: Face, name: str, content: bytes) -> Any:
    files = {name: base64.b64encode(content).decode()}
    return await face.ask("POST", "/api/v1/definitions/custom", json={"files": files})


async def test_a_core_without_definitions_says_so(face: Face) -> None:
    found = await face.ask("GET", "/api/v1/definitions")

    assert (found["family"], found["current"], found["sites"]) == ("clamav", None, [])
    assert found["problems"] == []
    assert (await face.ask("GET", "/api/v1/definitions/sets"))["sets"] == []
    assert (await face.ask("GET", "/api/v1/status"))["definitions"]["serial"] == 0


async def test_what_an_operator_puts_in_is_in_use_and_listed(face: Face) -> None:
    made = await put_in(face, "own.hdb", b"one")

    assert (made["serial"], made["version"], made["custom"]) == (FIRST, "1 custom", ["own.hdb"])
    (listed,) = (await face.ask("GET", "/api/v1/definitions/sets"))["sets"]
    assert listed == {**made, "in_use": True}
    one = await face.ask("GET", f"/api/v1/definitions/sets/{FIRST}")
    assert [(f["name"], f["size"], f["is_custom"]) for f in one["files"]] == [("own.hdb", 3, True)]
    found = await face.ask("GET", "/api/v1/definitions")
    assert found["current"] == made
    assert found["problems"] == [
        UNTRIED,
        "no satellite can fetch definitions: set definitions.listen in the core's settings",
    ]


async def test_one_goes_back_to_the_set_before(face: Face, fake_clock: FakeClock) -> None:
    first = await put_in(face, "own.hdb", b"one")
    await fake_clock.advance(1.0)
    await put_in(face, "own.hdb", b"two")

    back = await face.ask("POST", "/api/v1/definitions/rollback", json={})

    assert back == first
    found = await face.ask("GET", "/api/v1/definitions")
    assert (found["current"]["serial"], found["is_rollback"]) == (FIRST, True)


async def test_each_site_is_shown_with_what_its_shards_say(face: Face) -> None:
    await put_in(face, "own.hdb", b"one")
    says = DefinitionsReport(
        family="clamav",
        serial=FIRST,
        offered=FIRST,
        state=DefinitionsState.CURRENT,
        version="1.4.6/1",
        made_us=5,
    )
    face.hear("lon1", definitions=(says,))
    await face.ask("POST", "/api/v1/definitions/rollback", json={"serial": FIRST})

    sites = (await face.ask("GET", "/api/v1/definitions"))["sites"]

    assert [(site["site"], site["state"]) for site in sites] == [
        ("london", "done"),
        ("paris", "away"),
    ]
    (node,) = sites[0]["nodes"]
    assert node["live"]
    assert node["shards"] == [
        {
            "serial": FIRST,
            "offered": FIRST,
            "state": "current",
            "detail": "",
            "version": "1.4.6/1",
            "made_us": 5,
        }
    ]
    assert (await face.ask("GET", "/api/v1/status"))["definitions"]["sites"] == {
        "london": "done",
        "paris": "away",
    }
    found = {
        (sample.name, sample.labels.get("node")): sample.value
        for family in text_string_to_metric_families((await face.stranger.get("/metrics")).text)
        for sample in family.samples
    }
    assert found["borderscout_node_definitions_current", "lon1"] == 1
    assert ("borderscout_node_definitions_current", "par1") not in found
    assert found["borderscout_core_definitions_problems", None] == 2
    assert found["borderscout_core_definitions_made_timestamp_seconds", None] == START_US / 1e6


@pytest.mark.parametrize(
    ("status", "method", "path", "body"),
    [
        (404, "GET", "sets/5", None),
        (422, "GET", "sets/0", None),
        (422, "GET", f"sets/{1 << 63}", None),
        (404, "POST", "rollback", {"serial": 5}),
        (404, "POST", "rollback", {}),
        (422, "POST", "rollback", {"serial": 0}),
        (422, "POST", "rollback", {"colour": 1}),
        (400, "POST", "custom", {}),
        (400, "POST", "custom", {"files": {"../x.hdb": "YQ=="}}),
        (400, "POST", "custom", {"files": {"daily.cvd": "YQ=="}}),
        (400, "POST", "custom", {"remove": ["x.hdb"]}),
        (422, "POST", "custom", {"files": {"a.hdb": "!"}}),
        (422, "POST", "custom", {"files": {f"{n}.hdb": "YQ==" for n in range(51)}}),
    ],
)
async def test_what_cannot_be_is_refused_with_a_remedy(
    face: Face, status: int, method: str, path: str, body: dict[str, Any] | None
) -> None:
    await face.refused(status, method, f"/api/v1/definitions/{path}", json=body)

    assert (await face.ask("GET", "/api/v1/definitions/sets"))["sets"] == []


async def test_the_same_once_more_is_a_conflict(face: Face) -> None:
    await put_in(face, "own.hdb", b"one")

    files = {"own.hdb": base64.b64encode(b"one").decode()}
    problem = await face.refused(409, "POST", "/api/v1/definitions/custom", json={"files": files})

    assert problem["title"] == "these files are in use already"


async def test_nobody_without_a_token_changes_anything(face: Face) -> None:
    for path in ("custom", "rollback"):
        answer = await face.stranger.post(f"/api/v1/definitions/{path}", json={})
        assert answer.status_code == 401
