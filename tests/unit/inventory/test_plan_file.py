"""Is a plan's file the same for the same plan, and is nothing else taken for one?"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from inventory.model import Inventory
from inventory.mx.plan import Entry, MxPlan, make_plan
from inventory.mx.plan_file import NoPlan, parse_plan, plan_lines
from inventory.mx.plan_inputs import inventory_digest

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)


def written(plan: MxPlan) -> str:
    return "".join(plan_lines(plan, {}))


def since_now(entry: Entry) -> Entry:
    return Entry.stated(entry.domain, entry.mx, reason=entry.reason, since=NOW)


def test_a_plan_survives_its_file(example: Inventory) -> None:
    plan = make_plan(example)
    dated = replace(plan, domains=tuple(since_now(one) for one in plan.domains))

    assert parse_plan(written(plan).encode()) == plan
    assert parse_plan(written(dated).encode()) == dated
    assert json.loads(written(dated))["domains"][0]["since"] == "2026-11-30T06:00:00Z"


def test_the_id_is_that_of_the_content_and_not_of_the_reasons(example: Inventory) -> None:
    plan = make_plan(example)

    assert json.loads(written(plan))["id"] == plan.digest
    assert make_plan(example, has_reasons=False).digest == plan.digest
    assert replace(plan, domains=plan.domains[1:]).digest != plan.digest
    assert replace(plan, inputs={}).digest != plan.digest


def test_a_file_that_was_edited_is_not_what_its_id_says(example: Inventory) -> None:
    text = written(make_plan(example)).replace('"preference": 20', '"preference": 25', 1)

    with pytest.raises(NoPlan, match="changed after it was made"):
        parse_plan(text.encode())


def test_a_file_from_before_there_were_ids_is_read(example: Inventory) -> None:
    tree = json.loads(written(make_plan(example)))

    assert len(parse_plan(json.dumps({"domains": tree["domains"]}).encode()).domains) == 5


RECORD = {"preference": 10, "site": "london", "host": "p1-x.mx.example"}
ENTRY = {"domain": "acme.example", "mx": [RECORD], "reason": ""}


@pytest.mark.parametrize(
    ("tree", "what"),
    [
        ([], "no list 'domains'"),
        ({}, "no list 'domains'"),
        ({"schema": 2, "domains": []}, "schema is '2'"),
        ({"domains": [{}]}, "has no domain and mx"),
        ({"domains": [ENTRY, ENTRY]}, "stands twice"),
        ({"domains": [ENTRY | {"domain": "a\x1b[2Jb"}]}, "is no domain"),
        ({"domains": [ENTRY | {"mx": [RECORD] * 17}]}, "no list of at most 16"),
        ({"domains": [ENTRY | {"mx": [1]}]}, "has no preference, site and host"),
        ({"domains": [ENTRY | {"reason": 1}]}, "is no text"),
        ({"domains": [ENTRY | {"since": "yesterday"}]}, "no time in UTC"),
        ({"domains": [ENTRY | {"since": 7}]}, "no time in UTC"),
        ({"domains": [ENTRY | {"mx": [RECORD | {"preference": 65_536}]}]}, "no preference"),
        ({"domains": [ENTRY | {"mx": [RECORD | {"preference": True}]}]}, "no preference"),
        ({"domains": [ENTRY | {"mx": [RECORD | {"site": "../x"}]}]}, "no site"),
        ({"domains": [ENTRY | {"mx": [RECORD | {"host": "a b"}]}]}, "no host"),
        ({"domains": [], "naming": "other"}, "no naming"),
        ({"domains": [], "inputs": {"inventory": "x"}}, "no digests"),
    ],
)
def test_what_is_no_plan_is_refused(tree: Any, what: str) -> None:
    with pytest.raises(NoPlan, match=what):
        parse_plan(json.dumps(tree).encode())


@pytest.mark.parametrize("text", [b"", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(NoPlan):
        parse_plan(text)


def test_the_digest_is_of_what_a_plan_looks_at(example: Inventory) -> None:
    customer = example.customers[0]
    renamed = replace(customer, name="other")
    pinned = replace(customer.domains[0], pinned="london")
    changed = replace(customer, domains=(pinned, *customer.domains[1:]))

    def with_first(one: object) -> Inventory:
        return example.model_copy(update={"customers": (one, *example.customers[1:])})

    assert inventory_digest(with_first(renamed)) == inventory_digest(example)
    assert inventory_digest(with_first(changed)) != inventory_digest(example)
