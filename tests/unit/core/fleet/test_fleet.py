"""The fleet tells the lowest, the largest, and that it does not know."""

from __future__ import annotations

from common.identity import ShardIdentity
from common.ids import ulid
from common.preferences import Epoch, Position
from common.reports import EngineReport, NodeReport, PreferenceProblem
from core.feed.session import PreferenceStanding
from core.fleet.fleet import NOTICED_S, SILENT_S, WARNED_S, Fleet, NodeStatus, SatelliteState

EPOCH = Epoch(1, "11111111-1111-4111-8111-111111111111")
OTHER = Epoch(2, "22222222-2222-4222-8222-222222222222")
PROBLEM = PreferenceProblem(revision=6, kind="rule", key="r", reason="bad")


def at(revision: int, epoch: Epoch = EPOCH) -> Position:
    return Position(epoch, revision)


def shard(number: int = 0, life: int = 1) -> ShardIdentity:
    return ShardIdentity("lon1", number, ulid(now_us=life * 1000, randomness=bytes(10)))


def fleet_at(revision: int = 5) -> Fleet:
    fleet = Fleet([("lon1", "london"), ("fra1", "frankfurt")])
    fleet.moved(at(revision))
    return fleet


def greet(fleet: Fleet, who: ShardIdentity, *, shards: int = 1, version: str = "1") -> None:
    fleet.greeted(who, shards=shards, version=version, now_s=0.0)


def report(fleet: Fleet, who: ShardIdentity, revision: int, now_s: float = 0.0) -> None:
    told = NodeReport(applied=at(revision), accepting=True, time_us=1_000, spool={"held": 2})
    fleet.reported(who, told, now_s=now_s, now_us=400)


def node(fleet: Fleet, now_s: float = 1.0) -> NodeStatus:
    return fleet.node("lon1", now_s=now_s)


def test_a_node_that_never_came_is_silent_and_its_lag_is_unknown() -> None:
    status = node(fleet_at())

    assert (status.state, status.lag, status.applied) == (SatelliteState.SILENT, None, None)
    assert status.heard_s_ago is None
    assert not status.accepting


def test_a_core_that_began_anew_knows_when_each_shard_was_last_heard() -> None:
    fleet = fleet_at()
    fleet.remember(("lon1", 0), heard_s=-10_800.0, shards=2)
    fleet.remember(("lon1", 1), heard_s=-7_200.0, shards=2)

    silent = node(fleet, now_s=1.0)
    greet(fleet, shard(0), shards=2)
    half = node(fleet, now_s=1.0)
    greet(fleet, shard(1), shards=2)

    assert (silent.state, silent.heard_s_ago) == (SatelliteState.SILENT, 10_801.0)
    assert (half.state, half.heard_s_ago) == (SatelliteState.SILENT, 7_201.0)
    assert node(fleet, now_s=1.0).heard_s_ago == 1.0


def test_what_is_remembered_of_one_shard_tells_nothing_of_one_that_never_came() -> None:
    fleet = fleet_at()
    fleet.remember(("lon1", 0), heard_s=-10.0, shards=2)

    assert node(fleet).heard_s_ago is None


def test_every_node_of_the_settings_is_shown_in_their_order() -> None:
    assert [status.node for status in fleet_at().nodes(now_s=0.0)] == ["lon1", "fra1"]


def test_a_shard_that_has_all_is_live() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())
    report(fleet, shard(), 5)

    status = node(fleet)

    assert (status.state, status.lag, status.applied) == (SatelliteState.LIVE, 0, at(5))
    assert status.skew_us == 600


def test_a_new_revision_makes_all_catch_up() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())
    report(fleet, shard(), 5)

    fleet.moved(at(8))

    assert (node(fleet).state, node(fleet).lag) == (SatelliteState.CATCHING_UP, 3)


def test_a_node_is_as_far_as_its_slowest_shard() -> None:
    fleet = fleet_at(5)
    for number, revision in ((0, 5), (1, 2)):
        greet(fleet, shard(number), shards=2)
        report(fleet, shard(number), revision)

    status = node(fleet)

    assert (status.applied, status.lag) == (at(2), 3)
    assert status.spool == {"held": 4}


def test_a_node_with_a_shard_that_never_came_is_not_known_to_have_anything() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard(0), shards=2)
    report(fleet, shard(0), 5)

    status = node(fleet)

    assert (status.state, status.applied, status.lag) == (SatelliteState.SILENT, None, None)


def test_a_shard_that_is_not_heard_is_silent_and_its_lag_unknown() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())
    report(fleet, shard(), 5, now_s=1.0)

    status = node(fleet, now_s=1.0 + SILENT_S + 0.1)

    assert (status.state, status.lag) == (SatelliteState.SILENT, None)
    assert status.applied == at(5)  # the last that is known of it


