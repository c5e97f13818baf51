"""How does a core that does not run begin a new epoch?

Touches the database and the bodies. Whoever put the database back by other means than ours, such as
a server's own or a snapshot of a disk, ends with this: cases and bodies are made to agree, too.
"""

from __future__ import annotations

import socket
from pathlib import Path

from common.clock import Clock
from common.preferences import Position
from common.settings.core import CoreSettings
from common.settings.values import split_endpoint
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody, SettledCases
from core.recovery.copying import check_owner
from core.recovery.manifest import BODIES
from core.recovery.places import database_target
from core.recovery.restore import RestoreRefused, check_finished
from core.store.core_lock import is_locked
from core.store.database import Database
from core.store.dialect import database_url, sqlite_file

ANSWER_S = 5.0


async def renew_at_rest(
    settings: CoreSettings,
    *,
    clock: Clock,
    who: str,
    generation: int | None = None,
) -> tuple[Position, SettledCases]:
    """Begin a new epoch; return where the preferences are then, and what did not agree.

    Args:
        settings: of the core.
        clock: for the audit.
        who: for the audit.
        generation: of the epoch; None: one later than the last.

    Raises:
        RestoreRefused: there is no core there, or one that is half restored.
        CoreRuns: it runs.
        EpochRefused, NotTheOwner, EnvironmentFailure: what stands in the way.
    """
    state, target = Path(settings.state), database_target(settings)
    check_finished(state)
    file = sqlite_file(database_url(target))
    if file is not None:
        if not file.exists():
            raise RestoreRefused(
                f"{file}: no core has begun there", hint="start it, or restore a backup"
            )
        check_owner(file)
    async with await Database.open(target, clock=clock) as database:
        epoch = await database.preferences.renew_epoch(who=who, generation=generation)
        bodies = await BodyFolder.open(state / BODIES)
        settled = await Custody(database=database, bodies=bodies, clock=clock).settle(who=who)
        # One that was used after what was put back would be good a second time.
        await database.members.withdraw_tokens(who=who)
        assert database.epoch == epoch
        return database.preferences.position, settled


def address_of_running(settings: CoreSettings) -> str | None:
    """Return where the core of some settings serves people, or None when it does not run.

    Whether a core runs on a database of a server only its address can tell.
    """
    host, port = split_endpoint(settings.http)
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what is asked of
    file = sqlite_file(database_url(database_target(settings)))
    runs = _answers(reached, port) if file is None else file.exists() and is_locked(file)
    shown = f"[{reached}]" if ":" in reached else reached
    return f"http://{shown}:{port}" if runs else None


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=ANSWER_S):
            return True
    except OSError:
        return False
