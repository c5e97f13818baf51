"""The doctor says whether a node hears its core."""

from __future__ import annotations

from dataclasses import replace

from cli.callers import refused_callers
from cli.link_checks import link_of_the_node
from common.identity import RENEW
from common.link import CoreStanding
from common.preferences import Epoch, Position
from common.settings.core import NodeEntry
from core.fleet.roster import Roster
from satellite.link.other_core import FollowedCore, complaint_of
from satellite.link.status import LinkStatus

LIVE = LinkStatus(
    connected=True, lag=0, age_s=1.0, skew_us=20_000, problems=(), reconnects={"control": 0}
)
AWAY = replace(LIVE, connected=False, lag=None)


def test_a_link_that_is_live_is_well() -> None:
    [check] = link_of_the_node({0: LIVE, 1: LIVE})

    assert (check.name, check.ok, check.found) == ("link", True, "well")


def test_each_shard_that_is_cut_off_is_named_with_its_reason() -> None:
    never = replace(AWAY, age_s=None, problems=("control: UNAVAILABLE: no route",))
    [check] = link_of_the_node({0: LIVE, 1: replace(AWAY, age_s=90.4), 2: never})

    assert not check.ok
    assert check.found == (
        "shard 1 is not connected, and heard the core 90 s ago; shard 2 is not connected, and never"
        " heard the core (control: UNAVAILABLE: no route)"
    )
    assert "mail goes on" in check.remedy


def test_a_spool_that_the_core_does_not_hear_is_a_fault_with_the_way_back() -> None:
    forked = replace(LIVE, forked=f"it was put back; {RENEW}")
    later = f"records: FAILED_PRECONDITION: lon1/1 has a later life; {RENEW}"
    fenced = replace(AWAY, problems=("x", later))

    one, other, _ = link_of_the_node({0: forked, 1: fenced, 2: LIVE})

    assert (one.name, one.found, one.remedy) == ("spool of shard 0", "it was put back", RENEW)
    assert (other.ok, other.found) == (False, later.removesuffix(f"; {RENEW}"))
    assert "borderscout spool renew --config FILE" in RENEW


def test_a_lag_is_worth_a_note_and_one_that_is_unknown_is_no_zero() -> None:
    _, behind, unknown = link_of_the_node({0: replace(LIVE, lag=3), 1: replace(LIVE, lag=None)})

    assert (behind.ok, behind.note) == (True, True)
    assert behind.found == "shard 0 is 3 revisions behind the core"
    assert unknown.found == "shard 1 is an unknown number of revisions behind the core"


def test_a_clock_that_is_off_is_a_fault() -> None:
    _, clock = link_of_the_node({0: replace(LIVE, skew_us=-7_200_000)})

    assert not clock.ok
    assert clock.found == "is -7.2 s off the core's"


def test_where_no_shard_answers_nothing_is_said_of_the_link() -> None:
    assert list(link_of_the_node({})) == []


def test_a_core_that_is_refused_fails_with_the_remedy_that_its_reason_names() -> None:
    refusing = replace(LIVE, lag=None, core_refused="it lost changes; run: borderscout doctor")

    _, core, _ = link_of_the_node({0: refusing})

    assert (core.name, core.ok, core.note) == ("core", False, False)
    assert core.remedy == "it lost changes; run: borderscout doctor"


def test_a_core_that_is_not_at_its_first_address_is_worth_a_note() -> None:
    found = replace(LIVE, core="192.0.2.2:7443", is_standby=True, moves=1)

    _, core = link_of_the_node({0: found, 1: replace(LIVE, core="192.0.2.1:7443")})

    assert (core.name, core.ok, core.note) == ("core", True, True)
    assert core.found == "shard 0 has found it at 192.0.2.2:7443, which is not its first address"


def test_a_core_that_runs_at_another_address_is_a_fault_with_what_mends_it() -> None:
    other = CoreStanding(position=Position(Epoch(3, "former"), 7), digest=bytes(32), life="b" * 32)
    ours = FollowedCore("a" * 32, Epoch(4, "ours"), Position(Epoch(4, "ours"), 7))
    told = complaint_of(other, ours, address="192.0.2.1:7443")

    _, core = link_of_the_node({0: replace(LIVE, other_cores=(told,))})

    assert not core.ok
    assert core.found == ("an earlier core runs at 192.0.2.1:7443: its generation is 3, ours is 4")
    assert core.remedy.endswith("type: systemctl stop borderscout-core")


def test_a_core_that_does_not_let_the_node_in_says_why() -> None:
    problems = ("records wait", "control: PERMISSION_DENIED: lon1 is not in the settings")
    [check] = link_of_the_node({0: replace(AWAY, problems=problems)})

    assert "lon1 is not in the settings" in check.found
    assert check.remedy.startswith("the core is there, and does not let this node in")
    assert "borderscout inventory render" in check.remedy


def test_one_that_was_revoked_is_to_join_again_and_copies_nothing() -> None:
    roster = Roster([NodeEntry(name="lon1", site="london")])
    roster.take_members({"lon1": frozenset()})
    reason = roster.why_not("lon1", "a")
    problems = (f"control: PERMISSION_DENIED: {reason}",)

    [at_the_node] = link_of_the_node({0: replace(AWAY, problems=problems)})
    caller = {"name": "lon1", "host": "192.0.2.1", "reason": reason}
    [at_the_core] = refused_callers({"refused_callers": [caller]})

    assert "lon1 was revoked" in at_the_node.found
    assert "lon1 was revoked" in at_the_core.found
    assert "borderscout satellite join" in at_the_node.remedy
    assert "borderscout inventory join-token lon1" in at_the_core.remedy
    for check in (at_the_node, at_the_core):
        assert "inventory render" not in check.remedy


def test_a_node_that_was_removed_is_kept_down_with_the_socket_that_would_start_it() -> None:
    caller = {"name": "fra1", "host": "192.0.2.1", "reason": "fra1 is not in the settings"}

    [check] = refused_callers({"refused_callers": [caller]})

    assert "disable --now borderscout-satellite.socket borderscout-satellite;" in check.remedy


def test_a_stream_of_records_that_is_closed_is_a_fault_though_the_core_is_heard() -> None:
    why = "RESOURCE_EXHAUSTED: the core's database has no room"
    told = ("quarantined messages that the core does not take: 2", f"records: {why}")
    closed = replace(LIVE, problems=told, reconnects={"control": 0, "records": 9})
    link, records = link_of_the_node({0: closed})

    assert (link.ok, records.ok, records.name) == (True, False, "records")
    assert records.found == f"stream of shard 0 is closed: {why}"


def test_a_caller_that_is_refused_in_two_ways_is_named_once() -> None:
    """One whose open streams were ended calls again, and is told the same by another check."""
    caller = {"name": "fra1", "host": "192.0.2.1", "reason": "fra1 is not in the settings"}
    elsewhere = caller | {"host": "192.0.2.2"}

    found = list(refused_callers({"refused_callers": [caller, caller, elsewhere]}))

    assert [one.found.split()[-1] for one in found] == ["192.0.2.1", "192.0.2.2"]
    assert all("restart the core" not in one.remedy for one in found)
