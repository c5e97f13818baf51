"""Weights of tests, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.core.face import Face

PATH = "/api/v1/weights"
WEIGHT = {"scope": "domain/acme.example", "test": "RULE_LOTTERY"}


async def test_a_weight_is_given_shown_replaced_and_removed(face: Face) -> None:
    made = await face.ask("PUT", PATH, json=WEIGHT | {"score": 1.5, "reason": "a lottery"})
    assert (made["key"], made["replaced"]) == ("domain/acme.example/RULE_LOTTERY", None)

    (found,) = (await face.ask("GET", PATH))["weights"]
    assert found == WEIGHT | {
        **{"score": 1.5, "factor": None, "reason": "a lottery"},
        "revision": made["revision"],
    }

    again = await face.ask("PUT", PATH, json=WEIGHT | {"factor": 0.5})
    assert again["replaced"] == found
    gone = await face.ask("DELETE", PATH, params=WEIGHT)
    assert gone == {"revision": again["revision"] + 1, "key": made["key"]}
    assert (await face.ask("GET", PATH))["weights"] == []


async def test_removing_a_weight_that_is_not_there_is_told(face: Face) -> None:
    problem = await face.refused(404, "DELETE", PATH, params=WEIGHT)

    assert "domain/acme.example/RULE_LOTTERY" in problem["title"]
    assert face.database.preferences.position.revision == 0


@pytest.mark.parametrize(
    "wrong", [{"test": "a b"}, {"test": "R*"}, {"scope": "acme"}, {"factor": 2}, {"score": 1e6}]
)
async def test_a_weight_that_is_none_is_a_problem(face: Face, wrong: dict[str, Any]) -> None:
    problem = await face.refused(400, "PUT", PATH, json=WEIGHT | {"score": 1} | wrong)

    assert problem["title"]
    assert face.database.preferences.position.revision == 0
