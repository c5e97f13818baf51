"""A machine that can become the core has tunnels to the nodes that joined before that."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from common.settings.core import CoreSettings
from common.wireguard_text import WireGuardPeer, peer_with_key, wireguard_text
from core.people.members import MadeToken, NodeMember
from core.recovery.manifest import DATABASE, BackupDamaged
from core.recovery.restore import RestoreRefused
from core.recovery.standby_peers import PeersRefused, take_peers
from core.store.core_lock import CoreRuns
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.saved import open_state, saved, settings_in

NODES = ("lon1", "gone1", "par1", "taken-out1")
KEYS = {node: base64.b64encode(node.ljust(32).encode()).decode() for node in NODES}
RENDERED = base64.b64encode(b"r" * 32).decode()
BY_HAND = base64.b64encode(b"h" * 32).decode()


def named(settings: CoreSettings, folder: Path) -> CoreSettings:
    """Return settings that name three of the nodes, and the machine's file."""
    nodes = [
        {"name": name, "site": "london", "vpn_addresses": [f"10.77.1.{number}"]}
        for number, name in enumerate(NODES[:3], start=1)
    ]
    tree = settings.model_dump() | {"nodes": nodes}
    more = {"state": str(folder / "state"), "wireguard": {"file": str(folder / "wg0.conf")}}
    return CoreSettings.model_validate(tree | more)


async def joined(database: Database, node: str) -> None:
    token = MadeToken(digest=node, node=node, made_us=0, expires_us=1 << 60, who="t")
    await database.members.add_token(token)
    member = NodeMember(node=node, joined_us=0, wireguard=KEYS[node])
    await database.members.join(node, keys=node, issued="{}", member=member, client="t")


@pytest.fixture
async def backup(fake_clock: FakeClock, tmp_path: Path) -> Path:
    """A backup of a core that four nodes have joined."""
    settings = settings_in(tmp_path / "core")
    async with open_state(settings, fake_clock) as core:
        for node in NODES:
            await joined(core.database, node)
        await core.database.members.change(
            "gone1", lambda one: one.revoked(now_us=1), who="t", what="member.revoke"
        )
        return saved(settings, tmp_path / "backup").folder


@pytest.fixture
def standby(tmp_path: Path) -> CoreSettings:
    """Another machine, with what was rendered for it and a peer by hand."""
    folder = tmp_path / "standby"
    folder.mkdir()
    (folder / "wg0.conf").write_text(
        wireguard_text(
            private_key=base64.b64encode(b"p" * 32).decode(),
            vpn_addresses=("10.77.0.2",),
            port=51820,
            peers=[
                WireGuardPeer(name="lon1", public_key=RENDERED, allowed=("10.77.1.1/32",)),
                WireGuardPeer(name="gone1", public_key=KEYS["gone1"], allowed=("10.77.1.2/32",)),
                WireGuardPeer(name="hand", public_key=BY_HAND, allowed=("10.77.9.9/32",)),
            ],
        )
    )
    return named(settings_in(folder), folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


async def test_members_of_a_backup_are_peers_and_whoever_was_revoked_is_none(
    backup: Path, standby: CoreSettings, fake_clock: FakeClock
) -> None:
    before = contents(backup)

    taken = await take_peers(standby, backup, clock=fake_clock)

    text = Path(standby.wireguard.file).read_text()
    assert [peer_with_key(text, KEYS[node]) for node in NODES] == ["lon1", "", "par1", ""]
    assert (peer_with_key(text, RENDERED), peer_with_key(text, BY_HAND)) == ("", "hand")
    assert (taken.members, taken.changed) == (2, True)
    assert not (await take_peers(standby, backup, clock=fake_clock)).changed
    assert contents(backup) == before
    assert list(Path(standby.state).iterdir()) == [], "and no core has begun here"


async def test_a_core_that_runs_keeps_its_peers_itself(
    backup: Path, standby: CoreSettings, fake_clock: FakeClock
) -> None:
    before = Path(standby.wireguard.file).read_text()

    async with open_state(standby, fake_clock):
        with pytest.raises(CoreRuns, match="keeps its peers itself"):
            await take_peers(standby, backup, clock=fake_clock)

    assert Path(standby.wireguard.file).read_text() == before


async def test_what_is_no_whole_backup_of_this_cluster_changes_nothing(
    backup: Path, standby: CoreSettings, fake_clock: FakeClock
) -> None:
    before = Path(standby.wireguard.file).read_text()
    other = standby.model_copy(update={"cluster": "another"})

    with pytest.raises(RestoreRefused, match="another"):
        await take_peers(other, backup, clock=fake_clock)
    with (backup / DATABASE).open("ab") as file:
        file.write(b"more")
    with pytest.raises(BackupDamaged):
        await take_peers(standby, backup, clock=fake_clock)

    assert Path(standby.wireguard.file).read_text() == before


async def test_a_machine_without_a_tunnel_says_so(
    backup: Path, standby: CoreSettings, fake_clock: FakeClock
) -> None:
    none = standby.model_copy(update={"wireguard": type(standby.wireguard)()})

    with pytest.raises(PeersRefused, match=r"wireguard\.file"):
        await take_peers(none, backup, clock=fake_clock)
