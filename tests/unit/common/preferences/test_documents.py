"""Which documents are taken, and in which form?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.address import AddressError
from common.preferences import Document, DocumentRefused, Epoch, Kind, Scope, ScopeLevel
from common.preferences.bodies import NodeBody
from common.preferences.deliver_to import split_target
from common.preferences.documents import (
    BODIES,
    BODY_BYTES_MAX,
    canonical_json,
    check_document,
)
from common.preferences.list_keys import ListColour, list_key, split_list_key
from common.preferences.node_settings import settings_digest
from tests.support.core.preferences import document, tombstone

ROUTE: dict[str, Any] = {"customer": "acme", "deliver_to": ["mail.acme.example:25"]}
RULE: dict[str, Any] = {"field": "subject", "pattern": "x", "score": 1}
EVERY_KIND = pytest.mark.parametrize("kind", Kind)
DNSBL: dict[str, Any] = {"kind": "dnsbl", "zone": "Zen.Example.", "codes": {"127.0.0.2": 4}}


@pytest.mark.parametrize(
    ("kind", "key", "body", "canonical"),
    [
        (Kind.ROUTE, "Acme.Example.", ROUTE, "acme.example"),
        (Kind.ROUTE, "bücher.example", ROUTE, "xn--bcher-kva.example"),
        (Kind.RECIPIENT, "Joe@Acme.Example", {}, "joe@acme.example"),
        (Kind.ENGINE, "clamav", {"required": False}, "clamav"),
        (Kind.FILTER, "zen", DNSBL, "zen"),
        (Kind.RULE, "no-pills", RULE, "no-pills"),
        (Kind.POLICY, "domain/Acme.Example", {"score.mark": 4}, "domain/acme.example"),
        (Kind.YARA, "invoices", {"source": "rule a { condition: true }"}, "invoices"),
        (Kind.POLICY, "cluster", {"score.drop": None}, "cluster"),
        (Kind.LIST, "black/cluster/Bad@S.Example", {}, "black/cluster/bad@s.example"),
        (Kind.LIST, "white/customer/acme/.S.example", {}, "white/customer/acme/.s.example"),
        (Kind.LIST, "black/cluster/192.0.2.7/24", {}, "black/cluster/192.0.2.0/24"),
        (Kind.LIST, "black/cluster/2001:DB8::1", {}, "black/cluster/2001:db8::1/128"),
    ],
)
def test_a_right_document_gets_its_canonical_key(
    kind: Kind, key: str, body: dict[str, Any], canonical: str
) -> None:
    checked = check_document(document(kind, key, **body))

    assert checked.key == canonical
    assert check_document(checked) == checked


@pytest.mark.parametrize(
    ("kind", "key", "body"),
    [
        (Kind.ROUTE, "not a domain", ROUTE),
        (Kind.ROUTE, "a.example", ROUTE | {"unknown": 1}),
        (Kind.ROUTE, "a.example", ROUTE | {"deliver_to": []}),
        (Kind.ROUTE, "a.example", ROUTE | {"deliver_to": ["mail.acme.example:0"]}),
        (Kind.ROUTE, "a.example", ROUTE | {"deliver_to": ["a b:25"]}),
        (Kind.ROUTE, "a.example", ROUTE | {"hold_days": 31}),
        (Kind.ROUTE, "a.example", ROUTE | {"hold_days": 0}),
        (Kind.RECIPIENT, "joe", {}),
        (Kind.ENGINE, "../x", {}),
        (Kind.ENGINE, "x" * 65, {}),
        (Kind.ENGINE, "clamav", {"required": "perhaps"}),
        (Kind.FILTER, "zen", DNSBL | {"codes": {"127.255.255.254": 4}}),
        (Kind.FILTER, "zen", DNSBL | {"codes": {"10.0.0.1": 4}}),
        (Kind.FILTER, "zen", DNSBL | {"codes": {"127.0.0.2": float("inf")}}),
        (Kind.FILTER, "zen", DNSBL | {"codes": {"127.0.0.2": float("nan")}}),
        (Kind.FILTER, "zen", DNSBL | {"codes": {"nonsense": 4}}),
        (Kind.FILTER, "zen", DNSBL | {"codes": {"*.0.0.2": 4}}),
        (Kind.FILTER, "zen", DNSBL | {"codes": {"127.0.*": 4}}),
        (Kind.FILTER, "zen", DNSBL | {"codes": {"127.0.0.2*0": 4}}),
        (Kind.FILTER, "zen", DNSBL | {"zone": "a b"}),
        (Kind.YARA, "a/b", {"source": "x"}),
        (Kind.YARA, "a", {}),
        (Kind.YARA, "a", {"source": ""}),
        (Kind.YARA, "a", {"source": "x" * 48_001}),
        (Kind.RULE, "r", RULE | {"pattern": "("}),
        (Kind.RULE, "r", RULE | {"pattern": "((a{100}){100}){100}"}),
        (Kind.RULE, "r", RULE | {"pattern": "x" * 513}),
        (Kind.RULE, "r", RULE | {"pattern": "(?<=a)b"}),
        (Kind.RULE, "r", RULE | {"field": "bodies"}),
        (Kind.RULE, "r", RULE | {"field": "header:a b"}),
        (Kind.RULE, "r", RULE | {"score": float("nan")}),
        (Kind.RULE, "r", RULE | {"score": 101}),
        (Kind.RULE, "r", RULE | {"scope": "planet"}),
        (Kind.YARA, "y", {"source": "rule a { condition: false }", "scope": "planet"}),
        (Kind.POLICY, "planet", {}),
        (Kind.POLICY, "cluster", {"score.mrak": 4}),
        (Kind.POLICY, "cluster", {"score.mark": None}),
        (Kind.POLICY, "cluster", {"score.mark": True}),
        (Kind.POLICY, "cluster", {"score.mark": float("nan")}),
        (Kind.POLICY, "cluster", {"virus": "wait"}),
        (Kind.POLICY, "cluster", {"unavailable": "drop"}),
        (Kind.POLICY, "cluster", {"subject_tag": "a\r\nb"}),
        (Kind.POLICY, "cluster", {"subject_tag": "x" * 65}),
        (Kind.LIST, "grey/cluster/a.example", {}),
        (Kind.LIST, "black/a.example", {}),
        (Kind.LIST, "black/cluster/", {}),
        (Kind.LIST, "black/cluster/a b", {}),
        (Kind.LIST, "black/cluster/a.example", {"until_us": -1}),
        (Kind.LIST, "black/cluster/a.example", {"reason": "x" * 501}),
        ("weather", "a", {}),
    ],
)
def test_a_wrong_document_is_refused_and_named(kind: Any, key: str, body: dict[str, Any]) -> None:
    with pytest.raises(DocumentRefused) as raised:
        check_document(document(kind, key, **body))

    assert (raised.value.kind, raised.value.key) == (kind, key)
    assert raised.value.reason


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"required":' + b" " * 70_000]
)
def test_a_body_that_is_no_json_object_or_too_long_is_refused(body: bytes) -> None:
    assert len(body) < 100 or len(body) > BODY_BYTES_MAX

    with pytest.raises(DocumentRefused):
        check_document(Document(Kind.ENGINE, "clamav", 1, body))


def test_a_code_may_leave_a_number_open() -> None:
    check_document(document(Kind.FILTER, "good", **DNSBL | {"codes": {"127.0.*.3": -4}}))


def test_a_tombstone_needs_no_body() -> None:
    checked = check_document(tombstone(Kind.ROUTE, "Acme.Example"))

    assert (checked.key, checked.removed, checked.parsed) == ("acme.example", True, None)


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("black/cluster/10.0.0.0/8", ("black", "cluster", "10.0.0.0/8")),
        ("white/customer/acme/a@b.example", ("white", "customer/acme", "a@b.example")),
        (
            "white/recipient/a/b@c.example/d/e@f.example",
            ("white", "recipient/a/b@c.example", "d/e@f.example"),
        ),
        (
            'white/recipient/"a@/b"@c.example/.d.example',
            ("white", 'recipient/"a@/b"@c.example', ".d.example"),
        ),
        (
            "black/customer/acme/header:list-id:<a/b@c> d:e",
            ("black", "customer/acme", "header:list-id:<a/b@c> d:e"),
        ),
    ],
)
def test_a_list_key_falls_into_its_parts(key: str, parts: tuple[str, str, str]) -> None:
    colour, scope, pattern = split_list_key(key)

    assert (colour, str(scope), pattern) == parts
    assert list_key(colour, scope, pattern) == key


@given(st.sampled_from(ListColour), st.text('ab/@".', max_size=12), st.text("ab/@.", max_size=10))
def test_a_list_key_never_loses_or_mixes_its_parts(
    colour: ListColour, local: str, pattern: str
) -> None:
    try:
        scope = Scope.parse(f"recipient/{local}@c.example")
        key = list_key(colour, scope, pattern)
    except AddressError:
        return
    again = split_list_key(key)
    assert again[:2] == (colour, scope)
    assert list_key(*again) == key


@pytest.mark.parametrize(
    "pattern",
    ["header:", "header:a", "header:a:", "header: a:b", "header:a:(", "header:a:\x00",
     "header:a:\n",
     "header:a:\ud800", "header:\u00e4:b", "header:" + "a" * 77 + ":b", "header:a:" + "b" * 201,
     "header:a:(((a{1,1000}){1,1000}){1,1000})", "192.0.2.0/33", "::/129", "1.2.3.4/", "/", "."],
)  # fmt: skip
def test_a_pattern_that_no_node_could_use_is_refused(pattern: str) -> None:
    with pytest.raises(DocumentRefused):
        check_document(document(Kind.LIST, f"black/cluster/{pattern}"))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("HEADER:List-ID:Ab", "header:list-id:Ab"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("::/0", "::/0"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("7.example", "7.example"),
        ("dead.example", "dead.example"),
        (".B\u00fccher.example", ".xn--bcher-kva.example"),
    ],
)
def test_a_pattern_is_kept_in_one_way(typed: str, kept: str) -> None:
    assert check_document(document(Kind.LIST, f"black/cluster/{typed}")).key == (
        f"black/cluster/{kept}"
    )


def test_scopes_are_ordered_from_wide_to_near() -> None:
    texts = ["recipient/x@a.example", "cluster", "domain/a.example", "customer/acme"]

    assert [str(scope) for scope in sorted(map(Scope.parse, texts))] == [
        "cluster",
        "customer/acme",
        "domain/a.example",
        "recipient/x@a.example",
    ]
    assert Scope.parse("cluster").level is ScopeLevel.CLUSTER


def test_epochs_are_ordered_by_generation_whatever_their_identifiers() -> None:
    assert Epoch(1, "z") < Epoch(2, "a")


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("mail.acme.example:2525", ("mail.acme.example", 2525)),
        ("Mail.Acme.Example", ("mail.acme.example", 25)),
        ("192.0.2.1:25", ("192.0.2.1", 25)),
        ("[2001:DB8::1]:26", ("2001:db8::1", 26)),
        ("[2001:db8::1]", ("2001:db8::1", 25)),
    ],
)
def test_a_target_is_host_and_port(target: str, parts: tuple[str, int]) -> None:
    assert split_target(target) == parts


@pytest.mark.parametrize(
    "target", ["", ":25", "a.example:", "a.example:65536", "a.example:x", "a b"]
)
def test_what_is_no_target_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_target(target)


def test_one_body_has_one_form() -> None:
    assert canonical_json({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'.encode()


@EVERY_KIND
def test_every_kind_of_document_and_its_removal_is_shown_by_an_example_that_is_taken(
    kind: Kind,
) -> None:
    body = BODIES[kind]

    taken = check_document(document(kind, body.example_key, **body.example))
    gone = check_document(tombstone(kind, body.example_key))

    assert taken.key == gone.key == body.example_key
    assert json.loads(taken.body) == body.example
    assert body.removal


@EVERY_KIND
def test_every_field_of_a_body_says_what_it_means(kind: Kind) -> None:
    for name, field in BODIES[kind].model_fields.items():
        assert field.description, name


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (Kind.RULE, {**RULE, "field": "subjct"}, "field: where it looks: `subject`, `sender`, "),
        (Kind.ENGINE, {"requird": False}, "requird: no such field; there are required"),
        (Kind.ROUTE, {"customer": "acme"}, "deliver_to: this field is needed"),
        (Kind.ROUTE, {**ROUTE, "deliver_to": ["a:x"]}, "deliver_to: 'a:x' has no valid port; "),
        (Kind.POLICY, {"scre": 1}, "'scre' is no policy key; there are score.mark, "),
    ],
)
def test_what_is_wrong_with_a_body_is_said_in_words_of_the_documentation(
    kind: Kind, body: dict[str, Any], said: str
) -> None:
    with pytest.raises(DocumentRefused) as caught:
        check_document(document(kind, BODIES[kind].example_key, **body))

    assert caught.value.reason.startswith(said)
    assert "docs/documents.md" in caught.value.hint


NODE: dict[str, Any] = dict(BODIES[Kind.NODE].example)


def _node(**changed: Any) -> Document:
    return document(Kind.NODE, "lon1", **NODE | changed)


def test_a_node_document_has_its_addresses_in_the_one_way_to_write_them() -> None:
    taken = check_document(_node(addresses=["2001:DB8::1", "192.0.2.10"]))

    assert taken.body_as(NodeBody).addresses == ("2001:db8::1", "192.0.2.10")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"digest": "0" * 64}, "digest is not that of the settings, which is 8bc3f0326"),
        ({"digest": "x"}, "digest: "),
        ({"settings": {"node": "lon2"}}, "digest is not that of the settings"),
        ({"settings": {"a": "x" * 60_000}}, "more than 60000 octets of settings"),
        ({"settings": {"a": float("inf")}}, ""),
        ({"site": "../x"}, "site: "),
        ({"addresses": ["lon1.example"]}, "addresses.0: 'lon1.example' is no IP address"),
        ({"wireguard": {"port": 0, "core": NODE["wireguard"]["core"]}}, "wireguard.port: "),
        ({"wireguard": NODE["wireguard"] | {"private": "x"}}, "wireguard.private: no such field"),
    ],
)
def test_a_wrong_node_document_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DocumentRefused) as caught:
        check_document(_node(**changed))

    assert caught.value.reason.startswith(said)


@pytest.mark.parametrize("name", ["", "Lon1", "-lon1", "lon1.x", "x" * 64, "lon1\n"])
def test_a_node_document_is_of_a_node_that_may_have_that_name(name: str) -> None:
    with pytest.raises(DocumentRefused, match="a node's name has"):
        check_document(document(Kind.NODE, name, **NODE))


def test_the_digest_of_settings_does_not_depend_on_the_order_in_which_they_are_written() -> None:
    assert settings_digest({"a": 1, "b": {"d": 1, "c": "ü"}}) == settings_digest(
        {"b": {"c": "ü", "d": 1}, "a": 1}
    )
    assert settings_digest({"a": 1}) != settings_digest({"a": "1"})
