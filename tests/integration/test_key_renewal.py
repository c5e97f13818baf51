"""A member's keys change without an interruption, and a change that was cut short goes on."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.certificate import not_after_s, serial_number
from common.durable import Disk
from common.errors import BorderScoutError, EnvironmentFailure
from common.issuing import KeyKind, PrivateKey, new_key
from common.join_token import JoinToken
from common.joining import MemberAnswer
from common.rpc import TlsFiles
from core.people.members import RETIRED_S
from satellite.joining import key_renewal as renewals
from satellite.joining.door_client import CoreDoor, DoorRefused
from satellite.joining.due_keys import is_anything_due, joined_of, member_door
from satellite.joining.joiner import join
from satellite.joining.key_renewal import Renewal, RenewalOutcome, TunnelNotUp, Waits
from satellite.joining.key_upkeep import LOOK_S, KeyUpkeep
from satellite.joining.node_keys import public_half
from satellite.joining.staging import Staging
from satellite.node.launch import command
from satellite.settings import load_settings
from tests.support.clock import FakeClock
from tests.support.core.joining_core import JoiningCore, ShiftedClock
from tests.support.network.link import MemorySpool, Shard, until
from tests.support.network.link import satellite_settings as link_settings

DAY_S = 86_400
RSA = new_key(KeyKind.RSA)  # one takes half a second, and which one it is means nothing here


def quick_key(kind: KeyKind) -> PrivateKey:
    return RSA if kind is KeyKind.RSA else new_key(kind)


@pytest.fixture(autouse=True)
def _one_rsa_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("satellite.joining.node_keys.new_key", quick_key)


@pytest.fixture(autouse=True)
def _no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill leaves what was written, synced or not."""
    monkeypatch.setattr(Disk, "sync", lambda *_: None)
    monkeypatch.setattr(Disk, "sync_folder", lambda *_: None)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[JoiningCore]:
    folder = tmp_path / "core"
    folder.mkdir()
    made = JoiningCore(folder, ShiftedClock())
    async with made.running():
        yield made


async def joined(token: JoinToken, folder: Path) -> None:
    await asyncio.to_thread(join, token, folder, say=lambda _: None)


@pytest.fixture
async def node(core: JoiningCore, tmp_path: Path) -> Path:
    """The folder of a member."""
    await joined(await core.token(), tmp_path / "node")
    return tmp_path / "node"


def renewal(
    node: Path, *, tunnel: bool = True, reaches: Callable[[str], bool] | None = None
) -> Renewal:
    """Return a renewal whose tunnel works, or does not, without a wait."""
    passed = iter(range(0, 10_000, 20))
    waits = Waits(
        sleep=lambda _: None,
        monotonic_s=lambda: float(next(passed)),
        reaches=reaches or (lambda _: tunnel),
    )
    return Renewal(node, load_settings(node / "satellite.yaml"), waits=waits)


async def run(node: Path, *, now_s: float | None = None, **more: Any) -> RenewalOutcome:
    one = renewal(node, **more)
    return await asyncio.to_thread(one.run, now_s=time.time() if now_s is None else now_s)


def serial(node: Path) -> str:
    return serial_number((node / "tls/node.crt").read_bytes())


def key(node: Path) -> str:
    return public_half((node / "wireguard.key").read_text().strip())


async def test_nothing_is_renewed_before_two_thirds_of_its_life(
    core: JoiningCore, node: Path
) -> None:
    before = serial(node)

    assert await run(node, now_s=time.time() + 59 * DAY_S) is RenewalOutcome.NOTHING
    assert not await asyncio.to_thread(is_anything_due, node, now_s=time.time())
    assert serial(node) == before
    assert len(core.joining.members()[0].certificates) == 1


async def test_a_certificate_is_renewed_and_the_one_before_is_let_in_until_it_ends(
    core: JoiningCore, node: Path
) -> None:
    before, before_key, tunnel = serial(node), (node / "tls/node.key").read_bytes(), key(node)

    assert await run(node, now_s=time.time() + 61 * DAY_S) is RenewalOutcome.RENEWED

    assert serial(node) != before
    assert (node / "tls/node.key").read_bytes() != before_key
    assert key(node) == tunnel
    for one in (before, serial(node)):
        assert core.link.roster.why_not("lon1", one) == ""
    assert not (node / "incoming").exists()


async def test_an_open_link_goes_on_over_a_renewal(core: JoiningCore, node: Path) -> None:
    files = TlsFiles(
        certificate=node / "tls/node.crt",
        key=node / "tls/node.key",
        authority=node / "tls/authority.crt",
    )
    shard = Shard.start(MemorySpool(), link_settings(files, port=core.grpc))
    try:
        await until(lambda: bool(core.link.fleet.connected()), "the node links")
        await run(node, now_s=time.time() + 61 * DAY_S)
        status = shard.link.certificate_status
        ends_s = not_after_s((node / "tls/node.crt").read_bytes())
        await until(
            lambda: (found := status()) is not None and found.not_after_s == ends_s,
            "the link uses the new certificate",
        )
        await until(lambda: bool(core.link.fleet.connected()), "the node links again")
    finally:
        await shard.stop()


