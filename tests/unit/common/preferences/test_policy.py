"""How do the scopes' policies become one?"""

from __future__ import annotations

import pytest

from common.preferences import POLICY_KEYS, Action
from common.preferences.policy import check_policy_value, resolve_policy

PROMISED = {
    "score.mark": 5.0,
    "score.quarantine": 10.0,
    "score.drop": None,
    "virus": "quarantine",
    "encrypted": "mark",
    "macro": "mark",
    "unscannable": "quarantine",
    "unavailable": "wait",
    "blacklist": "quarantine",
    "subject_tag": "",
    "tls": "opportunistic",
    "eight_bit": "send",
    "notice_hours": None,
    "drain_rate": None,
    "scan": "after",
    "scan_budget_s": 20.0,
}


def test_the_defaults_are_those_that_the_documentation_promises() -> None:
    assert {name: key.default for name, key in POLICY_KEYS.items()} == PROMISED


@pytest.mark.parametrize("key", list(POLICY_KEYS))
def test_every_default_is_a_value_that_may_be_set(key: str) -> None:
    check_policy_value(key, POLICY_KEYS[key].default)


def test_the_nearer_scope_wins_key_by_key_and_is_named() -> None:
    policy = resolve_policy(
        [
            ("cluster", {"virus": "drop", "score.mark": 4.0}),
            ("domain/acme.example", {"virus": "mark"}),
        ]
    )

    assert policy.action("virus") is Action.MARK
    assert policy.threshold("score.mark") == 4.0
    assert policy.threshold("score.drop") is None
    assert policy.sources == {"virus": "domain/acme.example", "score.mark": "cluster"}


def test_a_number_without_a_point_is_a_number() -> None:
    threshold = resolve_policy([("cluster", {"score.mark": 4})]).threshold("score.mark")

    assert isinstance(threshold, float)