def test_a_shard_of_another_epoch_lags_by_an_unknown_number() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())
    report(fleet, shard(), 5)

    fleet.moved(at(5, OTHER))

    assert (node(fleet).state, node(fleet).lag) == (SatelliteState.CATCHING_UP, None)


def test_a_shard_beyond_the_number_that_its_node_has_counts_only_while_it_speaks() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard(1), shards=2)
    report(fleet, shard(1), 2)
    fleet.greeted(shard(0), shards=1, version="1", now_s=5.0)
    report(fleet, shard(0), 5, now_s=5.0)

    assert node(fleet, now_s=6.0).lag == 3
    assert node(fleet, now_s=SILENT_S + 2.0).lag == 0


def test_an_earlier_life_of_a_shard_says_nothing_any_more() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard(life=2))
    greet(fleet, shard(life=1))  # the later one, whatever their names say
    report(fleet, shard(life=1), 5)

    report(fleet, shard(life=2), 1)
    fleet.left(shard(life=2))

    assert node(fleet).applied == at(5)
    assert fleet.connected() == [("lon1", 0)]


def test_a_spool_that_is_not_heard_is_shown_for_as_long_as_it_tries() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())

    fleet.warned(shard(life=7), "a copy is not heard", now_s=0.0)

    assert fleet.node("lon1", now_s=WARNED_S).problems == ("a copy is not heard",)
    assert fleet.node("lon1", now_s=WARNED_S + 1).problems == ()


def test_a_refusal_is_shown_with_what_was_refused() -> None:
    fleet = fleet_at(6)
    greet(fleet, shard())

    fleet.stood(shard(), PreferenceStanding(at(5), PROBLEM, at(6), at(5)), now_s=0.0)

    assert node(fleet).refused == PROBLEM
    assert node(fleet).state is SatelliteState.REFUSING
    assert (node(fleet).lag, node(fleet).agreed) == (1, at(5))


def test_a_node_that_refuses_this_core_has_nothing_of_it_and_its_lag_is_unknown() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())
    fleet.stood(shard(), PreferenceStanding(at(5), None, None, at(5)), now_s=0.0)
    told = NodeReport(applied=at(5), accepting=True, core_refused="it lost changes")

    fleet.reported(shard(), told, now_s=0.0, now_us=0)

    status = node(fleet)
    assert (status.state, status.lag, status.agreed) == (SatelliteState.REFUSING, None, None)
    assert status.core_refused == "it lost changes"

    fleet.reported(shard(), NodeReport(applied=at(5), accepting=True), now_s=1.0, now_us=0)
    assert (node(fleet).state, node(fleet).lag) == (SatelliteState.LIVE, 0)
    assert node(fleet).core_refused == "", "what is over is not said any more"


def test_a_node_that_is_ahead_of_us_in_our_own_epoch_is_not_up_to_date() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())

    report(fleet, shard(), 9)

    assert (node(fleet).state, node(fleet).lag) == (SatelliteState.CATCHING_UP, None)


def test_another_set_at_the_same_revision_is_not_ours() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())

    fleet.stood(shard(), PreferenceStanding(at(5), None, None, agreed=None), now_s=0.0)

    assert (node(fleet).lag, node(fleet).agreed) == (None, None)


def test_a_refusal_is_over_once_a_later_revision_is_applied_whatever_the_last_report_said() -> None:
    fleet = fleet_at(7)
    greet(fleet, shard())
    told = NodeReport(applied=at(5), refused=PROBLEM, accepting=True)
    fleet.reported(shard(), told, now_s=0.0, now_us=0)
    before = node(fleet).refused

    fleet.stood(shard(), PreferenceStanding(at(7), None, None, at(7)), now_s=1.0)

    assert (before, node(fleet).refused) == (PROBLEM, None)


def test_a_report_that_was_overtaken_by_the_other_stream_takes_nothing_back() -> None:
    fleet = fleet_at(7)
    greet(fleet, shard())
    fleet.stood(shard(), PreferenceStanding(at(7), None, None, at(7)), now_s=0.0)

    report(fleet, shard(), 5)

    assert (node(fleet).applied, node(fleet).lag) == (at(7), 0)


def test_another_program_gets_a_refused_revision_again() -> None:
    fleet = fleet_at(6)
    greet(fleet, shard(), version="1")
    fleet.stood(shard(), PreferenceStanding(at(5), PROBLEM, at(6), at(5)), now_s=0.0)

    greet(fleet, shard(), version="1")
    before = fleet.standing(shard())
    greet(fleet, shard(), version="2")
    after = fleet.standing(shard())

    assert before is not None
    assert after is not None
    assert (before.refused_target, after.refused_target) == (at(6), None)


