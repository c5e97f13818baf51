"""What comes next when a node is taken out of service?

Pure. A node goes in one order, and each step is seen in what the core and DNS say, so that whoever
was interrupted goes on where he was: no MX leads to it, it takes no mail, it is empty, nothing that
it has is let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from common.reports import BEGINS_ANEW, SettingsState, is_draining

EMPTY_LOOKS = 2  # in a row: what was just delivered is told of a moment later


class LeavingStep(StrEnum):
    """How far a node is on its way out."""

    DRAIN = "drain"  # it is to be told to take no mail
    WAIT = "wait"  # it takes none, and has some left; or it begins anew, and is told after that
    REVOKE = "revoke"  # it is empty, or was given up
    LOST = "lost"  # it is silent, and somebody has to say that what it holds is lost
    DONE = "done"  # nothing that it has is let in


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingNode:
    """How a node stands, as the core says.

    Args:
        recipients: that it has not done with, as it reported last.
        outbox: log records and quarantined messages that the core has not got.
        is_heard: whether it speaks to the core now.
        is_draining: it takes no mail, since it is being emptied.
        is_restarting: it begins anew with other settings, or has to show that it can work with
            them: told to take no mail it would go back to those before.
        is_member: it has joined, and was not revoked.
        was_revoked: it had joined, and was.
        is_named: the core's settings or its documents have it; else nothing of it is let in now.
        is_shut_out: it never joined, and nothing names it any more: so nothing of it is let in.
        was_emptied: so it said when it was heard last, before nothing named it any more.
    """

    recipients: int = 0
    outbox: int = 0
    is_heard: bool = False
    is_draining: bool = False
    is_restarting: bool = False
    is_member: bool = False
    was_revoked: bool = False
    is_named: bool = True
    is_shut_out: bool = False
    was_emptied: bool = False

    @classmethod
    def of(cls, node: Mapping[str, Any] | None, member: Mapping[str, Any] | None) -> LeavingNode:
        """Return how a node stands.

        Args:
            node: of the core's status; None: it does not have it.
            member: of the core's members; None: it never joined.
        """
        was_revoked = member is not None and bool(member["revoked"])
        is_member = member is not None and not was_revoked
        if node is None:
            return cls(is_member=is_member, was_revoked=was_revoked)
        return cls(
            recipients=sum(node["spool"].values()),
            outbox=node["outbox_records"] + node["outbox_quarantine"],
            is_heard=node["state"] != "silent",
            is_draining=all(map(_is_draining, (node, *_shards(node)))),
            is_restarting=any(map(_is_restarting, (node, *_shards(node)))),
            is_member=is_member,
            was_revoked=was_revoked,
        )

    @classmethod
    def former(
        cls, said: Mapping[str, Any] | None, member: Mapping[str, Any] | None
    ) -> LeavingNode:
        """Return how a node stands that neither the core's settings nor its documents name.

        Args:
            said: its last report; None: it was never heard.
            member: of the core's members; None: it never joined.
        """
        stand = replace(cls.of(None, member), is_named=False, is_shut_out=member is None)
        if said is None:
            return stand
        held = {"recipients": said["recipients"], "outbox": said["outbox"]}
        return replace(stand, **held, was_emptied=said["drained"] and not any(held.values()))

    @property
    def left(self) -> int:
        """How much it has that is nowhere else."""
        return self.recipients + self.outbox


def _is_draining(told: Mapping[str, Any]) -> bool:
    return is_draining(accepting=told["accepting"], reason=told["not_accepting_reason"])


def _is_restarting(told: Mapping[str, Any]) -> bool:
    is_tried = (told.get("settings") or {}).get("state") == SettingsState.TRYING
    return is_tried or told["not_accepting_reason"] == BEGINS_ANEW


def _shards(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the shards that may take mail: one without a link was not told, and takes it."""
    shards = node.get("shards", ())
    return [one for one in shards if "accepting" in one and one["shard"] < node["shards_expected"]]


def next_step(node: LeavingNode, *, empty_looks: int, is_given_up: bool) -> LeavingStep:
    """Return what comes next.

    Args:
        node: as it stands.
        empty_looks: how often in a row it was seen to be empty, this time included.
        is_given_up: somebody said that what a silent node holds is lost.
    """
    if node.was_revoked:
        return LeavingStep.DONE
    if not node.is_heard:
        if not (is_given_up or node.was_emptied):
            return LeavingStep.LOST
        return LeavingStep.DONE if node.is_shut_out else LeavingStep.REVOKE
    if not node.is_draining:
        return LeavingStep.WAIT if node.is_restarting else LeavingStep.DRAIN
    return LeavingStep.REVOKE if empty_looks >= EMPTY_LOOKS else LeavingStep.WAIT
