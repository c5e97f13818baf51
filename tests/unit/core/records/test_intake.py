"""Do records count once, and say of a message exactly what they may?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.records import Event, GapRecord, LogRecord, from_object, read, written
from core.records.intake import (
    COPIES_MAX,
    SequenceGap,
    apply,
    flaw_of,
    new_message,
    unseen,
)
from core.records.messages import Message
from tests.support.core.rooms import START_US, accepted, ended, identity, made_id, record

ID = made_id(500)
LON = identity()
X, Y = "x@acme.example", "Y@Acme.example"


def _told(*records: LogRecord) -> tuple[Message, list[str]]:
    message = new_message(records[0], LON)
    flaws = [
        apply(
            message,
            one,
            read(one.event, one.fields),
            identity=LON,
            customer_of=lambda domain: "acme" if domain == "acme.example" else "",
        )
        for one in records
    ]
    return message, flaws


def _recipients(*items: dict[str, Any]) -> dict[str, Any]:
    return {"recipients": list(items)}


@given(st.lists(st.integers(0, 20), max_size=20))
def test_any_way_to_send_records_takes_each_once_and_in_order(cuts: list[int]) -> None:
    outbox = [record(n, "started") for n in range(1, 21)]
    taken: list[int] = []

    for first in [*cuts, *range(21)]:  # batches from anywhere, then a stream that reaches the end
        batch = outbox[first : first + 7]
        try:
            fresh = unseen(LON, batch, last_sequence=len(taken))
        except SequenceGap as gap:
            assert gap.expected == len(taken) + 1
        else:
            taken.extend(one.sequence for one in fresh)

    assert taken == list(range(1, 21))


def test_a_hole_inside_a_batch_is_refused_too() -> None:
    with pytest.raises(SequenceGap) as caught:
        unseen(LON, [record(1, "started"), record(3, "stopped")], last_sequence=0)

    assert (caught.value.expected, caught.value.found) == (2, 3)


def test_acceptance_names_every_recipient_with_its_customer() -> None:
    message, flaws = _told(accepted(1, ID, [X, Y, "z@other.example"]))

    assert flaws == [""]
    assert [(c.address, c.folded, c.customer, c.state) for c in message.copies.values()] == [
        (X, X, "acme", "received"),
        (Y, "y@acme.example", "acme", "received"),
        ("z@other.example", "z@other.example", "", "received"),
    ]
    assert message.sender_domain == "sender.example"


def test_what_was_rejected_before_its_answer_is_known_as_if_it_had_come() -> None:
    told = accepted(1, ID, [X])
    offered = record(1, "rejected", ID, **json.loads(told.fields))

    message, flaws = _told(offered, ended(2, ID, "rejected", X))

    assert flaws == ["", ""]
    assert message.sender_domain == "sender.example"
    assert (message.copies[X].state, message.copies[X].customer) == ("rejected", "acme")
    assert message.copies[X].reason == "because"


def test_recipients_part_ways() -> None:
    message, _ = _told(
        accepted(1, ID, [X, Y]),
        record(2, "scanned", ID, revision=42, score=7.5, subject="s", message_id="<1@a>"),
        record(
            3,
            "judged",
            ID,
            quarantine_reason="spam",
            **_recipients(
                {"address": X, "disposition": "deliver", "reason": "white"},
                {"address": Y, "disposition": "quarantine", "reason": "score"},
            ),
        ),
        ended(4, ID, "quarantined", Y),
        record(
            5,
            "deferred",
            ID,
            **_recipients(
                {"address": X, "reason": "busy", "reply": "451 later", "next_us": 5, "attempts": 2}
            ),
        ),
    )

    x, y = message.copies[X], message.copies[Y]
    assert (x.state, x.attempts, x.reply, x.next_us) == ("deferred", 2, "451 later", 5)
    assert (y.state, y.disposition, y.ended_us) == ("quarantined", "quarantine", START_US + 4_000)
    assert (message.revision, message.quarantine_reason) == (42, "spam")


def test_a_waiting_message_says_for_what() -> None:
    message, _ = _told(
        accepted(1, ID),
        record(2, "waiting", ID, reason="clamav is away", next_us=9, verdicts=[{"by": "clamav"}]),
    )

    assert (message.copies[X].state, message.copies[X].reason) == ("waiting", "clamav is away")


def test_a_later_scan_replaces_the_threats_of_an_earlier_one() -> None:
    early = {"by": "yara", "outcome": "infected", "threats": ["Rule"]}
    infected = {"by": "clamav", "outcome": "infected", "threats": ["Eicar"]}
    message, _ = _told(
        accepted(1, ID),
        record(2, "waiting", ID, verdicts=[{"by": "clamav"}, early]),
        record(3, "scanned", ID, verdicts=[infected]),
    )

    assert message.threats == {("clamav", "Eicar")}
    assert message.copies[X].state == "scanned"


def test_a_recipient_has_exactly_one_outcome() -> None:
    message, flaws = _told(accepted(1, ID), ended(2, ID, "delivered"), ended(3, ID, "bounced"))

    assert message.copies[X].state == "delivered"
    assert flaws == ["", "", f"{X} had ended as delivered"]


@pytest.mark.parametrize("event", ["deferred", "held"])
def test_what_has_ended_does_not_come_back(event: str) -> None:
    message, _ = _told(
        accepted(1, ID),
        ended(2, ID, "expired"),
        record(3, event, ID, **_recipients({"address": X})),
        record(4, "frozen", ID),
    )

    assert message.copies[X].state == "expired"


def test_an_outcome_that_is_none_is_a_flaw() -> None:
    message, flaws = _told(accepted(1, ID), ended(2, ID, "vanished"))

    assert message.copies[X].ended_us == 0
    assert flaws[1] == "'vanished' is no outcome"


def test_freezing_names_all_or_some() -> None:
    message, _ = _told(
        accepted(1, ID, [X, Y]),
        record(2, "frozen", ID),
        record(3, "resumed", ID, **_recipients({"address": Y})),
    )

    assert [copy.state for copy in message.copies.values()] == ["frozen", "deferred"]


def test_a_frozen_copy_says_why_and_how_often_it_was_tried() -> None:
    one = {"address": X, "reason": "body damaged", "reply": "451", "attempts": 3}
    message, _ = _told(accepted(1, ID, [X, Y]), record(2, "frozen", ID, **_recipients(one)))

    x, y = message.copies[X], message.copies[Y]
    assert (x.state, x.reason, x.attempts) == ("frozen", "body damaged", 3)
    assert y.state == "received"


def test_addresses_alone_name_recipients_too() -> None:
    message, _ = _told(
        accepted(1, ID, [X, Y]), record(2, "damaged", ID, reason="disk", recipients=[Y])
    )

    assert [copy.state for copy in message.copies.values()] == ["received", "damaged"]
    assert message.copies[Y].reason == "disk"


def test_what_may_have_been_delivered_is_tried_again_unless_it_has_moved_on() -> None:
    message, _ = _told(
        accepted(1, ID, [X, Y]),
        record(2, "held", ID, **_recipients({"address": Y})),
        record(3, "possibly_delivered", ID, recipients=[X, Y]),
    )

    assert [copy.state for copy in message.copies.values()] == ["deferred", "held"]


def test_what_we_made_ourselves_is_queued_at_once() -> None:
    message, _ = _told(accepted(1, ID, origin="bounce"))

    assert message.copies[X].state == "queued"


def test_a_message_has_so_many_recipients_at_the_most_and_what_is_left_out_is_a_flaw() -> None:
    many = [f"{number}@acme.example" for number in range(COPIES_MAX - 1)]
    more = ["y@acme.example", "z@acme.example"]
    delivered = {"recipients": [{"address": one, "outcome": "delivered"} for one in more]}

    message, flaws = _told(
        record(1, "accepted", ID, recipients=many),
        record(2, "ended", ID, **delivered),
        record(3, "ended", ID, recipients=[{"address": many[0], "outcome": "delivered"}]),
    )

    assert len(message.copies) == COPIES_MAX
    assert message.copies[more[0]].state == message.copies[many[0]].state == "delivered"
    assert flaws == ["", f"recipients beyond {COPIES_MAX} of one message are left out", ""]


def test_nobody_speaks_of_another_shards_message() -> None:
    message = new_message(accepted(1, ID), LON)

    flaw = apply(
        message,
        ended(2, ID, "delivered"),
        read("ended", ended(2, ID, "delivered").fields),
        identity=identity("par1"),
        customer_of=lambda _domain: "",
    )

    assert flaw == "the message belongs to lon1/0"
    assert message.copies == {}


def test_a_word_of_another_version_changes_nothing() -> None:
    message, flaws = _told(accepted(1, ID), record(2, "teleported", ID, recipients=[X]))

    assert flaws == ["", ""]
    assert message.copies[X].state == "received"


def test_an_id_that_is_none_is_a_flaw() -> None:
    assert flaw_of(record(1, "accepted", "../../etc/passwd")) == "its message id is no ULID"
    assert flaw_of(record(1, "accepted", ID)) == ""
    assert flaw_of(record(1, "started")) == ""


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)
_NAMES = ["recipients", "verdicts", "sender", "size", "score", "next_us", "revision", "origin"]


@given(event=st.sampled_from(list(Event)), fields=st.dictionaries(st.sampled_from(_NAMES), _JSON))
def test_no_content_can_break_the_fold(event: Event, fields: dict[str, Any]) -> None:
    one = record(2, event, ID)
    message, _ = _told(accepted(1, ID))

    apply(message, one, from_object(event, fields), identity=LON, customer_of=lambda _domain: "")

    assert 0 <= message.size < 1 << 63
    assert abs(message.score) < 1e9


def gap_at(sequence: int, *, first: int) -> LogRecord:
    (fields,) = written(GapRecord(first=first, last=sequence, reason="full", records=1))
    return LogRecord(sequence, 1, Event.GAP, "", fields)


def test_a_gap_record_stands_in_the_place_of_what_its_shard_let_go() -> None:
    gap, after = gap_at(90, first=11), LogRecord(91, 1, "started", "", b"{}")

    assert unseen(LON, [gap, after], last_sequence=10) == [gap, after]
    assert unseen(LON, [gap, after], last_sequence=50) == [gap, after]
    assert unseen(LON, [gap, after], last_sequence=90) == [after]
    with pytest.raises(SequenceGap):
        unseen(LON, [gap, after], last_sequence=9)
    with pytest.raises(SequenceGap):
        unseen(LON, [after], last_sequence=89)


def test_a_gap_record_that_speaks_of_other_numbers_stands_for_itself_alone() -> None:
    (fields,) = written(GapRecord(first=1, last=7, reason="of another life"))

    with pytest.raises(SequenceGap):
        unseen(LON, [LogRecord(9, 1, Event.GAP, "", fields)], last_sequence=3)
    with pytest.raises(SequenceGap):
        unseen(LON, [LogRecord(9, 1, Event.GAP, "", b"no JSON")], last_sequence=3)


def test_who_waits_is_named_and_the_others_are_judged_meanwhile() -> None:
    message, flaws = _told(
        accepted(1, ID, (X, Y)),
        record(2, "scanned", ID, subject="hi", message_id="<1@a>"),
        record(3, "judged", ID, **_recipients(_disposed(Y))),
        record(4, "waiting", ID, recipients=[X], reason="unavailable: yara", next_us=9),
    )

    assert flaws == [""] * 4
    x, y = message.copies[X], message.copies[Y]
    assert (x.state, x.next_us) == ("waiting", 9)
    assert (y.state, y.disposition) == ("queued", "deliver")


def test_a_message_that_only_waited_so_far_is_found_by_its_subject_and_message_id() -> None:
    message, _ = _told(
        accepted(1, ID, (X,)),
        record(2, "waiting", ID, reason="unavailable", subject="hi", message_id="<1@a>"),
    )

    assert (message.subject, message.message_id_header) == ("hi", "<1@a>")


def _disposed(address: str) -> dict[str, Any]:
    return {"address": address, "disposition": "deliver", "reason": "clean"}
