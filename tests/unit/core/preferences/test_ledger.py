"""Does publishing make exactly the revision that was asked for?"""

from __future__ import annotations

import pytest

from common.preferences import DocumentRefused, Kind, Position, Preferences
from common.preferences.documents import CheckedDocument, Document, Epoch
from common.preferences.loops import OurHosts
from core.preferences.ledger import (
    Change,
    LeadsBack,
    PlannedRevision,
    RevisionConflict,
    documents_json,
    plan,
    read_documents,
    restored,
)
from tests.support.core.rooms import document, route

EPOCH = Epoch(1, "e")


def _holding(*documents: Document, revision: int = 1) -> Preferences:
    return Preferences.from_documents(documents, position=Position(EPOCH, revision))


def test_a_document_that_changes_nothing_is_left_out() -> None:
    current = _holding(route())

    assert plan(current, [route()]) == PlannedRevision((), ())


def test_another_way_to_write_the_same_body_changes_nothing() -> None:
    current = _holding(document("policy", "cluster", {"virus": "drop", "macro": "mark"}))
    spaced = Document("policy", "cluster", 0, b'{ "virus": "drop",\n "macro": "mark" }')

    assert plan(current, [spaced]) == PlannedRevision((), ())


def test_a_removal_of_what_is_not_there_changes_nothing() -> None:
    assert plan(_holding(), [document("route", "acme.example")]) == PlannedRevision((), ())


def test_a_removal_becomes_a_tombstone_of_its_revision() -> None:
    planned = plan(_holding(route()), [document("route", "ACME.example")])

    (change,), (travels,) = planned.changes, planned.documents
    assert change.document(2) == Document("route", "acme.example", 2, b"", True)
    assert travels == CheckedDocument("route", "acme.example", 2, b"", True)


def test_changes_stand_in_the_order_in_which_kinds_take_effect() -> None:
    planned = plan(
        _holding(),
        [
            document("list", "white/domain/acme.example/a@b.example", {}),
            document("policy", "domain/acme.example", {"virus": "drop"}),
            route(),
        ],
    )

    assert [change.kind for change in planned.changes] == [Kind.ROUTE, Kind.POLICY, Kind.LIST]
    assert [one.kind for one in planned.documents] == [Kind.ROUTE, Kind.POLICY, Kind.LIST]


def test_one_wrong_document_refuses_the_whole_change() -> None:
    with pytest.raises(DocumentRefused, match="no policy key"):
        plan(_holding(), [route(), document("policy", "cluster", {"viruss": "drop"})])


def test_a_document_named_twice_is_refused() -> None:
    with pytest.raises(DocumentRefused, match="twice"):
        plan(_holding(), [route("acme.example"), route("ACME.example", customer="other")])


def test_a_change_from_an_older_revision_is_a_conflict() -> None:
    with pytest.raises(RevisionConflict) as caught:
        plan(_holding(revision=7), [route()], base=6)

    assert (caught.value.base, caught.value.current) == (6, 7)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 60_000, b'"text"'])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(DocumentRefused):
        plan(_holding(), [Document("policy", "cluster", 0, body)])


@pytest.mark.parametrize(
    ("proposed", "scope"),
    [
        (route(), "domain/acme.example"),
        (document("policy", "customer/acme", {"virus": "drop"}), "customer/acme"),
        (document("list", "black/recipient/x@acme.example/b.example", {}), None),
        (document("recipient", "X@acme.example", {}), "recipient/x@acme.example"),
        (document("engine", "clamav", {"required": False}), "cluster"),
        (
            document(
                "rule",
                "invoice",
                {"scope": "customer/acme", "field": "subject", "pattern": "x", "score": 1},
            ),
            "customer/acme",
        ),
        (
            document(
                "yara", "own", {"scope": "customer/acme", "source": "rule a { condition: false }"}
            ),
            "customer/acme",
        ),
        (document("hold", "acme.example", {"hold_days": 14}), "domain/acme.example"),
    ],
)
def test_each_change_says_whom_it_concerns(proposed: Document, scope: str | None) -> None:
    (change,) = plan(_holding(), [proposed]).changes

    assert change.scope == (scope or "recipient/x@acme.example")


def test_restoring_takes_what_stood_before_the_first_later_change() -> None:
    later = [
        Change(Kind.POLICY, "cluster", "cluster", b"1", b"2"),
        Change(Kind.ROUTE, "new.example", "domain/new.example", None, b"r"),
        Change(Kind.POLICY, "cluster", "cluster", b"2", None),
    ]

    assert restored(later) == [
        Document("policy", "cluster", 0, b"1", False),
        Document("route", "new.example", 0, b"", True),
    ]


def test_going_back_neither_undoes_nor_brings_back_an_order_for_held_mail() -> None:
    later = [
        Change(Kind.HOLD, "acme.example", "domain/acme.example", None, b'{"hold_days":14}'),
        Change(Kind.HOLD, "b.example", "domain/b.example", b'{"bounce_before_us":1}', None),
        Change(Kind.POLICY, "cluster", "cluster", b"1", b"2"),
    ]

    assert restored(later) == [Document("policy", "cluster", 0, b"1", False)]


def test_documents_survive_the_way_through_json() -> None:
    text = (
        b'[{"kind":"route","key":"A.example","body":{"deliver_to":["m.example"],"customer":"a"}},'
        b'{"kind":"engine","key":"k","removed":true}]'
    )

    documents = read_documents(text)

    assert documents[0].body == b'{"customer":"a","deliver_to":["m.example"]}'
    assert documents[1].removed
    assert documents_json(documents)[0]["body"] == {"customer": "a", "deliver_to": ["m.example"]}


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"{}",
        b"[1]",
        b'[{"kind":"route"}]',
        b'[{"kind":"route","key":"a.example"}]',
        b'[{"kind":"route","key":"a.example","body":{},"bodyy":{}}]',
        b"[" * 60_000,
    ],
)
def test_a_list_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(DocumentRefused):
        read_documents(text)


OURS = OurHosts("mx.scout.example", {"192.0.2.10": "lon1", "2001:db8::10": "lon1"})


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("192.0.2.10:25", "deliver_to 192.0.2.10 is our own node lon1"),
        ("lmtp:[2001:DB8:0::10]:24", "deliver_to 2001:db8::10 is our own node lon1"),
        ("Lon1.MX.scout.example", "one of our own names in mx.scout.example"),
        ("mx.scout.example/mx", "one of our own names in mx.scout.example"),
        ("acme.example/mx", "the MX of the domain itself"),
    ],
)
@pytest.mark.parametrize("kind", ["route", "hold"])
def test_what_leads_mail_back_to_us_is_refused(kind: str, entry: str, what: str) -> None:
    fields = {"customer": "acme"} if kind == "route" else {}
    wanted = document(kind, "acme.example", {**fields, "deliver_to": ["mail.acme.example", entry]})

    with pytest.raises(LeadsBack, match=what) as refused:
        plan(_holding(), [wanted], ours=OURS)

    assert refused.value.what.startswith("acme.example: ")
    assert refused.value.hint


def test_a_route_to_others_and_one_that_stands_already_are_taken() -> None:
    old = route(deliver_to=["192.0.2.10:25"])
    other = route("beta.example", "beta", deliver_to=["xmx.scout.example", "acme.example/mx"])

    planned = plan(_holding(old), [old, other], ours=OURS)

    assert [change.key for change in planned.changes] == ["beta.example"]
