"""Occurrences: what is shown is what Prometheus's own counter shows."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest

from common.verdict import Outcome
from satellite.occurrences import Occurrences

COUNTED = (("a", Outcome.CLEAN), ("b", Outcome.CLEAN), ("a", Outcome.LIMITS), ("a", Outcome.CLEAN))


def test_the_exposition_is_that_of_a_counter() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    occurrences = Occurrences("x_total", "Things", ["name", "result"], registry=ours)
    counter = Counter("x_total", "Things", ["name", "result"], registry=theirs)
    for name, outcome in COUNTED:
        occurrences.count(name, outcome)
        counter.labels(name, outcome.value).inc()

    def lines(registry: CollectorRegistry) -> list[str]:
        shown = generate_latest(registry).decode().splitlines()
        return [line for line in shown if "_created" not in line]

    assert lines(ours) == lines(theirs)


def test_what_was_never_counted_is_named_and_has_no_line() -> None:
    registry = CollectorRegistry()
    Occurrences("x_total", "Things", ["name"], registry=registry)

    assert generate_latest(registry).decode().splitlines() == [
        "# HELP x_total Things",
        "# TYPE x_total counter",
    ]
