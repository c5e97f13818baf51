"""How does a machine that can become the core know the nodes that joined, before it is the core?

Touches a backup, a copy of its database, and the machine's WireGuard file. A running core keeps the
peers of members in the file of the machine that it runs on. Any other one has them by what travels
there anyway: so its tunnels are seen to work before they are needed.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from common.clock import Clock
from common.errors import LocalError
from common.settings.core import CoreSettings
from core.joining.member_peers import peers_of, put_peers
from core.recovery.copying import check_owner, check_room, copy, failure_of
from core.recovery.manifest import DATABASE
from core.recovery.places import database_file
from core.recovery.restore import checked_manifest
from core.store.core_lock import CoreRuns, is_locked
from core.store.database import Database

_COPY = "peers-"  # the beginning of the name of a folder in the state, for as long as it is read


class PeersRefused(LocalError):
    """There is no tunnel on this machine."""


@dataclass(frozen=True, slots=True)
class PeersTaken:
    """What the WireGuard file knows by now.

    Args:
        members: how many of the backup's have a tunnel.
        changed: the file was written.
        made_us: when the backup was made, microseconds since the epoch (UTC).
    """

    members: int
    changed: bool
    made_us: int


async def take_peers(settings: CoreSettings, folder: Path, *, clock: Clock) -> PeersTaken:
    """Let the WireGuard file of a machine on which no core runs have the members of a backup.

    Those that were revoked are taken out of it. All else stays as it is.

    Args:
        settings: of the core, on this machine.
        folder: the backup; nothing in it is changed.

    Raises:
        BackupDamaged, RestoreRefused: its database is not as it was written, or another cluster's.
        PeersRefused: the settings name no WireGuard file.
        CoreRuns: the core runs here, and keeps the file itself.
        NotTheOwner, EnvironmentFailure: what stands in the way.
    """
    if not settings.wireguard.file:
        raise PeersRefused("core.yaml names no wireguard.file", hint="render this machine's folder")
    file, state = database_file(settings), Path(settings.state)
    if is_locked(file):
        raise CoreRuns("the core runs here, and keeps its peers itself", hint="nothing is to do")
    manifest = checked_manifest(folder, settings)
    tunnel = Path(settings.wireguard.file)
    try:
        check_owner(tunnel)
        _make_room(state, manifest.database_size)
        with tempfile.TemporaryDirectory(prefix=_COPY, dir=state) as place:
            # A copy: one of an earlier version is brought up to ours as it is opened.
            database = Path(place) / DATABASE
            await asyncio.to_thread(copy, folder / DATABASE, database)
            async with await Database.open(database, clock=clock) as opened:
                members = await opened.members.members()
                peers = peers_of(members, settings, opened.preferences.current)
        gone = [one.node for one in members if one.revoked_us]
        changed = await asyncio.to_thread(put_peers, tunnel, peers, gone=gone)
    except OSError as error:
        raise failure_of(error) from None
    count = len({peer.name for peer in peers})
    return PeersTaken(members=count, changed=changed, made_us=manifest.made_us)


def _make_room(state: Path, wanted: int) -> None:
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_owner(state)
    check_room(state, wanted)
