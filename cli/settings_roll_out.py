"""How do nodes take the settings that were published for them, one after the other?

Touches the network, through the client, and the terminal. It stops with the first node that did
not get to work with its settings; that one has gone back to those before by itself. A node that
cannot be told says nothing of the settings: it is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cli.client import Client, CoreFailure
from cli.inventory_plan import stands_at
from cli.polling import Glance, poll
from inventory.settings_turns import (
    SettingsStand,
    TurnState,
    WantedSettings,
    has_company,
    turn_state,
)

LOOK_S = 0.5
CONFLICT = 409  # the core does not tell this node now
DRAIN_S = 60  # for a node to end what is under way, where its site has another one


@dataclass(frozen=True, slots=True)
class RolledOut:
    """Who has his settings by now.

    Args:
        done: the nodes that have them.
        failed, why: the node with which it stopped; empty: none.
        left: the nodes whose turn has not come because of that.
        untold: the nodes that could not be told, and why.
    """

    done: tuple[str, ...] = ()
    failed: str = ""
    why: str = ""
    left: tuple[str, ...] = ()
    untold: Mapping[str, str] = field(default_factory=dict)


def roll_out(
    client: Client, turns: Sequence[WantedSettings], *, say: Callable[[str], None]
) -> RolledOut:
    """Let nodes take their settings, each once the one before it is at work with its own.

    Args:
        say: told of each node that is at work.

    Raises:
        CoreFailure: the core does not answer.
    """
    done: list[str] = []
    untold: dict[str, str] = {}
    for number, one in enumerate(turns):
        try:
            why = _take(client, one, number, len(turns))
        except CoreFailure as error:
            if error.status != CONFLICT:
                raise
            untold[one.node] = str(error)
            continue
        if why:
            left = tuple(other.node for other in turns[number + 1 :])
            return RolledOut(tuple(done), one.node, why, left, untold)
        done.append(one.node)
        say(f"{one.node} is at work with its settings")
    return RolledOut(tuple(done), untold=untold)


def _take(client: Client, wanted: WantedSettings, number: int, total: int) -> str:
    """Let one node of several take its settings; return why it has not, empty when it has.

    Raises:
        CoreFailure: the core does not answer, or does not tell the node.
    """
    before = stands_at(client).get(wanted.node, SettingsStand())
    nodes = client.ask("GET", "/api/v1/status")["nodes"]
    drain_s = DRAIN_S if has_company(wanted, nodes) else 0
    path = f"/api/v1/nodes/{wanted.node}/settings"
    client.ask("POST", path, body={"digest": wanted.digest, "drain_s": drain_s})

    def look(waited_s: float) -> Glance[str]:
        now = stands_at(client).get(wanted.node, SettingsStand())
        state, why = turn_state(wanted, before=before, now=now, waited_s=waited_s)
        is_over = state is not TurnState.UNDER_WAY
        return Glance(why, is_over, f"{wanted.node} takes its settings", number, total)

    goes_on = f"{wanted.node} goes on taking its settings, and those after it wait: apply again"
    return poll(look, every_s=LOOK_S, within_s=math.inf, interrupted=goes_on).found
