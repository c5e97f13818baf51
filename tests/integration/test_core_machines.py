"""One core, several machines: a node's tunnel and doors follow them, wherever the core runs."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import BaseModel

from common.errors import BorderScoutError
from common.issuing import KeyKind, PrivateKey, new_key
from common.joining import CoreEnd, MemberAnswer
from common.rpc import TlsFiles
from common.wireguard.tunnel_bounds import networks_text
from common.wireguard.tunnel_file import TunnelPeer
from common.wireguard.tunnel_interface import read_tunnel_file
from core.joining import joining
from core.joining.core_ends import machines_of
from core.joining.member_peers import MemberPeers
from core.recovery.restore import restore
from satellite.joining import door_client
from satellite.joining.core_following import joined_text
from satellite.joining.core_peers import TunnelNotFollowed
from satellite.joining.door_client import (
    CoreDoor,
    DoorNotReached,
    DoorNotTrusted,
    DoorRefused,
    pinned_authority,
)
from satellite.joining.due_keys import is_anything_due, joined_of, member_door
from satellite.joining.joiner import join
from satellite.joining.key_renewal import Renewal, RenewalOutcome, Waits
from satellite.joining.key_upkeep import LOOK_S, KeyUpkeep
from satellite.joining.node_keys import public_half
from satellite.settings import load_settings
from tests.support.clock import FakeClock
from tests.support.core.joining_core import JoiningCore, ShiftedClock
from tests.support.core.saved import quiet, saved
from tests.support.network.link import MemorySpool, Shard, until
from tests.support.network.link import satellite_settings as link_settings
from tests.support.network.ports import free_port

RSA = new_key(KeyKind.RSA)  # one takes half a second, and which one it is means nothing here
OF_JOINING = networks_text(["10.77.1.1", "10.77.0.1"])
OF_ALL = networks_text(["10.77.0.0/16"])


@pytest.fixture(autouse=True)
def _one_rsa_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def quick_key(kind: KeyKind) -> PrivateKey:
        return RSA if kind is KeyKind.RSA else new_key(kind)

    monkeypatch.setattr("satellite.joining.node_keys.new_key", quick_key)


@pytest.fixture
def first(tmp_path: Path) -> JoiningCore:
    (tmp_path / "core").mkdir()
    return JoiningCore(tmp_path / "core", ShiftedClock())


@pytest.fixture
def second(first: JoiningCore, tmp_path: Path) -> JoiningCore:
    """Another machine that can be the same core: it has all that is the core's, and its own key."""
    folder = tmp_path / "core2"
    shutil.copytree(first.folder, folder, ignore=lambda *_: {"wg0.conf"})
    made = JoiningCore(folder, first.clock, address="10.77.0.2")
    # What the rendered file knows of nodes; the members are in the store alone.
    made.wireguard.write_text(made.wireguard.read_text().partition("# lon1")[0])
    return made


def know_each_other(first: JoiningCore, second: JoiningCore) -> None:
    first.others, second.others = [second], [first]


@pytest.fixture
def within(tmp_path: Path) -> Path:
    """Root's bounds, as a rendering makes them."""
    path = tmp_path / "tunnel.networks"
    path.write_text(OF_ALL)
    return path


async def joined(core: JoiningCore, folder: Path, *, machine: Path | None = None) -> Path:
    token = await core.token()
    await asyncio.to_thread(join, token, folder, say=lambda _: None, machine=machine)
    return folder


async def run(node: Path, within: Path) -> RenewalOutcome:
    passed = iter(range(0, 10_000, 20))
    waits = Waits(
        sleep=lambda _: None, monotonic_s=lambda: float(next(passed)), reaches=lambda _: True
    )
    settings = load_settings(node / "satellite.yaml")
    one = Renewal(node, settings, waits=waits, within=within)
    return await asyncio.to_thread(one.run, now_s=time.time())


async def is_due(node: Path, within: Path) -> bool:
    return await asyncio.to_thread(is_anything_due, node, now_s=time.time(), within=within)


def peers(file: Path) -> dict[str, TunnelPeer]:
    return {one.name: one for one in read_tunnel_file(file).peers}


def public_of(core: JoiningCore) -> str:
    return MemberPeers(core.wireguard).own_key()


def files_of(node: Path) -> TlsFiles:
    return TlsFiles(
        certificate=node / "tls/node.crt",
        key=node / "tls/node.key",
        authority=node / "tls/authority.crt",
    )


