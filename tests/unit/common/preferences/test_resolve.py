"""What do the preferences say for one recipient, and are they the same however they came about?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.preferences import (
    Document,
    DocumentRefused,
    Kind,
    ListColour,
    Preferences,
)
from common.preferences.bodies import ListBody
from common.preferences.digest import EMPTY_DIGEST, changed, document_hash
from common.preferences.documents import NOTHING
from common.pushed_rules import PushedRules
from tests.support.core.preferences import at, document, preferences, route, tombstone

NOW = 1_000_000
X = "X@Acme.example"


def hit(
    prefs: Preferences, *, sender: str = "joe@mail.s.example", client: str = "192.0.2.7"
) -> str:
    found = prefs.list_search(sender=sender, client_address=client, now_us=NOW).hit(
        "X@acme.example"
    )
    return str(found)


def test_nothing_applied_takes_no_mail() -> None:
    prefs = Preferences()

    assert prefs.position == NOTHING
    assert prefs.digest == EMPTY_DIGEST
    assert not prefs.accepts("x@acme.example")
    assert prefs.route("acme.example") is None


def test_a_route_makes_its_domain_ours() -> None:
    prefs = preferences(route(hold_days=3))

    found = prefs.route("acme.example")
    assert found is not None
    assert (found.customer, found.deliver_to, found.hold_days) == (
        "acme",
        ("mail.acme.example:25",),
        3,
    )
    assert prefs.accepts("Anybody@acme.example")
    assert not prefs.accepts("x@sub.acme.example")


def test_a_domain_whose_recipients_are_probed_takes_any_until_its_server_was_asked() -> None:
    found = preferences(route(recipients="probe"))

    asked = found.route("acme.example")
    assert asked is not None
    assert (asked.probes_recipients, asked.lists_recipients) == (True, False)
    assert found.accepts("x@acme.example")


def test_a_domain_that_lists_its_recipients_takes_no_others() -> None:
    prefs = preferences(route(recipients="listed"), document(Kind.RECIPIENT, "Joe@acme.example"))

    assert prefs.accepts("JOE@acme.example")
    assert not prefs.accepts("jane@acme.example")


def test_the_policy_of_a_recipient_comes_from_the_nearest_scope() -> None:
    prefs = preferences(
        route(),
        document(Kind.POLICY, "cluster", virus="drop", macro="drop", encrypted="drop"),
        document(Kind.POLICY, "customer/acme", macro="deliver", encrypted="deliver"),
        document(Kind.POLICY, "recipient/x@acme.example", encrypted="quarantine"),
    )

    policy = prefs.policy("X@acme.example")

    assert (policy.virus, policy.macro, policy.encrypted) == ("drop", "deliver", "quarantine")
    assert policy.sources["encrypted"] == "recipient/x@acme.example"
    assert prefs.policy("y@other.example").macro == "drop"


def test_an_engine_that_nobody_weighed_must_answer() -> None:
    prefs = preferences(document(Kind.ENGINE, "nod32", required=False))

    assert prefs.engine_is_required("clamav")
    assert not prefs.engine_is_required("nod32")


def test_only_enabled_filters_of_the_kind_are_there() -> None:
    prefs = preferences(
        document(Kind.FILTER, "b", kind="dnsbl", zone="b.example"),
        document(Kind.FILTER, "a", kind="dnsbl", zone="a.example"),
        document(Kind.FILTER, "c", kind="dnsbl", zone="c.example", enabled=False),
        document(Kind.FILTER, "d", kind="other"),
    )

    assert list(prefs.filters("dnsbl")) == ["a", "b"]


@pytest.mark.parametrize(
    ("entries", "decides"),
    [
        (["black/cluster/s.example"], "None"),
        (["black/cluster/mail.s.example"], "black cluster mail.s.example"),
        (["black/cluster/.s.example"], "black cluster .s.example"),
        (["black/cluster/.mail.s.example"], "black cluster .mail.s.example"),
        (["black/cluster/.example", "white/cluster/.s.example"], "white cluster .s.example"),
        (["black/cluster/mail.s.example", "white/cluster/.mail.s.example"],
         "black cluster mail.s.example"),
        (["black/cluster/JOE@mail.s.example", "white/cluster/mail.s.example"],
         "black cluster joe@mail.s.example"),
        (["black/cluster/192.0.2.0/24", "white/cluster/192.0.2.7"], "white cluster 192.0.2.7/32"),
        (["black/cluster/192.0.2.0/24", "white/cluster/.s.example"], "white cluster .s.example"),
        (["white/cluster/s.example", "black/cluster/192.0.0.0/8"], "black cluster 192.0.0.0/8"),
        (["white/cluster/.s.example", "black/cluster/.s.example"], "white cluster .s.example"),
        (["white/cluster/joe@mail.s.example", "black/customer/acme/.s.example"],
         "black customer/acme .s.example"),
        (["black/customer/acme/joe@mail.s.example", "white/domain/acme.example/192.0.2.0/24"],
         "white domain/acme.example 192.0.2.0/24"),
        (["white/domain/acme.example/.s.example", "black/recipient/x@acme.example/.s.example"],
         "black recipient/x@acme.example .s.example"),
        (["black/customer/other/.s.example", "black/recipient/y@acme.example/.s.example"], "None"),
        (["black/cluster/2001:db8::/32"], "None"),
    ],
)  # fmt: skip
def test_the_nearest_scope_decides_and_in_it_the_most_specific_pattern(
    entries: list[str], decides: str
) -> None:
    prefs = preferences(route(), *(document(Kind.LIST, entry) for entry in entries))

    assert hit(prefs) == decides


def test_an_ipv6_client_is_found_in_its_network() -> None:
    prefs = preferences(document(Kind.LIST, "black/cluster/2001:db8::/32"))

    assert hit(prefs, client="2001:db8:1::7") == "black cluster 2001:db8::/32"


def test_the_null_sender_and_a_missing_client_match_no_entry() -> None:
    prefs = preferences(document(Kind.LIST, "black/cluster/.example"))

    assert hit(prefs, sender="", client="") == "None"


@pytest.mark.parametrize(("until_us", "counts"), [(0, True), (NOW + 1, True), (NOW, False)])
def test_an_entry_counts_until_its_end(until_us: int, counts: bool) -> None:
    prefs = preferences(document(Kind.LIST, "black/cluster/.example", until_us=until_us))

    assert (hit(prefs) != "None") is counts


def test_behind_a_white_entry_that_has_ended_the_black_one_counts() -> None:
    prefs = preferences(
        document(Kind.LIST, "white/cluster/.example", until_us=1),
        document(Kind.LIST, "black/cluster/.example"),
    )

    assert hit(prefs) == "black cluster .example"


def test_what_was_applied_does_not_change_when_more_is() -> None:
    before = preferences(route(), document(Kind.LIST, "black/cluster/.example"))
    digest = before.digest

    after = before.applied(
        [
            tombstone(Kind.LIST, "black/cluster/.example"),
            document(Kind.LIST, "white/cluster/.s.example"),
            tombstone(Kind.ROUTE, "acme.example"),
            document(Kind.RULE, "r", field="subject", pattern="x", score=1),
        ],
        position=at(2),
    )

    assert hit(before) == "black cluster .example"
    assert (before.digest, before.position, dict(before.rules())) == (digest, at(1), {})
    assert hit(after) == "white cluster .s.example"
    assert after.route("acme.example") is None
    assert list(after.rules()) == ["r"]


def test_pushed_rules_come_with_whom_they_concern_by_the_keys_of_their_documents() -> None:
    text = "rule a { condition: false }"
    prefs = preferences(
        document(Kind.YARA, "b", source=text, scope="recipient/Joe@ACME.example"),
        document(Kind.YARA, "a", source=text),
    )

    assert Preferences().yara_rules() == ()
    assert prefs.yara_rules() == (
        PushedRules("a", text, "cluster"),
        PushedRules("b", text, "recipient/joe@acme.example"),
    )


def test_a_batch_with_one_wrong_document_changes_nothing() -> None:
    before = preferences(route())
    digest = before.digest

    with pytest.raises(DocumentRefused):
        before.applied([document(Kind.ENGINE, "a"), document(Kind.ENGINE, "../b")], position=at(2))

    assert before.digest == digest
    assert before.document(Kind.ENGINE, "a") is None


def test_the_digest_is_the_sum_of_the_documents_hashes() -> None:
    document_ = route()
    expected = changed(
        EMPTY_DIGEST, added=document_hash(Kind.ROUTE, "acme.example", document_.body)
    )

    assert preferences(document_).digest == expected


scopes = st.sampled_from(
    ["cluster", "customer/acme", "domain/acme.example", "recipient/X@acme.example"]
)
patterns = st.sampled_from(
    [
        "joe@s.example",
        "s.example",
        ".s.example",
        ".example",
        "192.0.2.7",
        "192.0.2.0/24",
        "0.0.0.0/0",
    ]
)
lists = st.builds(
    lambda colour, scope, pattern, until: document(
        Kind.LIST, f"{colour}/{scope}/{pattern}", until_us=until
    ),
    st.sampled_from(ListColour),
    scopes,
    patterns,
    st.sampled_from([0, 1, NOW + 1]),
)
others = st.builds(
    lambda kind, days: {
        "route": route(hold_days=days),
        "policy": document(Kind.POLICY, "cluster", **{"score.mark": days}),
        "rule": document(Kind.RULE, f"r{days % 3}", field="subject", pattern="x", score=days),
        "engine": document(Kind.ENGINE, "Clamav", required=days % 2 == 0),
    }[kind],
    st.sampled_from(["route", "policy", "rule", "engine"]),
    st.integers(1, 30),
)
changes = st.tuples(lists | others, st.booleans()).map(
    lambda pair: Document(pair[0].kind, pair[0].key, 0, b"", removed=True) if pair[1] else pair[0]
)
histories = st.lists(st.lists(changes, max_size=5), max_size=8)


@given(histories)
def test_step_by_step_and_at_once_give_the_same_preferences(
    history: list[list[Document]],
) -> None:
    stepwise = preferences(route())
    for revision, batch in enumerate(history, start=2):
        stepwise = stepwise.applied(batch, position=at(revision))

    at_once = Preferences.from_documents(stepwise.documents(), position=stepwise.position)

    assert at_once.digest == stepwise.digest
    assert at_once.documents() == stepwise.documents()
    assert hit(at_once, sender="joe@s.example") == hit(stepwise, sender="joe@s.example")
    assert at_once.policy(X) == stepwise.policy(X)
    assert dict(at_once.rules()) == dict(stepwise.rules())


@given(st.lists(lists | others, max_size=12), st.randoms(use_true_random=False))
def test_the_order_in_which_different_documents_came_does_not_matter(
    found: list[Document], random: object
) -> None:
    latest = {(each.kind, each.key.casefold()): each for each in found}
    shuffled = list(latest.values())
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert preferences(*shuffled).digest == preferences(*latest.values()).digest


_SCOPES = ["recipient/x@acme.example", "domain/acme.example", "customer/acme", "cluster"]
_PATTERNS = [
    "joe@s.example",
    "s.example",
    ".s.example",
    ".example",
    "192.0.2.7/32",
    "192.0.2.0/24",
    "0.0.0.0/0",
]


@given(st.lists(lists, max_size=15))
def test_of_any_lists_the_first_in_the_order_of_precedence_decides(found: list[Document]) -> None:
    prefs = preferences(route(), *{each.key: each for each in found}.values())
    alive = {
        each.key
        for each in prefs.documents(Kind.LIST)
        if each.body_as(ListBody).until_us in (0, NOW + 1)
    }

    expected = next(
        (
            f"{colour} {scope} {pattern}"
            for scope in _SCOPES
            for pattern in _PATTERNS
            for colour in ("white", "black")
            if f"{colour}/{scope}/{pattern}" in alive
        ),
        "None",
    )

    assert hit(prefs, sender="joe@s.example") == expected


def test_filters_learn_for_one_customer_where_all_the_domains_of_a_message_do() -> None:
    given = preferences(
        route("acme.example", "acme"),
        route("acme.test", "acme"),
        route("other.example", "other"),
        route("silent.example", "silent"),
        document(Kind.POLICY, "customer/acme", learning="on"),
        document(Kind.POLICY, "domain/other.example", learning="on"),
        document(Kind.POLICY, "recipient/x@silent.example", learning="on"),  # nobody asks there
    )

    assert [given.learns(customer) for customer in ("acme", "other", "silent", "nobody")] == [
        True,
        True,
        False,
        False,
    ]
    assert given.taught_by(["a@acme.example", "b@acme.test"]) == "acme"
    assert given.taught_by(["a@other.example"]) == "other"
    assert given.taught_by(["a@acme.example", "a@other.example"]) == ""
    assert given.taught_by(["x@silent.example"]) == ""
    assert given.taught_by(["x@stranger.example"]) == ""
    assert given.taught_by(["Postmaster"]) == ""
    assert preferences(route()).taught_by(["x@acme.example"]) == ""
