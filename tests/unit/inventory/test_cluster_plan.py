"""A plan has all that would change at the core, and is known again by its id."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from common.preferences import Document, Kind
from inventory.cluster_plan import ClusterPlan, PlanMaker, plan_json, why_stale
from tests.support.core.preferences import document, route

CLAMAV = document(Kind.ENGINE, "clamav", required=True)


def planned(
    wanted: Iterable[Document],
    core: Iterable[Document] = (),
    *,
    keeps_others: bool = False,
    epoch: str = "e",
    revision: int = 7,
) -> ClusterPlan:
    maker = PlanMaker(wanted, keeps_others=keeps_others)
    for one in core:
        maker.take(Kind(one.kind), one.key, one.body)
    return maker.plan(epoch=epoch, revision=revision)


def said(plan: ClusterPlan) -> list[str]:
    return [f"{one.action} {one.kind} {one.key}" for one in plan.changes]


def test_what_the_core_has_already_is_no_change() -> None:
    same = [route("a.example"), CLAMAV]

    assert planned(same, same).changes == ()


def test_what_differs_is_changed_what_is_new_added_and_what_is_gone_removed() -> None:
    core = [route("gone.example"), route("b.example", hold_days=3), CLAMAV]

    plan = planned([CLAMAV, route("b.example"), route("a.example")], core)

    assert said(plan) == [
        "add route a.example",
        "change route b.example",
        "remove route gone.example",
    ]
    assert [one.document() for one in plan.changes][1]["body"]["deliver_to"]
    assert plan.changes[2].document() == {"kind": "route", "key": "gone.example", "removed": True}


def test_what_the_inventory_does_not_have_may_be_left() -> None:
    core = [route("typed.example"), CLAMAV]

    assert said(planned([route()], core, keeps_others=True)) == ["add route acme.example"]


@pytest.mark.parametrize(("gone", "are_many"), [(3, False), (4, True), (10, True)])
def test_a_plan_that_takes_many_routes_away_says_so(gone: int, are_many: bool) -> None:
    core = [route(f"d{number}.example") for number in range(10)]

    assert planned(core[gone:], core).removes_many_routes is are_many


@pytest.mark.parametrize(
    ("routes", "gone", "are_many"),
    [(1, 1, False), (2, 1, False), (5, 3, False), (5, 4, True), (3, 3, True), (2, 2, True)],
)
def test_a_small_inventory_may_lose_some_routes_and_not_all(
    routes: int, gone: int, are_many: bool
) -> None:
    core = [route(f"d{number}.example") for number in range(routes)]

    assert planned(core[gone:], core).removes_many_routes is are_many


def test_the_first_plan_of_an_empty_core_takes_nothing_away() -> None:
    assert not planned([route()]).removes_many_routes


def test_a_plan_is_the_same_while_nothing_of_the_inventorys_kinds_changed() -> None:
    saved = plan_json(planned([route()], [CLAMAV]))

    assert why_stale(saved, planned([route()], [CLAMAV], revision=9)) == []


def test_a_plan_that_was_carried_out_is_not_stale() -> None:
    saved = plan_json(planned([route()], [CLAMAV]))

    assert why_stale(saved, planned([route()], [route()])) == []


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (planned([route()], [CLAMAV], epoch="f"), "the core was restored"),
        (planned([route()], [CLAMAV, route("b.example")]), "the core's documents of the kinds"),
        (planned([route(hold_days=3)], [CLAMAV]), "the inventory says something else"),
        (planned([route()], [CLAMAV], keeps_others=True), "it was made with other options"),
    ],
)
def test_a_stale_plan_says_what_has_changed(now: ClusterPlan, why: str) -> None:
    saved = plan_json(planned([route()], [CLAMAV]))

    (line,) = why_stale(saved, now)

    assert line.startswith(why)


def test_a_plan_that_is_written_down_holds_no_body() -> None:
    plan = planned([document(Kind.FILTER, "x", kind="x", options={"key": "hunter2"})])

    assert "hunter2" not in str(plan_json(plan))