def test_an_engine_that_one_shard_cannot_reach_is_shown_as_not_answering() -> None:
    fleet = fleet_at(5)
    for number, answering in ((0, True), (1, False), (2, True)):
        greet(fleet, shard(number), shards=3)
        engine = EngineReport(name="clamav", answering=answering)
        fleet.reported(shard(number), NodeReport(engines=(engine,)), now_s=0.0, now_us=0)

    assert [(e.name, e.answering) for e in node(fleet).engines] == [("clamav", False)]


def test_a_node_accepts_only_when_all_its_shards_do() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard(0), shards=2)
    greet(fleet, shard(1), shards=2)
    report(fleet, shard(0), 5)
    told = NodeReport(applied=at(5), accepting=False, not_accepting_reason="disk nearly full")
    fleet.reported(shard(1), told, now_s=0.0, now_us=0)

    status = node(fleet)

    assert not status.accepting
    assert status.not_accepting_reason == "disk nearly full"


def test_a_shard_that_is_one_too_many_and_empties_itself_keeps_no_node_from_accepting() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard(0))
    greet(fleet, shard(1))
    report(fleet, shard(0), 5)
    told = NodeReport(applied=at(5), accepting=False, not_accepting_reason="retiring")
    fleet.reported(shard(1), told, now_s=0.0, now_us=0)

    status = node(fleet)

    assert status.accepting
    assert status.not_accepting_reason == ""
    assert len(status.shards) == 2


def test_what_shards_and_core_noticed_is_told_once() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())
    fleet.noticed(shard(), "records 1 to 3 are lost", now_s=0.0)
    fleet.reported(shard(), NodeReport(problems=("x", "x")), now_s=0.0, now_us=0)

    assert node(fleet).problems == ("records 1 to 3 are lost", "x")


def test_a_node_that_follows_a_later_core_is_told_of_until_this_one_is_later() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())
    fleet.stood(shard(), PreferenceStanding(at(2, OTHER), None, None), now_s=0.0)

    assert [one.problem for one in fleet.other_epochs()] == [
        "lon1 follows a later core: generation 2, this core's is 1"
    ]

    fleet.moved(at(5, Epoch(3, "33333333-3333-4333-8333-333333333333")))
    assert fleet.other_epochs() == []


def test_a_core_that_its_nodes_have_left_hears_it_from_those_that_look_in() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())
    report(fleet, shard(), 5)
    fleet.left(shard())

    fleet.looked(shard(), at(2, OTHER))
    fleet.looked(ShardIdentity("unknown", 0, shard().incarnation), at(2, OTHER))

    assert [(one.node, one.problem) for one in fleet.other_epochs()] == [
        ("lon1", "lon1 follows a later core: generation 2, this core's is 1")
    ]
    assert node(fleet, now_s=SILENT_S + 1.0).state is SatelliteState.SILENT
    fleet.stood(shard(), PreferenceStanding(at(5), None, None), now_s=0.0)
    assert fleet.other_epochs() == [], "it came back"


def test_what_a_node_that_is_gone_has_followed_is_forgotten() -> None:
    fleet = fleet_at(5)
    fleet.looked(shard(), at(2, OTHER))

    fleet.take([("fra1", "frankfurt")])
    fleet.take([("lon1", "london")])

    assert fleet.other_epochs() == []


def test_a_node_that_the_settings_name_no_more_is_gone_with_all_that_was_known_of_it() -> None:
    fleet = fleet_at(5)
    greet(fleet, shard())
    fleet.warned(shard(), "a copy", now_s=0.0)

    fleet.take([("fra1", "frankfurt"), ("par1", "paris")])
    report(fleet, shard(), 5)  # it was under way
    fleet.warned(shard(), "a copy", now_s=0.0)

    assert [status.node for status in fleet.nodes(now_s=0.0)] == ["fra1", "par1"]
    assert fleet.connected() == []
    fleet.take([("lon1", "london")])
    assert node(fleet).state is SatelliteState.SILENT
    assert node(fleet).problems == ()


def test_records_that_are_lost_are_told_of_for_a_day() -> None:
    fleet = fleet_at()
    greet(fleet, shard())
    fleet.noticed(shard(), "records 1 to 4 are lost", now_s=0.0)

    assert node(fleet, now_s=NOTICED_S).problems == ("records 1 to 4 are lost",)
    assert node(fleet, now_s=NOTICED_S + 1.0).problems == ()


def test_a_copy_that_was_given_a_new_life_is_warned_of_no_more() -> None:
    fleet = fleet_at()
    greet(fleet, shard(life=1))
    fleet.warned(shard(life=1), "two processes speak for one life", now_s=0.0)

    greet(fleet, shard(life=2))

    assert node(fleet).problems == ()