async def moved(first: JoiningCore, second: JoiningCore, backup: Path) -> None:
    """Bring the database of one machine to the other, as `core backup` and `core restore` do."""
    saved(first.settings, backup)
    await restore(second.settings, backup, clock=second.clock, step=quiet)


async def test_a_node_that_joins_has_a_tunnel_to_each_machine_and_may(
    first: JoiningCore, second: JoiningCore, tmp_path: Path
) -> None:
    know_each_other(first, second)
    async with first.running():
        node = await joined(first, tmp_path / "node", machine=tmp_path / "machine")

    bounds = tmp_path / "machine" / "tunnel.networks"
    found = {one.name: one for one in read_tunnel_file(node / "wg0.conf", within=bounds).peers}
    assert {name: (one.public_key, one.allowed) for name, one in found.items()} == {
        "core": (public_of(first), ("10.77.0.1/32",)),
        "core2": (public_of(second), ("10.77.0.2/32",)),
    }
    settings = load_settings(node / "satellite.yaml")
    assert settings.core.standbys == [f"127.0.0.1:{second.grpc}"]
    known = joined_of(node)
    assert known is not None
    assert known.doors == [f"127.0.0.1:{one.port}" for one in (first, second)]


async def test_a_core_moves_to_another_machine_and_its_nodes_go_on_there(
    first: JoiningCore, second: JoiningCore, tmp_path: Path, within: Path
) -> None:
    know_each_other(first, second)
    async with first.running():
        node = await joined(first, tmp_path / "node")
        await moved(first, second, tmp_path / "backup")
    key = public_half((node / "wireguard.key").read_text().strip())
    tunnel = (node / "wg0.conf").read_text()
    assert key not in second.wireguard.read_text()

    async with second.running():
        assert peers(second.wireguard)["lon1"].public_key == key
        assert peers(second.wireguard)["lon1"].allowed == ("10.77.1.1/32",)
        shard = Shard.start(MemorySpool(), link_settings(files_of(node), port=second.grpc))
        try:
            await until(lambda: bool(second.link.fleet.connected()), "the node links there")
        finally:
            await shard.stop()
        assert await is_due(node, within)  # the doors: this one comes first now
        await second.joining.rotate("lon1", who="t")
        assert await run(node, within) is RenewalOutcome.ROTATED
        assert not await is_due(node, within)

    known = joined_of(node)
    assert known is not None
    assert known.doors == [f"127.0.0.1:{one.port}" for one in (second, first)]
    new = public_half((node / "wireguard.key").read_text().strip())
    assert peers(second.wireguard)["lon1"].public_key == new != key
    assert (node / "wg0.conf").read_text().partition("# core")[2] == tunnel.partition("# core")[2]


async def test_a_core_that_runs_on_behind_a_later_one_is_not_asked_for_keys(
    first: JoiningCore, second: JoiningCore, tmp_path: Path, within: Path
) -> None:
    know_each_other(first, second)
    async with first.running():
        node = await joined(first, tmp_path / "node")
        await moved(first, second, tmp_path / "backup")
    async with second.running():
        assert await run(node, within) is RenewalOutcome.FOLLOWED
    known = joined_of(node)
    assert known is not None
    tunnel = (node / "wg0.conf").read_bytes()

    first.others = []  # and its settings are older than the other machine
    async with first.running():  # with the later core away for a while
        await first.joining.rotate("lon1", who="t")
        with pytest.raises(DoorNotTrusted, match="an earlier core answers there"):
            await is_due(node, within)
        with pytest.raises(DoorNotTrusted, match="its generation is 1, ours is 2"):
            await run(node, within)
        assert joined_of(node) == known
        assert (node / "wg0.conf").read_bytes() == tunnel

        async with second.running():
            await second.joining.rotate("lon1", who="t")
            away, here = known.doors[1:], known.doors[:1]
            text = joined_text(known.model_copy(update={"doors": [*away, *here]}))
            (node / "joined.json").write_bytes(text)
            assert await run(node, within) is RenewalOutcome.ROTATED
            key = public_half((node / "wireguard.key").read_text().strip())
            assert [one.wireguard for one in second.joining.members()] == [key]
            assert [one.wireguard for one in first.joining.members()] != [key]


