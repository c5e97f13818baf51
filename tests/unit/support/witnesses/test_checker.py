"""Does the checker see each kind of loss, and is it silent about a clean run?

A clean history is made from nothing; then one defect is planted in what one of the witnesses says.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.smtp.anatomy import digest, take_apart
from tests.support.smtp.sink import Arrival
from tests.support.witnesses.checker import Finding, Kind, check

Line = dict[str, Any]

OURS = b"X-BorderScout: id=1; node=lon1; revision=4; disposition=deliver\r\n" + (
    b"Received: from load.example\r\n\tby lon1; Mon, 2 Mar 2026 09:30:00 +0000\r\n"
)


class History:
    """What the witnesses of one run wrote down."""

    def __init__(self) -> None:
        self.ledger: list[Line] = []
        self.arrived: list[Line] = []
        self.messages: list[Line] = []
        self.records: list[Line] = []
        self.quarantine: list[Line] = []

    def findings(self) -> list[Finding]:
        return check(
            ledger=self.ledger,
            arrived=self.arrived,
            messages=self.messages,
            records=self.records,
            quarantine=self.quarantine,
        )

    def kinds(self) -> set[Kind]:
        return {finding.kind for finding in self.findings()}

    def send(
        self,
        gid: str,
        recipients: dict[str, str],
        *,
        reply: str | None = "250 ok",
        dot_sent: bool = True,
        attempt: int = 1,
        more: bytes = b"",
    ) -> bytes:
        """Hand over a letter; ``recipients`` are those that the server took."""
        data = b"X-BS-Test-Gid: %s\r\n%sSubject: hi\r\n\r\nbody\r\n" % (gid.encode(), more)
        anatomy = take_apart(data)
        self.ledger.append(
            {
                "kind": "send",
                "gid": gid,
                "attempt": attempt,
                "target": "t",
                "sender": "a@sender.example",
                "recipients": list(recipients),
                "sha256": digest(data),
                "below_sha256": digest(anatomy.below),
                "bytes": len(data),
                "header": [field.decode() for field in anatomy.fields],
                "time_us": 1,
            }
        )
        self.ledger.append(
            {
                "kind": "reply",
                "gid": gid,
                "attempt": attempt,
                "reply": reply,
                "dot_sent": dot_sent,
                "recipients": list(recipients),
                "refused": {},
                "time_us": 2,
            }
        )
        return data

    def tell(self, message_id: str, data: bytes, recipients: dict[str, str]) -> Line:
        """Let the core know a message with an outcome for each recipient."""
        message: Line = {
            "id": message_id,
            "sender": "a@sender.example",
            "recipients": [
                {"address": address, "state": outcome, "reason": "because"}
                for address, outcome in recipients.items()
            ],
            "events": [
                {"event": "accepted", "origin": "smtp", "sha256": digest(data)},
                {
                    "event": "ended",
                    "recipients": [
                        {"address": address, "outcome": outcome}
                        for address, outcome in recipients.items()
                    ],
                },
            ],
        }
        self.messages.append(message)
        for _ in message["events"]:
            self.record()
        held = [address for address, outcome in recipients.items() if outcome == "quarantined"]
        if held:
            self.quarantine.append(
                {"message_id": message_id, "sha256": digest(data), "recipients": held}
            )
        return message

    def record(self, event: str = "accepted", **fields: int) -> None:
        self.records.append(
            {
                "node": "lon1",
                "shard": 0,
                "incarnation": "I",
                "sequence": len(self.records) + 1,
                "event": event,
                "fields": fields,
            }
        )

    def arrive(self, data: bytes, *recipients: str, top: bytes = OURS) -> None:
        """Let the customer's server take a copy."""
        arrival = Arrival(
            session=1,
            helo="lon1",
            sender="a@sender.example",
            recipients=recipients,
            parameters="",
            data=top + data,
            answered=True,
        )
        self.arrived.append(arrival.line(3))

    def whole(self, gid: str, recipients: dict[str, str], **options: Any) -> bytes:
        """One letter from the sender to its end."""
        data = self.send(gid, recipients, **options)
        self.tell(f"M-{gid}", data, recipients)
        for address, outcome in recipients.items():
            if outcome == "delivered":
                self.arrive(data, address)
        return data


def _clean() -> History:
    history = History()
    history.whole("g1", {"x@acme.example": "delivered", "y@acme.example": "quarantined"})
    history.whole("g2", {"x@acme.example": "dropped"})
    history.whole("g3", {"Z@Acme.example": "bounced", "w@acme.example": "delivered"})
    return history