async def test_rotating_changes_all_keys_and_the_old_ones_are_worth_nothing(
    core: JoiningCore, node: Path
) -> None:
    before, before_key = serial(node), key(node)
    await core.joining.rotate("lon1", who="t")

    assert await asyncio.to_thread(is_anything_due, node, now_s=time.time())
    assert await run(node) is RenewalOutcome.ROTATED

    [member] = core.joining.members()
    assert member.rotate_us == 0
    assert (member.wireguard, member.wireguard_beside) == (key(node), "")
    assert key(node) != before_key
    assert before_key not in core.wireguard.read_text()
    assert key(node) in core.wireguard.read_text()
    assert before in member.let_in(now_s=time.time())  # for what is under way
    assert member.let_in(now_s=time.time() + RETIRED_S + 1) == {serial(node)}
    assert not list(node.glob("*.before"))
    assert (
        f"PrivateKey = {(node / 'wireguard.key').read_text().strip()}"
        in (node / "wg0.conf").read_text()
    )


async def test_while_a_key_stands_beside_the_networks_are_at_one_of_them(
    core: JoiningCore, node: Path
) -> None:
    before_key, seen = key(node), []
    await core.joining.rotate("lon1", who="t")
    asked = CoreDoor.ask

    def looking(self: CoreDoor, path: str, body, kind):  # type: ignore[no-untyped-def]
        answer = asked(self, path, body, kind)
        seen.append((path, core.wireguard.read_text()))
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CoreDoor, "ask", looking)
        await run(node)

    [added] = [text for path, text in seen if path == "/renew"]
    [switched] = [text for path, text in seen if path == "/switch"]
    assert f"PublicKey = {before_key}\nAllowedIPs = 10.77.1.1/32" in added
    assert added.count("# lon1") == switched.count("# lon1") == 2
    assert f"PublicKey = {key(node)}\nAllowedIPs = 10.77.1.1/32" in switched
    assert switched.count("10.77.1.1/32") == added.count("10.77.1.1/32") == 1


async def test_a_tunnel_that_does_not_come_up_has_its_old_key_again_at_both_ends(
    core: JoiningCore, node: Path
) -> None:
    before_key, before = key(node), (node / "wg0.conf").read_bytes()
    await core.joining.rotate("lon1", who="t")

    with pytest.raises(TunnelNotUp):
        await run(node, tunnel=False)

    assert key(node) == before_key
    assert (node / "wg0.conf").read_bytes() == before
    [member] = core.joining.members()
    assert member.wireguard == before_key
    assert member.rotate_us  # it is not done
    assert await run(node) is RenewalOutcome.ROTATED
    assert core.joining.members()[0].wireguard == key(node) != before_key


async def test_a_tunnel_works_if_the_core_is_reached_on_any_of_its_machines(
    core: JoiningCore, node: Path
) -> None:
    place, before_key = node / "satellite.yaml", key(node)
    settings = yaml.safe_load(place.read_text())
    settings["core"]["standbys"] = ["192.0.2.9:7443"]
    place.write_text(yaml.safe_dump(settings))
    await core.joining.rotate("lon1", who="t")

    done = await run(node, reaches=lambda address: address == "192.0.2.9:7443")

    assert done is RenewalOutcome.ROTATED
    assert key(node) != before_key


class Killed(BaseException):
    """The process ends here, whatever it was at."""


def killing(patch: pytest.MonkeyPatch, place: int) -> None:
    """End the process at the nth of its steps, half of them before and half after they are done."""
    left = iter(range(place + 1))
    steps = [
        (CoreDoor, "ask"),
        (Staging, "put"),
        (Staging, "begin"),
        (Staging, "ready"),
        (Staging, "_discard"),
        (Staging, "_move"),
        (renewals, "write_file"),
    ]
    for holder, name in steps:
        done = getattr(holder, name)

        def step(*given: Any, _done: Callable[..., Any] = done, **more: Any) -> Any:
            if next(left, None) == place:
                if place % 2:
                    _done(*given, **more)
                raise Killed
            return _done(*given, **more)

        patch.setattr(holder, name, step)


async def killed_at(place: int, work: Callable[[], object]) -> bool:
    """Say whether a work was killed at that step; it had fewer otherwise."""

    def worked() -> bool:
        try:
            work()
        except Killed:
            return True
        return False

    with pytest.MonkeyPatch.context() as patch:
        killing(patch, place)
        return await asyncio.to_thread(worked)


