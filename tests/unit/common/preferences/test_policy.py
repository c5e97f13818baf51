"""How is a policy key declared, read and refused, and how do the scopes' policies become one?"""

from __future__ import annotations

from dataclasses import fields

import pytest

from common.preferences import POLICY_KEYS, Action
from common.preferences.policy import (
    DEFAULT_POLICY,
    Policy,
    PolicyKey,
    parse_policy,
    resolve_policy,
)

PROMISED = {
    "score.mark": 5.0,
    "score.quarantine": 10.0,
    "score.drop": None,
    "score.reject": None,
    "virus": "quarantine",
    "virus.rule": "any",
    "virus.outvoted": "mark",
    "encrypted": "mark",
    "macro": "mark",
    "unscannable": "quarantine",
    "archive.unreadable": "quarantine",
    "unavailable": "wait",
    "unavailable.error": None,
    "unavailable.timeout": None,
    "stale": "deliver",
    "engine.cloud": "deny",
    "blacklist": "quarantine",
    "dmarc": "mark",
    "whitelist.proof": "required",
    "dnsbl.reject": None,
    "subject_tag": "",
    "tls": "opportunistic",
    "eight_bit": "send",
    "dsn": "failure-only",
    "unverified": "accept",
    "greylisting": "off",
    "greylisting_wait_s": 300.0,
    "notice_hours": None,
    "dsn.language": "en",
    "drain_rate": None,
    "scan": "after",
    "scan_budget_s": 20.0,
    "learning": "off",
    "zero_hour": None,
    "zero_hour.types": "all",
}
keys = pytest.mark.parametrize("key", POLICY_KEYS.values(), ids=list(POLICY_KEYS))


def test_the_defaults_are_those_that_the_documentation_promises() -> None:
    assert {name: key.default for name, key in POLICY_KEYS.items()} == PROMISED


def test_every_field_of_a_policy_but_its_sources_is_a_key() -> None:
    attributes = [key.attribute for key in POLICY_KEYS.values()]

    assert [*attributes, "sources"] == [each.name for each in fields(Policy)]


@keys
def test_every_default_is_a_value_that_may_be_set(key: PolicyKey) -> None:
    assert key.parse(key.default) == key.default
    assert key.value_in(DEFAULT_POLICY) == key.default


@keys
def test_every_example_can_be_typed_and_is_not_the_default(key: PolicyKey) -> None:
    policy = resolve_policy([("cluster", parse_policy({key.name: key.read(key.example)}))])

    assert key.value_in(policy) != key.default
    assert key.source_in(policy) == "cluster"


def test_the_nearer_scope_wins_key_by_key_and_is_named() -> None:
    policy = resolve_policy(
        [
            ("cluster", parse_policy({"virus": "drop", "score.mark": 4.0})),
            ("domain/acme.example", parse_policy({"virus": "mark"})),
        ]
    )

    assert policy.virus is Action.MARK
    assert policy.score_mark == 4.0
    assert policy.score_drop is None
    assert {name: key.source_in(policy) for name, key in POLICY_KEYS.items()} == {
        **dict.fromkeys(POLICY_KEYS, "default"),
        "virus": "domain/acme.example",
        "score.mark": "cluster",
    }


def test_a_nearer_scope_may_say_none_again() -> None:
    policy = resolve_policy(
        [
            ("cluster", parse_policy({"score.drop": 20})),
            ("domain/acme.example", parse_policy({"score.drop": None})),
        ]
    )

    assert policy.score_drop is None


def test_a_number_without_a_point_is_a_number() -> None:
    assert isinstance(
        resolve_policy([("cluster", parse_policy({"score.mark": 4}))]).score_mark, float
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("colour", 1, "'colour' is no policy key; there are score.mark, "),
        ("virus", "wait", "virus is one of deliver, mark, quarantine, drop, reject, not 'wait'"),
        ("virus", ["drop"], "virus is one of "),
        ("score.mark", "4", "score.mark is a number from -10000 to 10000, not '4'"),
        ("score.mark", True, "score.mark is a number from -10000 to 10000, not True"),
        ("score.mark", float("nan"), "score.mark is a number from -10000 to 10000, not nan"),
        ("score.mark", None, "score.mark needs a number"),
        ("notice_hours", 721, "notice_hours is a number from 0.1 to 720, not 721"),
        ("subject_tag", "x" * 65, "subject_tag is text of at most 64 characters"),
        ("subject_tag", "a\r\nBcc: b@c", "subject_tag holds printable ASCII only"),
    ],
)
def test_what_a_key_does_not_hold_is_refused_with_what_it_does(
    name: str, value: object, said: str
) -> None:
    with pytest.raises(ValueError) as caught:
        parse_policy({name: value})

    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("score.mark", "4", 4.0),
        ("score.drop", "never", None),
        ("notice_hours", "none", None),
        ("virus", "drop", "drop"),
        ("subject_tag", "never", "never"),
    ],
)
def test_what_is_typed_becomes_a_value_of_json(name: str, text: str, value: object) -> None:
    assert POLICY_KEYS[name].read(text) == value


@pytest.mark.parametrize("text", ["many", "nan", "inf", "never", "", "1e9"])
def test_a_number_that_is_typed_wrong_is_shown_as_it_was_typed(text: str) -> None:
    with pytest.raises(ValueError, match=r"score\.mark is a number from -10000 to 10000, not "):
        POLICY_KEYS["score.mark"].read(text)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("any", "any"),
        ("majority", "majority"),
        ("engines:nod32", "engines:nod32"),
        ("engines:nod32,clamav,nod32", "engines:clamav,nod32"),
    ],
)
def test_a_virus_rule_is_any_majority_or_the_names_of_engines(typed: str, read: str) -> None:
    assert POLICY_KEYS["virus.rule"].read(typed) == read


@pytest.mark.parametrize(
    "typed",
    [
        *("", "all", "engines:", "engines:a,", "engines:a b", "engines:a/b", f"engines:{'x' * 65}"),
        "engines:" + ",".join(f"e{number}" for number in range(17)),
    ],
)
def test_what_is_no_virus_rule_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="any, majority or engines:NAME,NAME"):
        POLICY_KEYS["virus.rule"].read(typed)


def test_a_choice_that_may_be_none_is_typed_as_a_number_that_may_be() -> None:
    key = POLICY_KEYS["unavailable.error"]

    assert (key.read("none"), key.read("wait"), key.parse(None)) == (None, "wait", None)
    with pytest.raises(ValueError, match="wait, quarantine, mark, none"):
        key.read("drop")