_OUTCOMES = st.sampled_from(["delivered", "quarantined", "dropped", "bounced", "expired"])
_ADDRESSES = st.sampled_from([f"{name}@acme.example" for name in "abcdef"])


@given(st.lists(st.dictionaries(_ADDRESSES, _OUTCOMES, min_size=1), max_size=8))
def test_a_clean_history_has_no_findings(letters: list[dict[str, str]]) -> None:
    history = History()
    for number, recipients in enumerate(letters):
        history.whole(f"g{number}", recipients)

    assert history.findings() == []


def _forget_the_message(history: History) -> None:
    del history.messages[1]


def _forget_a_recipient(history: History) -> None:
    history.messages[0]["recipients"].pop()
    history.messages[0]["events"][1]["recipients"].pop()


def _forget_the_arrival(history: History) -> None:
    del history.arrived[0]


def _forget_the_body(history: History) -> None:
    history.quarantine.clear()


def _deliver_twice(history: History) -> None:
    history.arrived.append(history.arrived[0])


def _take_twice(history: History) -> None:
    history.messages.append(history.messages[1] | {"id": "M-again"})


def _change_below(history: History) -> None:
    line = history.arrived[0]
    line["cuts"] = [digest(b"?")]
    line["below_sha256"] = digest(b"other")


def _pass_a_bare_line_feed(history: History) -> None:
    history.arrived[0]["stray"] = True


def _put_something_on_top(history: History) -> None:
    data = history.send("g9", {"x@acme.example": ""})
    history.tell("M-9", data, {"x@acme.example": "delivered"})
    history.arrive(data, "x@acme.example", top=b"X-Advert: buy\r\n" + OURS)


def _pass_a_forged_line(history: History) -> None:
    history.whole("g9", {"x@acme.example": "delivered"}, more=b"x-borderscout-virus: clean\r\n")


def _leave_it_unfinished(history: History) -> None:
    history.messages[0]["recipients"][0]["state"] = "held"
    history.messages[0]["events"][1]["recipients"].pop(0)


def _give_no_reason(history: History) -> None:
    history.messages[1]["recipients"][0]["reason"] = ""


def _record_no_end(history: History) -> None:
    history.messages[1]["events"].pop()


def _end_twice(history: History) -> None:
    history.messages[1]["events"].append(history.messages[1]["events"][1])


def _end_otherwise(history: History) -> None:
    history.messages[1]["recipients"][0]["state"] = "expired"


def _deliver_what_is_quarantined(history: History) -> None:
    history.arrive(history.send("g1", {}, attempt=1), "y@acme.example")
    del history.ledger[-2:]


def _refuse_it(history: History) -> None:
    history.ledger[1]["reply"] = "451 4.3.0 later"


def _never_send_the_dot(history: History) -> None:
    history.ledger[1] |= {"reply": None, "dot_sent": False}


def _refuse_a_recipient(history: History) -> None:
    history.ledger[1]["recipients"].remove("y@acme.example")


def _lose_a_record(history: History) -> None:
    del history.records[2]


def _lose_the_first_record(history: History) -> None:
    del history.records[0]


def _double_a_record(history: History) -> None:
    history.records.append(history.records[2])


def _damage_the_body(history: History) -> None:
    history.quarantine[0]["sha256"] = digest(b"damaged")


def _hold_it_for_another(history: History) -> None:
    history.quarantine[0]["recipients"] = ["other@acme.example"]


def _smuggle(history: History) -> None:
    history.tell("M-evil", b"smuggled", {"x@acme.example": "dropped"})


DEFECTS: list[tuple[Callable[[History], None], Kind]] = [
    (_forget_the_message, Kind.LOST),
    (_forget_a_recipient, Kind.LOST),
    (_forget_the_arrival, Kind.LOST),
    (_forget_the_body, Kind.LOST),
    (_deliver_twice, Kind.DOUBLED),
    (_take_twice, Kind.DOUBLED),
    (_change_below, Kind.CHANGED),
    (_pass_a_bare_line_feed, Kind.CHANGED),
    (_put_something_on_top, Kind.CHANGED),
    (_pass_a_forged_line, Kind.FORGED),
    (_leave_it_unfinished, Kind.UNEXPLAINED),
    (_give_no_reason, Kind.UNEXPLAINED),
    (_record_no_end, Kind.UNEXPLAINED),
    (_end_twice, Kind.TWO_OUTCOMES),
    (_end_otherwise, Kind.TWO_OUTCOMES),
    (_deliver_what_is_quarantined, Kind.TWO_OUTCOMES),
    (_refuse_it, Kind.PRESENT),
    (_never_send_the_dot, Kind.PRESENT),
    (_refuse_a_recipient, Kind.PRESENT),
    (_lose_a_record, Kind.GAP),
    (_lose_the_first_record, Kind.GAP),
    (_double_a_record, Kind.REPEATED),
    (_damage_the_body, Kind.QUARANTINE),
    (_hold_it_for_another, Kind.QUARANTINE),
    (_smuggle, Kind.STRANGER),
]


