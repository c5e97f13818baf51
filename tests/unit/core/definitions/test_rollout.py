"""One site at a time, and what fails at one reaches no other."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from common.reports import DefinitionsReport, DefinitionsState
from core.definitions.rollout import BEGIN_S, NodeStand, Rollout, RolloutPlan, SiteStand

OLD, NEW = 10, 20
CURRENT, FETCHING, WAITING, LOADING, FAILED = (
    DefinitionsState.CURRENT,
    DefinitionsState.FETCHING,
    DefinitionsState.WAITING,
    DefinitionsState.LOADING,
    DefinitionsState.FAILED,
)

Stand = tuple[int, int, DefinitionsState]  # serial in use, offered, state
DONE: Stand = (NEW, NEW, CURRENT)
BEFORE: Stand = (OLD, OLD, CURRENT)
READY: Stand = (OLD, NEW, WAITING)
BROKEN: Stand = (OLD, NEW, FAILED)


class Cluster:
    """Sites with one node each, named as they are, and the roll-out that looks at them."""

    def __init__(self, *sites: str, turn_s: float = 600.0, away_s: float = 60.0) -> None:
        self.rollout = Rollout(turn_s=turn_s, away_s=away_s)
        self.now_s = 1000.0
        self.says: dict[str, list[Stand]] = {site: [BEFORE] for site in sites}
        self.away: set[str] = set()

    def look(
        self,
        *,
        after_s: float = 1.0,
        serial: int = NEW,
        highest: int = NEW,
        is_rollback: bool = False,
        **says: Stand,
    ) -> RolloutPlan:
        """Let the sites say something, and return the plan."""
        self.now_s += after_s
        for site, stand in says.items():
            self.says[site] = [stand]
        nodes = [
            NodeStand(
                node=f"{site}1",
                site=site,
                is_live=site not in self.away,
                reports=tuple(map(report, stands)),
            )
            for site, stands in self.says.items()
        ]
        return self.rollout.plan(
            nodes, serial=serial, highest=highest, is_rollback=is_rollback, now_s=self.now_s
        )


def ready(*sites: str, turn_s: float = 600.0, away_s: float = 60.0) -> Cluster:
    """Return a cluster of which each site has fetched the set."""
    made = Cluster(*sites, turn_s=turn_s, away_s=away_s)
    made.says = {site: [READY] for site in sites}
    return made


def report(stand: Stand) -> DefinitionsReport:
    serial, offered, state = stand
    detail = "clamd was killed" if state is FAILED else ""
    return DefinitionsReport(
        family="clamav", serial=serial, offered=offered, state=state, detail=detail
    )


def stands(plan: RolloutPlan) -> Mapping[str, str]:
    return {site: stand.value for site, stand in plan.sites.items()}


def may_load(plan: RolloutPlan) -> list[str]:
    return [node for node, may in plan.offered.items() if may]


def test_all_fetch_and_one_site_after_the_other_may_load() -> None:
    cluster = Cluster("london", "paris", "rome")

    plan = cluster.look()
    assert stands(plan) == {"london": "fetching", "paris": "fetching", "rome": "fetching"}
    assert plan.offered == {"london1": False, "paris1": False, "rome1": False}

    plan = cluster.look(london=READY, paris=READY)
    assert stands(plan) == {"london": "loading", "paris": "waiting", "rome": "fetching"}
    plan = cluster.look(london=(OLD, NEW, LOADING), rome=READY)
    assert may_load(plan) == ["london1"]

    plan = cluster.look(london=DONE)
    assert stands(plan) == {"london": "done", "paris": "loading", "rome": "waiting"}
    assert may_load(plan) == ["london1", "paris1"]

    cluster.look(paris=DONE)
    plan = cluster.look(rome=DONE)
    assert set(plan.sites.values()) == {SiteStand.DONE}
    assert plan.problems == ()


def test_who_has_fetched_it_waits_for_nobody_who_has_not() -> None:
    cluster = Cluster("london", "paris", "rome")

    assert may_load(cluster.look(london=(OLD, NEW, FETCHING), rome=READY)) == ["rome1"]
    assert may_load(cluster.look(rome=DONE, london=READY)) == ["london1", "rome1"]


def test_a_site_is_done_once_every_shard_of_it_is() -> None:
    cluster = ready("london", "paris")
    cluster.look()
    cluster.says["london"] = [DONE, READY]

    assert may_load(cluster.look()) == ["london1"]


def test_a_site_has_its_turn_once_every_node_has_fetched_it() -> None:
    cluster = Cluster("london")
    cluster.says["london"] = [READY, BEFORE]

    assert may_load(cluster.look()) == []


def test_a_failure_stops_the_rollout_and_says_where_and_why() -> None:
    cluster = ready("london", "paris")
    cluster.look()

    plan = cluster.look(london=BROKEN)

    assert stands(plan) == {"london": "failed", "paris": "waiting"}
    assert may_load(plan) == []
    (problem,) = plan.problems
    assert "stopped: london could not use them (london1: clamd was killed)" in problem
    assert may_load(cluster.look(after_s=86_400.0)) == []


def test_a_later_set_begins_anew_after_a_failure() -> None:
    cluster = ready("london", "paris")
    cluster.look(london=BROKEN)

    plan = cluster.look(serial=30, highest=30, london=(OLD, 30, WAITING))

    assert may_load(plan) == ["london1"]
    assert plan.problems == ()


def test_a_failure_of_an_earlier_offer_stops_nothing() -> None:
    cluster = ready("london", "paris")

    assert may_load(cluster.look(london=(OLD, 15, FAILED))) == ["paris1"]


def test_a_site_that_does_not_come_to_an_end_stops_the_rollout() -> None:
    cluster = ready("london", "paris", turn_s=600.0)
    cluster.look()
    assert may_load(cluster.look(after_s=599.0, london=(OLD, NEW, LOADING))) == ["london1"]

    plan = cluster.look(after_s=1.0)

    assert may_load(plan) == []
    (problem,) = plan.problems
    assert "london began to load them in its turn and had not come to an end after 600" in problem
    assert cluster.look(london=DONE).problems == ()  # late, but it came
    assert may_load(cluster.look()) == ["london1", "paris1"]


def test_a_site_that_cannot_begin_is_passed_over_and_has_its_turn_again() -> None:
    cluster = ready("london", "paris")
    cluster.look()
    assert may_load(cluster.look(after_s=BEGIN_S - 1.0)) == ["london1"]

    plan = cluster.look(after_s=1.0)

    assert may_load(plan) == ["paris1"]
    (problem,) = plan.problems
    assert problem.startswith("london cannot begin to load new definitions (london1: waiting);")
    assert may_load(cluster.look(paris=DONE)) == ["london1", "paris1"]
    assert cluster.look(london=DONE).problems == ()


def test_a_site_that_is_away_is_passed_over_and_has_its_turn_when_it_is_back() -> None:
    cluster = ready("london", "paris")
    cluster.away.add("london")

    plan = cluster.look()
    assert stands(plan) == {"london": "away", "paris": "loading"}

    cluster.away.clear()
    assert may_load(cluster.look()) == ["paris1"]
    assert may_load(cluster.look(paris=DONE)) == ["london1", "paris1"]


def test_a_site_that_is_cut_off_while_it_loads_is_waited_for_a_while() -> None:
    cluster = ready("london", "paris", away_s=60.0)
    cluster.look()
    cluster.look(london=(OLD, NEW, LOADING))
    cluster.away.add("london")

    assert may_load(cluster.look(after_s=59.0)) == ["london1"]
    assert may_load(cluster.look(after_s=1.0)) == ["paris1"]


def test_what_a_node_said_before_it_fell_silent_stops_nothing() -> None:
    cluster = ready("london", "paris")
    cluster.look(london=BROKEN)
    cluster.away.add("london")

    assert may_load(cluster.look()) == ["paris1"]


def test_a_site_that_loads_no_such_definitions_is_passed_over() -> None:
    cluster = ready("london", "paris")
    cluster.says["london"] = []

    plan = cluster.look()

    assert stands(plan) == {"london": "unused", "paris": "loading"}
    assert plan.offered == {"london1": False, "paris1": True}


def test_a_core_that_was_restarted_in_the_middle_goes_on() -> None:
    cluster = ready("rome", "london", "paris")
    cluster.look(london=DONE, paris=(OLD, NEW, LOADING))

    cluster.rollout = Rollout(turn_s=600.0, away_s=60.0)

    assert may_load(cluster.look()) == ["london1", "paris1"]


def test_going_back_is_for_all_sites_at_once() -> None:
    cluster = Cluster("london", "paris")
    cluster.look(london=DONE, paris=DONE)

    plan = cluster.look(serial=OLD, is_rollback=True)

    assert stands(plan) == {"london": "loading", "paris": "loading"}
    assert may_load(plan) == ["london1", "paris1"]


def test_one_goes_on_in_spite_of_a_failure_by_going_to_the_very_set() -> None:
    cluster = ready("london", "paris")
    cluster.look(london=BROKEN)

    assert may_load(cluster.look(is_rollback=True)) == ["london1", "paris1"]


def test_a_core_restored_from_yesterday_takes_nothing_back_silently() -> None:
    cluster = ready("london", "paris")
    cluster.says["london"] = [(30, 30, CURRENT)]

    plan = cluster.look(serial=NEW, highest=NEW)

    assert stands(plan) == {"london": "ahead", "paris": "loading"}
    assert "london1" not in plan.offered
    (problem,) = plan.problems
    assert problem.startswith("london uses definitions 30, which this core does not know")

    plan = cluster.look(serial=NEW, highest=30, is_rollback=True)  # somebody said so
    assert "london1" in may_load(plan)


@pytest.mark.parametrize("state", [FETCHING, WAITING, LOADING, DefinitionsState.OTHER, FAILED])
def test_nothing_but_current_is_done(state: DefinitionsState) -> None:
    cluster = ready("london", "paris")
    cluster.look()

    assert "paris1" not in may_load(cluster.look(london=(NEW, NEW, state)))
