"""Durations: what is shown is what Prometheus's own histogram shows."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest

from satellite.durations import Durations

BOUNDS_S = (0.001, 0.02, 1.0, 10.0)
NOTED = (("a", 0.0), ("b", 0.02), ("a", 0.0200001), ("a", 10.0), ("b", 11.0), ("a", 0.5))


def test_the_exposition_is_that_of_a_histogram() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    durations = Durations("x_seconds", "Time", label="name", bounds_s=BOUNDS_S, registry=ours)
    histogram = Histogram("x_seconds", "Time", ["name"], buckets=BOUNDS_S, registry=theirs)
    for name, seconds in NOTED:
        durations.took(name, seconds)
        histogram.labels(name).observe(seconds)

    def lines(registry: CollectorRegistry) -> list[str]:
        shown = generate_latest(registry).decode().splitlines()
        return sorted(line for line in shown if "_created" not in line)

    assert lines(ours) == lines(theirs)


def test_what_was_never_noted_is_named_and_has_no_line() -> None:
    registry = CollectorRegistry()
    Durations("x_seconds", "Time", label="name", bounds_s=BOUNDS_S, registry=registry)

    assert generate_latest(registry).decode().splitlines() == [
        "# HELP x_seconds Time",
        "# TYPE x_seconds histogram",
    ]