async def test_a_core_that_does_not_know_a_member_keeps_it_from_no_other_one(
    first: JoiningCore, second: JoiningCore, tmp_path: Path, within: Path
) -> None:
    know_each_other(first, second)
    async with first.running():
        await moved(first, second, tmp_path / "backup")
        async with second.running():
            node = await joined(second, tmp_path / "node")
            known = joined_of(node)
            assert known is not None
            text = joined_text(known.model_copy(update={"doors": known.doors[::-1]}))
            (node / "joined.json").write_bytes(text)
            assert await run(node, within) is RenewalOutcome.FOLLOWED

        assert joined_of(node) == known
        with pytest.raises(DoorRefused):
            await run(node, within)


async def test_a_standby_that_was_added_later_comes_into_the_tunnel_and_goes_again(
    first: JoiningCore, second: JoiningCore, tmp_path: Path, within: Path
) -> None:
    async with first.running():
        node = await joined(first, tmp_path / "node")
        assert not await is_due(node, within)
    before = (node / "wg0.conf").read_text()
    know_each_other(first, second)

    async with first.running():
        assert await is_due(node, within)
        assert await run(node, within) is RenewalOutcome.FOLLOWED
        assert await run(node, within) is RenewalOutcome.NOTHING

    assert peers(node / "wg0.conf")["core2"].allowed == ("10.77.0.2/32",)
    assert (node / "wg0.conf").read_text().startswith(before)
    assert (node / "wg0.conf").stat().st_mode & 0o777 == 0o600
    known = joined_of(node)
    assert known is not None
    assert known.doors == [f"127.0.0.1:{one.port}" for one in (first, second)]
    first.others = []
    async with first.running():
        assert await run(node, within) is RenewalOutcome.FOLLOWED
    assert (node / "wg0.conf").read_text() == before


async def test_a_standby_with_a_new_key_gets_it_at_the_node_with_other_new_keys(
    first: JoiningCore, second: JoiningCore, tmp_path: Path, within: Path
) -> None:
    know_each_other(first, second)
    async with first.running():
        node = await joined(first, tmp_path / "node")
    second.wireguard.unlink()
    (tmp_path / "again").mkdir()
    JoiningCore(tmp_path / "again", first.clock).wireguard.rename(second.wireguard)

    async with first.running():
        await first.joining.rotate("lon1", who="t")
        assert await run(node, within) is RenewalOutcome.ROTATED

    found = peers(node / "wg0.conf")
    assert (found["core"].public_key, found["core2"].public_key) == (
        public_of(first), public_of(second)
    )  # fmt: skip
    own = read_tunnel_file(node / "wg0.conf").private_key
    assert own == (node / "wireguard.key").read_text().strip()


async def test_a_tunnel_beyond_roots_bounds_is_told_once_and_stops_no_renewal(
    first: JoiningCore, second: JoiningCore, tmp_path: Path, within: Path
) -> None:
    within.write_text(OF_JOINING)
    async with first.running():
        node = await joined(first, tmp_path / "node")
    before = (node / "wg0.conf").read_bytes()
    know_each_other(first, second)
    async with first.running():
        assert await run_or_not(node, within) == "doors"
        with pytest.raises(TunnelNotFollowed, match=r"run `sh install\.sh`"):
            await is_due(node, within)
        told = await upkeep_told(node, within)
        assert (node / "wg0.conf").read_bytes() == before
        await first.joining.rotate("lon1", who="t")
        assert await run(node, within) is RenewalOutcome.ROTATED
        assert set(peers(node / "wg0.conf")) == {"core"}

        within.write_text(OF_ALL)
        assert await run(node, within) is RenewalOutcome.FOLLOWED

    assert set(peers(node / "wg0.conf")) == {"core", "core2"}
    assert told == ["tunnel.not_followed"]


async def run_or_not(node: Path, within: Path) -> str:
    """Say what was followed of a core whose machines the tunnel may not lead to."""
    with pytest.raises(TunnelNotFollowed):
        await run(node, within)
    known = joined_of(node)
    return "doors" if known is not None and len(known.doors) == 2 else ""