@pytest.mark.long
async def test_a_node_that_is_killed_anywhere_while_it_joins_joins_when_it_is_told_again(
    core: JoiningCore, tmp_path: Path
) -> None:
    place, was_killed = 0, True
    while was_killed:
        node, token = tmp_path / f"node{place}", await core.token(again=True)
        was_killed = await killed_at(
            place,
            lambda n=node, t=token: join(t, n, say=lambda _: None),  # type: ignore[misc]
        )
        await joined(token, node)
        assert core.link.roster.why_not("lon1", serial(node)) == "", place
        assert core.joining.members()[0].wireguard == key(node), place
        assert not (node / "incoming").exists(), place
        TlsFiles(
            certificate=node / "tls/node.crt",
            key=node / "tls/node.key",
            authority=node / "tls/authority.crt",
        ).read()
        core.clock.shift_s += 10  # the door is patient with who comes now and then
        place += 1

    assert place > 12


@pytest.mark.long
async def test_a_node_that_is_killed_anywhere_while_its_keys_change_ends_with_new_ones(
    core: JoiningCore, node: Path
) -> None:
    place, was_killed = 0, True
    while was_killed:
        before, before_key = serial(node), key(node)
        await core.joining.rotate("lon1", who="t")
        one = renewal(node)
        was_killed = await killed_at(place, lambda r=one: r.run(now_s=time.time()))  # type: ignore[misc]
        if was_killed and core.joining.members()[0].rotate_us:
            assert await run(node) is RenewalOutcome.ROTATED, place
        [member] = core.joining.members()
        assert serial(node) != before, place
        assert key(node) != before_key, place
        assert (member.wireguard, member.wireguard_beside) == (key(node), ""), place
        assert member.rotate_us == 0, place
        assert serial(node) in member.let_in(now_s=time.time() + RETIRED_S + 1), place
        core.clock.shift_s += 60  # the door is patient with who changes now and then
        place += 1

    assert place > 15


async def test_what_was_revoked_is_worth_nothing_within_seconds(
    core: JoiningCore, node: Path
) -> None:
    files = TlsFiles(
        certificate=node / "tls/node.crt",
        key=node / "tls/node.key",
        authority=node / "tls/authority.crt",
    )
    shard = Shard.start(MemorySpool(), link_settings(files, port=core.grpc))
    try:
        await until(lambda: bool(core.link.fleet.connected()), "the node links")
        assert await core.joining.revoke("lon1", who="t") > 0
        await until(lambda: not core.link.fleet.connected(), "its streams end")
    finally:
        await shard.stop()
    assert core.link.roster.why_not("lon1", serial(node))
    assert "# lon1" not in core.wireguard.read_text()
    with pytest.raises(DoorRefused, match="lon1 was revoked"):
        await run(node)
    with pytest.raises(BorderScoutError, match="has not joined, or was revoked"):
        await core.joining.rotate("lon1", who="t")

    await joined(await core.token(), node.parent / "successor")

    assert core.link.roster.why_not("lon1", serial(node))
    assert core.link.roster.why_not("lon1", serial(node.parent / "successor")) == ""


async def test_a_member_cannot_take_another_ones_key_or_speak_without_a_certificate(
    core: JoiningCore, node: Path
) -> None:
    known = joined_of(node)
    assert known is not None
    stranger = CoreDoor(known.doors, authority=(node / "tls/authority.crt").read_text())
    other = node.parent / "other"
    await joined(await core.token("par1"), other)

    for path in ("/member", "/renew", "/switch", "/settle"):
        with pytest.raises(DoorRefused):
            await asyncio.to_thread(stranger.ask, path, None, MemberAnswer)
    answer = await asyncio.to_thread(member_door(other, known).ask, "/member", None, MemberAnswer)
    assert answer.node == "par1"  # as its certificate says, whatever it says itself


async def test_two_do_not_change_one_folder_at_once(core: JoiningCore, node: Path) -> None:
    with Staging(node).alone(), pytest.raises(EnvironmentFailure, match="another process"):
        await run(node)


async def test_the_nodes_parent_renews_by_a_process_of_its_own(
    core: JoiningCore, node: Path
) -> None:
    before, clock = serial(node), FakeClock(now_us=time.time_ns() // 1000)
    shutil.rmtree(node / "incoming", ignore_errors=True)
    run_one = (*command("satellite.joining.key_renewal"), str(node / "satellite.yaml"))
    upkeep = KeyUpkeep(node, command=run_one, clock=clock)

    await upkeep.look()
    assert serial(node) == before
    core.joining._members["lon1"] = core.joining.members()[0]
    await core.joining.rotate("lon1", who="t")
    (node / "wg0.conf").rename(node / "away")  # what it needs is not there
    await upkeep.look()
    assert upkeep._pause_s == LOOK_S * 2
    (node / "away").rename(node / "wg0.conf")

    assert core.joining.members()[0].rotate_us
