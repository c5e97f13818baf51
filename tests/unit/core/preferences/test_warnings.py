"""What names nobody is said, and what names somebody is not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from common.preferences import Document, Epoch, Position, Preferences
from common.preferences.documents import check_document
from common.reports import FilterReport
from core.preferences.unused_filters import unused_filters
from core.preferences.warnings import (
    WARNINGS_MAX,
    NobodyHas,
    refuse_unknown_engines,
    warnings,
)
from tests.support.core.rooms import document, route

AT = Position(Epoch(1, "e"), 1)
OURS = (
    route(),
    route("listed.example", "acme", recipients="listed"),
    document("recipient", "joe@listed.example", {}),
)
RULE = {"field": "subject", "pattern": "x", "score": 1}


def said(*documents: Document, engines: Collection[str] = ()) -> list[str]:
    current = Preferences.from_documents([], position=AT).applied(
        [*OURS, *documents] if not any(d.removed for d in documents) else OURS, position=AT
    )
    return warnings(current, documents, engines=engines)


OWN = FilterReport(name="", kind="spoofing")


@pytest.mark.parametrize(
    ("key", "body", "filters", "is_told"),
    [
        ("rspamd", {"kind": "rspamd"}, [OWN], True),
        ("rspamd", {"kind": "rspamd"}, [], False),
        ("rspamd", {"kind": "rspamd", "enabled": False}, [OWN], False),
        ("rspamd", {"kind": "rspamd"}, [OWN, FilterReport(name="rspamd", kind="rspamd")], False),
        ("other", {"kind": "rspamd"}, [OWN, FilterReport(name="rspamd", kind="rspamd")], True),
        ("mine", {"kind": "spoofing"}, [OWN], False),
    ],
)
def test_a_document_is_told_that_no_node_has_a_filter_for(
    key: str, body: dict[str, Any], filters: list[FilterReport], is_told: bool
) -> None:
    made = document("filter", key, body)
    current = Preferences.from_documents([], position=AT).applied([made], position=AT)

    told = warnings(current, [made], filters=filters)

    assert [line.partition(":")[0] for line in told] == [f"filter {key}"] * is_told
    assert unused_filters(current, filters) == told


@pytest.mark.parametrize(
    "scope",
    [
        "cluster",
        "customer/acme",
        "domain/acme.example",
        "recipient/anybody@acme.example",
        "recipient/joe@listed.example",
    ],
)
def test_nothing_is_said_of_whom_we_know(scope: str) -> None:
    assert said(document("policy", scope, {"virus": "drop"})) == []
    assert said(document("list", f"white/{scope}/partner.example", {})) == []


@pytest.mark.parametrize(
    ("scope", "why"),
    [
        ("customer/acmee", "no domain belongs to a customer of this name"),
        ("domain/acme.exampel", "we take no mail for acme.exampel"),
        ("recipient/joe@acme.exampel", "we take no mail for acme.exampel"),
        ("recipient/jo@listed.example", "listed.example lists its recipients, and this is none"),
    ],
)
def test_a_name_that_nobody_has_is_said_with_a_way_to_look(scope: str, why: str) -> None:
    for made in (
        document("policy", scope, {"virus": "drop"}),
        document("list", f"white/{scope}/partner.example", {}),
        document("rule", "r", {**RULE, "scope": scope}),
        document("yara", "y", {"source": "rule a { condition: false }", "scope": scope}),
    ):
        (line,) = said(made)
        assert line.startswith(f"{scope}: {why}")
        assert "; see " in line
        assert "borderscout policy show --kind " in line


def test_an_order_and_a_recipient_of_a_domain_without_a_route_are_said() -> None:
    assert "no mail for b.example" in said(document("hold", "b.example", {"hold_days": 3}))[0]
    assert "no mail for b.example" in said(document("recipient", "x@b.example", {}))[0]


def test_a_route_in_the_same_change_makes_its_domain_ours() -> None:
    assert said(route("new.example", "new"), document("policy", "customer/new", {})) == []


def test_nothing_is_said_of_what_is_removed_or_stood_never() -> None:
    assert said(document("policy", "domain/gone.example")) == []


def test_a_name_is_said_once_and_a_flood_ends() -> None:
    many = [document("policy", f"domain/d{number}.example", {}) for number in range(99)]

    assert len(said(many[0], document("list", "white/domain/d0.example/a.example", {}))) == 1
    assert len(said(*many)) == WARNINGS_MAX + 1


def test_a_key_of_the_domain_in_a_policy_of_a_recipient_is_said() -> None:
    body = {"tls": "required", "virus": "drop"}

    (line,) = said(document("policy", "recipient/joe@listed.example", body))

    assert line == (
        "recipient/joe@listed.example: tls is asked for the domain as a whole, and does nothing"
        " here; set it with: borderscout policy set domain/listed.example"
    )
    assert said(document("policy", "domain/acme.example", body)) == []


# ---- engines


@pytest.mark.parametrize(
    "rule", ["any", "majority", "engines:clamav", "engines:clamav,yara"], ids=str
)
def test_nothing_is_said_of_engines_that_some_node_has(rule: str) -> None:
    policy = document("policy", "customer/acme", {"virus.rule": rule})

    assert said(policy, engines={"clamav", "yara"}) == []
    refuse_unknown_engines(check_document(policy), {"clamav", "yara"})


def test_an_engine_that_no_node_has_is_said_with_those_that_there_are() -> None:
    policy = document("policy", "customer/acme", {"virus.rule": "engines:clamv,yara"})

    (line,) = said(policy, engines={"clamav", "yara"})

    what = "virus.rule: no node has an engine clamv; there are clamav, yara"
    assert line == f"customer/acme: {what}"
    with pytest.raises(NobodyHas, match=what):
        refuse_unknown_engines(check_document(policy), {"clamav", "yara"})


def test_as_long_as_no_node_has_said_anything_no_engine_is_unknown() -> None:
    policy = document("policy", "cluster", {"virus.rule": "engines:clamv"})

    assert said(policy, engines=()) == []
    refuse_unknown_engines(check_document(policy), ())
