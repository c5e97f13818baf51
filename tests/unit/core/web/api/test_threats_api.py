"""What is said of threats, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.core.face import Face

PATH = "/api/v1/threats"
PHISH = {"name": "Sane.Phish.*", "action": "spam"}


async def test_what_is_said_of_a_threat_is_added_shown_and_removed(face: Face) -> None:
    made = await face.ask("POST", PATH, json=PHISH | {"reason": "no program"})
    assert (made["key"], made["replaced"]) == ("*/Sane.Phish.*", None)

    (found,) = (await face.ask("GET", PATH))["threats"]
    assert found == PHISH | {
        **{"engine": "*", "score": 10.0, "reason": "no program", "until_us": 0},
        "revision": made["revision"],
    }

    again = await face.ask("POST", PATH, json=PHISH | {"action": "ignore"})
    assert again["replaced"] == found
    gone = await face.ask("DELETE", PATH, params={"name": PHISH["name"]})
    assert gone == {"revision": again["revision"] + 1, "key": made["key"]}
    assert (await face.ask("GET", PATH))["threats"] == []


async def test_what_is_said_of_one_engine_is_another_entry(face: Face) -> None:
    await face.ask("POST", PATH, json=PHISH)
    await face.ask("POST", PATH, json=PHISH | {"engine": "clamav"})

    found = (await face.ask("GET", PATH))["threats"]

    assert [one["engine"] for one in found] == ["*", "clamav"]


async def test_removing_what_nobody_said_is_told(face: Face) -> None:
    problem = await face.refused(404, "DELETE", PATH, params={"name": "Win.Test"})

    assert "*/Win.Test" in problem["title"]
    assert face.database.preferences.position.revision == 0


@pytest.mark.parametrize("wrong", [{"name": "*"}, {"name": "Wïn.Test"}, {"engine": "a/b"}])
async def test_a_name_that_is_none_is_a_problem(face: Face, wrong: dict[str, Any]) -> None:
    problem = await face.refused(400, "POST", PATH, json=PHISH | wrong)

    assert problem["title"]
    assert face.database.preferences.position.revision == 0