@pytest.mark.parametrize(
    ("plant", "kind"), DEFECTS, ids=[plant.__name__.strip("_") for plant, _ in DEFECTS]
)
def test_a_planted_defect_is_found(plant: Callable[[History], None], kind: Kind) -> None:
    history = copy.deepcopy(_clean())
    assert history.findings() == []

    plant(history)

    assert kind in history.kinds()


def test_every_kind_of_finding_has_a_planted_defect() -> None:
    assert {kind for _, kind in DEFECTS} == set(Kind)


def test_a_possible_delivery_explains_one_more_copy_and_no_more() -> None:
    history = _clean()
    possibly = {"event": "possibly_delivered", "recipients": ["x@acme.example"]}
    history.messages[0]["events"].insert(1, possibly)
    history.arrived.append(history.arrived[0])
    assert history.findings() == []

    history.arrived.append(history.arrived[0])
    assert history.kinds() == {Kind.DOUBLED}


def test_no_answer_may_mean_taken_or_not() -> None:
    history = History()
    history.send("gone", {"x@acme.example": ""}, reply=None)
    history.whole("kept", {"x@acme.example": "delivered"}, reply=None)

    assert history.findings() == []


def test_no_answer_does_not_excuse_an_end_that_is_missing() -> None:
    history = History()
    history.whole("kept", {"x@acme.example": "delivered"}, reply=None)
    history.messages[0]["recipients"][0]["state"] = "queued"

    assert Kind.UNEXPLAINED in history.kinds()


def test_a_sender_that_died_in_between_leaves_it_open() -> None:
    history = History()
    history.whole("g", {"x@acme.example": "delivered"})
    del history.ledger[1]

    assert history.findings() == []


def test_a_second_try_may_lead_to_a_second_message_but_not_to_a_third() -> None:
    history = History()
    recipients = {"x@acme.example": "delivered"}
    data = history.send("g", recipients, reply=None)
    history.send("g", recipients, attempt=2)
    for name in ("M-1", "M-2"):
        history.tell(name, data, recipients)
        history.arrive(data, "x@acme.example")
    assert history.findings() == []

    history.tell("M-3", data, recipients)
    history.arrive(data, "x@acme.example")
    assert history.kinds() == {Kind.DOUBLED}


def test_a_release_is_a_message_of_its_own_and_delivers_once() -> None:
    history = History()
    data = history.whole("g", {"x@acme.example": "quarantined"})
    released = history.tell("R-1", data, {"x@acme.example": "delivered"})
    released["events"][0] |= {"origin": "release", "released_from": "M-g"}
    history.arrive(data, "x@acme.example")
    assert history.findings() == []

    history.arrive(data, "x@acme.example")
    assert history.kinds() == {Kind.DOUBLED}


def test_a_bounce_of_ours_is_nobodys_letter() -> None:
    history = History()
    bounce = history.tell("B-1", b"our DSN", {"a@sender.example": "delivered"})
    bounce["events"][0]["origin"] = "bounce"

    assert history.findings() == []


def test_records_that_were_given_up_and_said_so_are_no_gap() -> None:
    history = _clean()
    del history.records[1:3]
    history.record("gap", **{"from": 2, "to": 3})
    history.records[-1]["sequence"] = 7

    assert history.findings() == []


def test_each_incarnation_counts_from_one() -> None:
    history = _clean()
    history.records += [line | {"incarnation": "J"} for line in history.records]
    assert history.findings() == []

    history.records = [line for line in history.records if line["incarnation"] == "I"]
    history.records += [history.records[0] | {"incarnation": "J", "sequence": 2}]
    assert history.kinds() == {Kind.GAP}


def test_a_letter_without_its_mark_is_known_by_its_octets() -> None:
    history = History()
    data = history.whole("g", {"x@acme.example": "delivered"})
    history.arrived[0]["gid"] = ""
    assert history.findings() == []

    history.arrive(data, "x@acme.example")
    assert history.kinds() == {Kind.DOUBLED}