async def upkeep_told(node: Path, within: Path) -> list[str]:
    """Return what the node's parent says in two looks; it starts nothing."""
    clock = FakeClock(now_us=time.time_ns() // 1000)
    upkeep = KeyUpkeep(node, command=["/bin/false"], clock=clock, within=within)
    with structlog.testing.capture_logs() as logs:
        await upkeep.look()
        await upkeep.look()
    assert upkeep._pause_s == LOOK_S
    return [entry["event"] for entry in logs if entry["log_level"] == "warning"]


async def test_a_node_of_the_version_before_is_sent_nothing_that_it_does_not_know(
    first: JoiningCore, second: JoiningCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(status: int, octets: bytes, kind: type[BaseModel]) -> BaseModel:
        answers.append(json.loads(octets))
        return read(status, octets, kind)

    answers: list[dict[str, Any]] = []
    read = door_client._read
    monkeypatch.setattr(door_client, "_read", seen)
    async with first.running():
        node = await joined(first, tmp_path / "node")
    known = joined_of(node)
    assert known is not None
    know_each_other(first, second)
    async with first.running():
        await asyncio.to_thread(member_door(node, known).ask, "/member", None, MemberAnswer)

    join_answer, member = answers
    assert set(join_answer["wireguard"]) == {
        "addresses", "port", "core_name", "core_key", "core_endpoint", "core_addresses"
    }  # fmt: skip
    assert "standbys" not in join_answer["settings"]["core"]
    assert set(member) == {"node", "rotate", "wireguard", "wireguard_beside"}


async def test_a_core_of_the_version_before_changes_nothing(
    first: JoiningCore,
    second: JoiningCore,
    tmp_path: Path,
    within: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    know_each_other(first, second)
    async with first.running():
        node = await joined(first, tmp_path / "node")
        monkeypatch.setattr(joining, "machines_of", lambda *_: None)  # it knows of none

        assert not await is_due(node, within)
        assert await run(node, within) is RenewalOutcome.NOTHING


async def test_a_core_that_names_a_nodes_own_address_takes_nothing(
    first: JoiningCore, tmp_path: Path, within: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hostile(*given: object) -> object:
        said = machines_of(*given)  # type: ignore[arg-type]
        own = CoreEnd(
            name="x", key=public_half("x" * 43 + "="), endpoint="e:1", addresses=["10.77.1.1"]
        )
        return said.model_copy(update={"machines": [*said.machines, own]})

    async with first.running():
        node = await joined(first, tmp_path / "node")
        before = (node / "wg0.conf").read_bytes()
        monkeypatch.setattr(joining, "machines_of", hostile)
        with pytest.raises(TunnelNotFollowed, match="own address"):
            await run(node, within)

    assert (node / "wg0.conf").read_bytes() == before


async def test_a_core_that_calls_itself_as_a_peer_by_hand_takes_that_not_out(
    first: JoiningCore, tmp_path: Path, within: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hostile(*given: object) -> object:
        return machines_of(*given).model_copy(update={"core": "watch"})  # type: ignore[arg-type]

    key = public_half("w" * 43 + "=")
    async with first.running():
        node = await joined(first, tmp_path / "node")
        with (node / "wg0.conf").open("a") as file:
            file.write(f"\n# watch\n[Peer]\nPublicKey = {key}\n")
        monkeypatch.setattr(joining, "machines_of", hostile)

        assert await run(node, within) is RenewalOutcome.NOTHING

    assert set(peers(node / "wg0.conf")) == {"core", "watch"}


async def test_the_doors_are_tried_in_turn_and_one_of_somebody_else_stops_nobody(
    first: JoiningCore, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = JoiningCore(tmp_path / "elsewhere", first.clock)
    closed, strange, good = (f"127.0.0.1:{one}" for one in (free_port(), other.port, first.port))
    async with first.running(), other.running():
        token = await first.token()
        every = ["core..example:7445", closed, strange, good]  # DNS has no name of two dots
        authority = await asyncio.to_thread(pinned_authority, every, token.pin)
        door = CoreDoor(every, authority=authority)
        for doors, wrong in ((every[:3], DoorNotTrusted), (every[:2], DoorNotReached)):
            with pytest.raises(wrong):
                await asyncio.to_thread(pinned_authority, doors, token.pin)
            with pytest.raises(wrong):
                one = CoreDoor(doors, authority=authority)
                await asyncio.to_thread(one.ask, "/member", None, MemberAnswer)

        with pytest.raises(BorderScoutError, match="the core refuses"):
            await asyncio.to_thread(door.ask, "/member", None, MemberAnswer)

    assert door.answered == good
