"""One core, and several machines that can be it: a node finds the one that is, by itself.

Real gRPC, certificates and stores. The state of a core is brought from one machine to another, as
a restored backup is, in a later epoch (docs/sync.md, *On several machines*).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from common import rpc
from common.identity import ShardIdentity
from common.link import CoreStanding
from common.records import NotAcceptingRecord
from satellite.link import client
from satellite.link.core_search import standing_of
from tests.support.core.rooms import made_id, route
from tests.support.network.core_machines import PATIENT, CoreMachines
from tests.support.network.link import CLUSTER, Core, until
from tests.support.spool.quarantined import quarantine


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[CoreMachines]:
    made = CoreMachines(tmp_path)
    yield made
    await made.end()


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[CoreMachines]:
    made = CoreMachines(tmp_path, ("a",))
    yield made
    await made.end()


async def reasons(core: Core) -> list[str]:
    """Return why the node did not accept, as a core was told."""
    events = await core.database.records.node_events(limit=100)
    return [event["reason"] for event in events if event["event"] == "not_accepting"]


async def moved_to_b(machines: CoreMachines) -> Core:
    """Stop the core at ``a``, and return the one that goes on at ``b`` with its state."""
    await machines.stop("a")
    await machines.bring("a", "b")
    core = await machines.start("b")
    await until(lambda: machines.is_at("b"), "it is at b")
    return core


async def test_a_node_finds_its_core_on_the_machine_where_it_was_restored(
    machines: CoreMachines,
) -> None:
    await machines.begin()
    with capture_logs() as said:
        await machines.stop("a")
        await machines.bring("a", "b")
        message = await quarantine(machines.spool, b"Subject: x\r\n\r\nkept\r\n")
        await machines.spool.note(NotAcceptingRecord(reason="while no core was there", cause=""))
        core = await machines.start("b")
        await until(lambda: machines.is_at("b"), "it is at b")
        await core.database.preferences.publish([route("next.example")], who="test")

        await until(lambda: machines.spool.backlog_sizes() == (0, 0), "it has it all")
    assert await core.custody.case(message) is not None
    assert await reasons(core) == ["while no core was there"]
    await until(lambda: machines.shard.applied[-1] == 2, "it is followed")
    link = machines.status()
    assert (link.is_standby, link.moves, link.other_cores) == (True, 1, ())
    assert machines.shard.link.core_address() == link.core
    assert [one["address"] for one in said if one["event"] == "link.core_moved"] == [link.core]


async def test_an_old_core_that_comes_back_is_named_and_not_followed(
    machines: CoreMachines,
) -> None:
    await machines.begin()
    await moved_to_b(machines)

    old = await machines.start("a")
    await until(lambda: bool(machines.status().other_cores), "it is seen")

    [told] = machines.status().other_cores
    assert told.startswith(f"an earlier core runs at 127.0.0.1:{machines.ports['a']}")
    assert machines.is_at("b")
    assert machines.status().moves == 1
    assert old.link.visits() == {}
    problems = machines.running["b"].problems
    await until(lambda: told in problems("lon1"), "the core that is followed hears of it")
    [here] = old.link.fleet.other_epochs()
    assert here.problem == "lon1 follows a later core: generation 2, this core's is 1"


async def test_a_node_that_starts_anew_refuses_the_old_core_and_finds_the_later_one(
    machines: CoreMachines,
) -> None:
    await machines.begin()
    core = await moved_to_b(machines)
    await machines.shard.stop()
    old = await machines.start("a")
    await machines.spool.note(NotAcceptingRecord(reason="once it runs again", cause=""))

    machines.start_shard()

    await until(lambda: machines.is_at("b"), "it is at b")
    await until(lambda: machines.spool.backlog_sizes() == (0, 0), "its core has its records")
    assert machines.status().moves == 1
    assert "once it runs again" in await reasons(core)
    assert "once it runs again" not in await reasons(old)


async def test_a_node_that_hangs_on_an_old_core_finds_the_later_one(
    machines: CoreMachines,
) -> None:
    await machines.begin(waits=PATIENT)
    await machines.stop("a")
    await machines.bring("a", "b")
    old = await machines.start("a")
    await until(lambda: machines.is_at("a"), "it is at a again")

    core = await machines.start("b")
    await until(lambda: machines.is_at("b"), "it is at b")

    await machines.spool.note(NotAcceptingRecord(reason="both run", cause=""))
    await until(lambda: machines.spool.backlog_sizes() == (0, 0), "the later one has its records")
    assert "both run" in await reasons(core)
    assert "both run" not in await reasons(old)
    await until(lambda: bool(machines.status().other_cores), "and the old one is named")


async def test_a_restart_of_the_core_makes_no_node_move(machines: CoreMachines) -> None:
    await machines.begin(waits=PATIENT)

    await machines.stop("a")
    await until(lambda: not machines.status().connected, "it is lost")
    await machines.start("a")

    await until(lambda: machines.is_at("a"), "it is back")
    assert machines.status().moves == 0


async def test_with_one_address_a_node_waits_for_its_core_there(alone: CoreMachines) -> None:
    await alone.begin()
    before = alone.status().reconnects["control"]
    await alone.stop("a")
    await until(lambda: alone.status().reconnects["control"] > before + 1, "it tries again")

    await alone.start("a")

    await until(lambda: alone.is_at("a"), "it is back")
    assert (alone.status().moves, alone.status().is_standby) == (0, False)


async def test_that_no_core_runs_on_a_standby_is_no_news(
    machines: CoreMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    await machines.begin(waits=PATIENT)
    seen: list[CoreStanding | None] = []
    look = standing_of

    async def watched(*asked: Any) -> CoreStanding | None:
        seen.append(await look(*asked))
        return seen[-1]

    monkeypatch.setattr(client, "standing_of", watched)
    with capture_logs() as said:
        await until(lambda: len(seen) > 1, "it looks for it twice")

    assert set(seen) == {None}
    assert str(machines.ports["b"]) not in str(said)
    assert machines.status().moves == 0


async def test_a_look_changes_nothing_at_a_core_and_is_not_even_logged_there(
    machines: CoreMachines,
) -> None:
    await machines.begin()
    core = machines.running["a"]
    await machines.shard.stop()
    await until(lambda: not core.link.visits(), "nobody else says anything there")
    channel = rpc.open_channel(
        f"127.0.0.1:{core.port}",
        machines.certificate("lon1").read(),
        cluster=CLUSTER,
        core_name="core",
    )

    with capture_logs() as said:
        here = core.database.preferences.position
        standing = await standing_of(channel, ShardIdentity("lon1", 0, made_id(1)), here)

    assert standing is not None
    assert standing.position == core.database.preferences.position
    assert said == []
    assert core.link.callers.shown() == []
    assert core.link.fleet.other_epochs() == []
    machines.start_shard()
    await until(lambda: machines.is_at("a"), "the life that looked is no later one of the shard")
