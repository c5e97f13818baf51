"""A node's shards hold mail for the same server each on its own; an operator sees one line."""

from __future__ import annotations

from common.reports import HoldReport
from core.fleet.holds import left_to_operators, merged_holds


def hold(destination: str, **more: object) -> HoldReport:
    values: dict[str, object] = {
        "customer": "acme",
        "since_us": 100,
        "reason": "refused",
        "messages": 1,
        "bytes": 10,
        "oldest_us": 90,
        "expires_us": 900,
    }
    return HoldReport(destination=destination, **(values | more))  # type: ignore[arg-type]


def test_holds_of_one_destination_become_one_with_the_earliest_times_and_the_sums() -> None:
    first = hold("a.example", since_us=100, messages=2, bytes=20, oldest_us=80, expires_us=800)
    second = hold(
        "a.example", since_us=50, messages=5, reason="timed out", oldest_us=95, expires_us=700
    )

    assert merged_holds([first, second]) == (
        hold(
            "a.example",
            since_us=50,
            messages=7,
            bytes=30,
            oldest_us=80,
            expires_us=700,
            reason="timed out",
        ),
    )


def test_other_destinations_stay_apart_in_the_order_of_their_names() -> None:
    found = merged_holds([hold("b.example"), hold("a.example"), hold("b.example")])

    assert [(one.destination, one.messages) for one in found] == [
        ("a.example", 1),
        ("b.example", 2),
    ]


def test_nothing_is_left_to_an_operator_while_all_goes_on_by_itself() -> None:
    assert left_to_operators({"queued": 4, "held": 9, "damaged": 0}) == ()
