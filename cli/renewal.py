"""How is a node's spools' renewal asked for, whether or not the node runs?

Touches the node's control socket, or its state folder while it does not run.
"""

from __future__ import annotations

from pathlib import Path

from cli.node import ask, state_folder
from cli.output import fail
from common.errors import EnvironmentFailure
from satellite.console.questions import RenewQuestion


def renew_spools(config: Path) -> int:
    """Let every spool of a node begin a new life; return how many there are."""
    from satellite.node.parent import shard_folder, shards_on_disk
    from satellite.spool.mending.renewal import ask_for_renewal

    state = state_folder(config)
    try:
        return len(ask(config, RenewQuestion()))
    except EnvironmentFailure:
        shards = shards_on_disk(state)
    if not shards:
        fail(f"there is no spool in {state}; name the settings of a node that has run: --config")
    try:
        for shard in shards:
            ask_for_renewal(shard_folder(state, shard))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}; it needs the right to write there")
    return len(shards)
