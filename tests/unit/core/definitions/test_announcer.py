"""Every shard hears once a visit what it is to use, and again when something of it changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from common.definitions import DefinitionsFile, Manifest
from common.identity import ShardIdentity
from common.link import DefinitionsOffer
from common.reports import DefinitionsReport, DefinitionsState, NodeReport
from core.definitions.announcer import Announcer
from core.definitions.choice import DefinitionsChoice
from core.definitions.rollout import Rollout, SiteStand
from core.definitions.sets import StoredSet
from core.fleet.fleet import Fleet, Place
from core.fleet.roster import Roster
from tests.support.clock import FakeClock
from tests.support.core.rooms import made_id


class FakeLink:
    """Two nodes, the second with two shards, and what they were told."""

    def __init__(self, clock: FakeClock) -> None:
        self.fleet = Fleet([("lon1", "london"), ("par1", "paris")])
        self.roster = Roster([])
        self.clock = clock
        self.open: dict[Place, int] = {}
        self.told: list[tuple[str, int, int, bool]] = []
        self.has_room = True

    def visits(self) -> Mapping[Place, int]:
        return self.open

    def tell(self, node: str, shard: int, command: DefinitionsOffer) -> bool:
        if self.has_room:
            assert command.port == 7444
            self.told.append((node, shard, command.serial, command.may_load))
        return self.has_room

    def says(self, node: str, shard: int, serial: int, *, shards: int = 1) -> None:
        """Let a shard be heard: what it uses, as the first of its node; others keep none."""
        identity = ShardIdentity(node, shard, made_id(1))
        now_s, now_us = self.clock.monotonic_s(), self.clock.now_us()
        self.fleet.greeted(identity, shards=shards, version="1", now_s=now_s)
        report = DefinitionsReport(
            family="clamav",
            serial=serial,
            offered=2 if serial == 1 else serial,  # the older one uses the first, and has the next
            state=DefinitionsState.WAITING if serial == 1 else DefinitionsState.CURRENT,
        )
        definitions = (report,) if shard == 0 else ()
        self.fleet.reported(
            identity, NodeReport(definitions=definitions), now_s=now_s, now_us=now_us
        )

    def heard(self) -> list[tuple[str, int, int, bool]]:
        """Return what was told since the last time."""
        told, self.told = self.told, []
        return told


@pytest.fixture
def link(fake_clock: FakeClock) -> FakeLink:
    made = FakeLink(fake_clock)
    made.open = {("lon1", 0): 1, ("par1", 0): 1, ("par1", 1): 1}
    made.says("lon1", 0, 1)
    made.says("par1", 0, 1, shards=2)
    made.says("par1", 1, 1, shards=2)
    return made


@pytest.fixture
def announcer(link: FakeLink, fake_clock: FakeClock) -> Announcer:
    return Announcer(
        family="clamav",
        rollout=Rollout(turn_s=600.0, away_s=60.0),
        link=link,
        port=lambda: 7444,
        clock=fake_clock,
    )


def stored(serial: int) -> StoredSet:
    file = DefinitionsFile(name="a.hdb", size=1, sha256="0" * 64)
    manifest = Manifest(family="clamav", serial=serial, made_us=0, version="v", files=(file,))
    return StoredSet(manifest=manifest, sha256=bytes(32), folder=Path("nowhere"))


CHOICE = DefinitionsChoice(serial=2, highest=2)


def test_all_hear_of_a_set_and_one_site_may_load_it(announcer: Announcer, link: FakeLink) -> None:
    announcer.look(stored(2), CHOICE)

    assert link.heard() == [
        ("lon1", 0, 2, True),
        ("par1", 0, 2, False),
        ("par1", 1, 2, False),
    ]
    announcer.look(stored(2), CHOICE)
    assert link.heard() == []


def test_the_next_site_hears_when_it_is_its_turn(announcer: Announcer, link: FakeLink) -> None:
    announcer.look(stored(2), CHOICE)
    link.heard()
    link.says("lon1", 0, 2)

    plan = announcer.look(stored(2), CHOICE)

    assert plan.sites == {"london": SiteStand.DONE, "paris": SiteStand.LOADING}
    assert link.heard() == [("par1", 0, 2, True), ("par1", 1, 2, True)]


def test_who_comes_again_is_told_again(announcer: Announcer, link: FakeLink) -> None:
    announcer.look(stored(2), CHOICE)
    link.heard()
    link.open["par1", 1] = 2

    announcer.look(stored(2), CHOICE)

    assert link.heard() == [("par1", 1, 2, False)]


def test_what_found_no_room_is_told_with_the_next_look(
    announcer: Announcer, link: FakeLink
) -> None:
    link.has_room = False
    announcer.look(stored(2), CHOICE)
    link.has_room = True

    announcer.look(stored(2), CHOICE)

    assert len(link.heard()) == 3


def test_without_a_set_nothing_is_told(announcer: Announcer, link: FakeLink) -> None:
    plan = announcer.look(None, DefinitionsChoice())

    assert (plan.sites, link.heard()) == ({}, [])


def test_a_node_that_uses_what_the_core_never_gave_out_hears_nothing(
    announcer: Announcer, link: FakeLink
) -> None:
    link.says("lon1", 0, 9)

    plan = announcer.look(stored(2), CHOICE)

    assert plan.sites["london"] is SiteStand.AHEAD
    assert {told[0] for told in link.heard()} == {"par1"}
    assert announcer.highest_seen() == 9


@pytest.mark.parametrize("serial", [(1 << 63) - 1, 20260102000001])
def test_a_node_that_lies_leaves_the_core_its_numbers(
    announcer: Announcer, link: FakeLink, serial: int
) -> None:
    link.says("lon1", 0, serial)

    assert announcer.highest_seen() == 1  # as par1 says
