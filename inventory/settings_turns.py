"""Which node takes its settings when, and has one that was told taken them?

Pure. One node at a time, in the order of the inventory, so that no site is ever without all of its
nodes at once. What a node says of itself decides; one that is silent has its turn at a later run.
One that did not take these very settings before comes last: the run ends with it, and a node whose
disk is full, or that says so whatever it is told, is to keep no other from its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

SAME_ANSWER_S = 15.0  # an answer that stood before we asked is that of another time until then
TURN_S = 300.0  # a node that has not settled by then is taken for one that cannot

_SILENT = "it is silent; apply again once it is back"
_OLD = (
    "it takes no settings over its link, as a version before; copy its rendered"
    " satellite.yaml there and restart it"
)
_FAILED = ("refused", "rolled_back")


@dataclass(frozen=True, slots=True)
class WantedSettings:
    """Which settings a node shall have.

    Args:
        site, node: whose.
        digest: of the settings that are published for it.
        was: of those that were published before; empty: none were.
    """

    site: str
    node: str
    digest: str
    was: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsStand:
    """How a node stands, as the core's status says.

    Args:
        in_force: the digest of its settings; empty: it does not say.
        told: the digest of those that it was told to take last.
        state, problem: of those that it was told.
        is_heard: whether it speaks to the core now; None: it never did.
    """

    in_force: str = ""
    told: str = ""
    state: str = ""
    problem: str = ""
    is_heard: bool | None = None

    @classmethod
    def of(cls, node: Mapping[str, Any] | None) -> SettingsStand:
        """Return how a node of the status stands; None: the status does not have it."""
        if node is None or node["heard_s_ago"] is None:
            return cls()
        said = node.get("settings") or {}
        return cls(
            in_force=said.get("in_force") or "",
            told=said.get("told") or "",
            state=said.get("state") or "",
            problem=said.get("problem") or "",
            is_heard=node["state"] != "silent",
        )


@dataclass(frozen=True, slots=True)
class SettingsTurns:
    """Who takes his settings now, and who does not.

    Args:
        turns: one after the other.
        waiting: by node, why it cannot now although it should: somebody has to see to it.
        to_join: the nodes that were never heard; they begin with these settings when they join.
    """

    turns: tuple[WantedSettings, ...]
    waiting: Mapping[str, str]
    to_join: tuple[str, ...]


def turns_of(
    wanted: Iterable[WantedSettings], stands: Mapping[str, SettingsStand]
) -> SettingsTurns:
    """Return whose turn it is, in the order of ``wanted``, those last who have failed before."""
    turns: list[WantedSettings] = []
    waiting: dict[str, str] = {}
    to_join: list[str] = []
    for one in wanted:
        stand = stands.get(one.node, SettingsStand())
        if stand.is_heard is None:
            to_join.append(one.node)
        elif _is_done(one, stand):
            continue
        elif not stand.in_force:
            if one.was != one.digest and one.was:
                # A core that began anew has not been told by a node that is away since.
                waiting[one.node] = _OLD if stand.is_heard else _SILENT
        elif not stand.is_heard:
            waiting[one.node] = _SILENT
        else:
            turns.append(one)
    turns.sort(key=lambda one: _has_failed(one, stands[one.node]))
    return SettingsTurns(tuple(turns), waiting, tuple(to_join))


def has_company(wanted: WantedSettings, nodes: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether another node of a site takes mail while one does not.

    Args:
        wanted: whose turn it is.
        nodes: of the core's status.
    """
    return any(
        node["node"] != wanted.node
        and node["site"] == wanted.site
        and node["state"] != "silent"
        and node["accepting"]
        for node in nodes
    )


class TurnState(StrEnum):
    """How far a node is that was told to take its settings."""

    UNDER_WAY = "under way"
    DONE = "done"
    FAILED = "failed"


def turn_state(
    wanted: WantedSettings, *, before: SettingsStand, now: SettingsStand, waited_s: float
) -> tuple[TurnState, str]:
    """Return how far a node is, and why it failed when it has.

    Args:
        before: how it stood when it was told.
        now: how it stands.
        waited_s: since it was told.
    """
    if _is_done(wanted, now) and now.is_heard:
        return TurnState.DONE, ""
    is_old_answer = replace(now, is_heard=None) == replace(before, is_heard=None)
    is_of_others = bool(now.told) and now.told != wanted.digest
    if (
        now.state in _FAILED
        and not is_of_others
        and not (is_old_answer and waited_s < SAME_ANSWER_S)
    ):
        return TurnState.FAILED, f"{now.state.replace('_', ' ')}: {now.problem or 'no reason told'}"
    if waited_s >= TURN_S:
        found = "it is silent" if not now.is_heard else f"it says {now.state or 'nothing'}"
        return TurnState.FAILED, f"not in force after {TURN_S:.0f} s; {found}"
    return TurnState.UNDER_WAY, ""


def _is_done(wanted: WantedSettings, stand: SettingsStand) -> bool:
    """Say whether a node works with what it shall have; that it once refused others is over."""
    is_trying = stand.state == "trying"
    has_failed = _has_failed(wanted, stand)
    return stand.in_force == wanted.digest and not is_trying and not has_failed


def _has_failed(wanted: WantedSettings, stand: SettingsStand) -> bool:
    """Say whether a node was told to take what it shall have, and did not."""
    return stand.state in _FAILED and stand.told == wanted.digest
