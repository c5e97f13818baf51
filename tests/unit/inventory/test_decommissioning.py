"""A node leaves in one order, and whoever was interrupted goes on where he was."""

from __future__ import annotations

from typing import Any

import pytest

from inventory.decommissioning import EMPTY_LOOKS, LeavingNode, LeavingStep, next_step


def node(**more: Any) -> dict[str, Any]:
    return {
        "spool": {},
        "outbox_records": 0,
        "outbox_quarantine": 0,
        "state": "live",
        "accepting": True,
        "not_accepting_reason": "",
        **more,
    }


DRAINING = {"accepting": False, "not_accepting_reason": "draining"}
RESTARTS = {"accepting": False, "not_accepting_reason": "begins anew with other settings"}
TRIES = {"settings": {"state": "trying"}}
TAKES = {"accepting": True, "not_accepting_reason": ""}
MEMBER = {"revoked": None}


def shards(*stands: dict[str, Any], expected: int = 2) -> dict[str, Any]:
    told = [{"shard": number, **stand} for number, stand in enumerate(stands)]
    return node(**DRAINING, shards=told, shards_expected=expected)


@pytest.mark.parametrize(
    ("said", "member", "looks", "is_given_up", "step"),
    [
        (node(), MEMBER, 0, False, LeavingStep.DRAIN),
        (node(accepting=False, not_accepting_reason="disk"), MEMBER, 0, False, LeavingStep.DRAIN),
        (node(**DRAINING, spool={"held": 1}), MEMBER, 0, False, LeavingStep.WAIT),
        (node(**DRAINING), MEMBER, 1, False, LeavingStep.WAIT),
        (node(**DRAINING), MEMBER, EMPTY_LOOKS, False, LeavingStep.REVOKE),
        (shards(DRAINING, TAKES), MEMBER, EMPTY_LOOKS, False, LeavingStep.DRAIN),
        (shards(DRAINING, DRAINING), MEMBER, EMPTY_LOOKS, False, LeavingStep.REVOKE),
        (shards(DRAINING, TAKES, expected=1), MEMBER, EMPTY_LOOKS, False, LeavingStep.REVOKE),
        (node(**RESTARTS), MEMBER, EMPTY_LOOKS, False, LeavingStep.WAIT),
        (node(**TRIES), MEMBER, EMPTY_LOOKS, False, LeavingStep.WAIT),
        (node(**DRAINING, **TRIES), MEMBER, EMPTY_LOOKS, False, LeavingStep.REVOKE),
        (shards(DRAINING, RESTARTS), MEMBER, EMPTY_LOOKS, False, LeavingStep.WAIT),
        (node(state="silent"), MEMBER, 0, False, LeavingStep.LOST),
        (node(state="silent"), MEMBER, 0, True, LeavingStep.REVOKE),
        (node(), MEMBER, 0, True, LeavingStep.DRAIN),  # it is there: nothing of it is given up
        (node(state="silent"), {"revoked": "2026-01-01"}, 0, False, LeavingStep.DONE),
        (None, MEMBER, 0, False, LeavingStep.LOST),
    ],
)
def test_what_comes_next_is_seen_in_what_the_core_says(
    said: dict[str, Any] | None,
    member: dict[str, Any],
    looks: int,
    is_given_up: bool,
    step: LeavingStep,
) -> None:
    stand = LeavingNode.of(said, member)

    assert next_step(stand, empty_looks=looks, is_given_up=is_given_up) is step


GONE = {"recipients": 0, "outbox": 0, "drained": True}


@pytest.mark.parametrize(
    ("said", "member", "is_given_up", "step"),
    [
        (GONE, None, False, LeavingStep.DONE),
        (GONE, MEMBER, False, LeavingStep.REVOKE),
        (GONE | {"recipients": 1}, None, False, LeavingStep.LOST),
        (GONE | {"outbox": 1}, None, False, LeavingStep.LOST),
        (GONE | {"drained": False}, None, False, LeavingStep.LOST),
        (GONE | {"recipients": 1}, None, True, LeavingStep.DONE),
        (None, MEMBER, False, LeavingStep.LOST),
        (None, {"revoked": "2026-01-01"}, False, LeavingStep.DONE),
    ],
)
def test_a_node_that_nothing_names_is_out_once_it_was_empty_or_given_up(
    said: dict[str, Any] | None,
    member: dict[str, Any] | None,
    is_given_up: bool,
    step: LeavingStep,
) -> None:
    stand = LeavingNode.former(said, member)

    assert next_step(stand, empty_looks=0, is_given_up=is_given_up) is step


def test_what_only_a_node_has_is_counted() -> None:
    said = node(spool={"held": 2, "queued": 1}, outbox_records=4, outbox_quarantine=5)

    assert (LeavingNode.of(said, None).recipients, LeavingNode.of(said, None).left) == (3, 12)
