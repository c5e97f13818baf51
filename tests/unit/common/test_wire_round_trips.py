"""Which figures of customers' servers pass from the wire?"""

from __future__ import annotations

import pytest
from borderscout.v1 import control_pb2

from common import wire
from common.reports import NodeReport
from common.round_trips import (
    AGE_S_MAX,
    RTT_US_MAX,
    RTT_US_MIN,
    TOLD_AT_ONCE_MAX,
    TRIES_MAX,
    RoundTrip,
)
from common.wire import WireError

TOLD = (
    RoundTrip("mail.acme.example:25", 12_000, 100, 1, 30),
    RoundTrip("acme.example:25/mx", None, 7, 7, 0),
    RoundTrip("lmtp:[2001:db8::1]:24", RTT_US_MAX, TRIES_MAX, 0, AGE_S_MAX),
)


def heard(*told: RoundTrip) -> tuple[RoundTrip, ...]:
    sent = wire.control_request_to_wire(NodeReport(round_trips=told))
    report = wire.control_request_from_wire(sent)
    assert isinstance(report, NodeReport)
    return report.round_trips


def test_what_was_measured_arrives_as_it_left() -> None:
    assert heard(*TOLD) == TOLD


def test_nobody_gains_by_a_claim_to_be_nearer_than_all_others() -> None:
    sent = control_pb2.ControlRequest(report=control_pb2.Report())
    sent.report.round_trips.add(target="mail.acme.example:25", rtt_us=1, tries=1)

    (one,) = wire.control_request_from_wire(sent).round_trips  # type: ignore[union-attr]

    assert one.rtt_us == RTT_US_MIN


@pytest.mark.parametrize(
    "given",
    [
        {"target": ""},
        {"target": "mail.acme.example"},  # not how a target is written
        {"target": "Mail.acme.example:25"},
        {"target": "mail.acme.example:25\n"},
        {"target": "m" * 300 + ":25"},
        {"tries": 0},
        {"tries": TRIES_MAX + 1},
        {"failures": 11},
        {"failures": 10},  # and yet a round trip
        {"rtt_us": 0},  # and yet one that came back
        {"age_s": AGE_S_MAX + 1},
    ],
)
def test_what_no_node_of_ours_says_ends_the_stream(given: dict[str, object]) -> None:
    values = {"target": "mail.acme.example:25", "rtt_us": 12_000, "tries": 10} | given
    sent = control_pb2.ControlRequest(report=control_pb2.Report())
    sent.report.round_trips.add(**values)

    with pytest.raises(WireError):
        wire.control_request_from_wire(sent)


def test_a_report_tells_no_more_than_its_reader_takes() -> None:
    many = [RoundTrip(f"m{n}.example:25", 5_000, 1, 0, 0) for n in range(TOLD_AT_ONCE_MAX + 1)]

    assert heard(*many) == tuple(many[:-1])

    sent = wire.control_request_to_wire(NodeReport(round_trips=TOLD[:1]))
    for _ in range(TOLD_AT_ONCE_MAX):
        sent.report.round_trips.add().CopyFrom(sent.report.round_trips[0])
    with pytest.raises(WireError):
        wire.control_request_from_wire(sent)
