"""What is known of the link has a sample; what is not has none, and never 0."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from satellite.link.metrics import LinkMetrics
from satellite.link.status import LinkStatus

LAG = "borderscout_link_lag_revisions"
AGE = "borderscout_link_bookmark_age_seconds"
SKEW = "borderscout_link_clock_skew_seconds"
CONNECTED = "borderscout_link_connected"

SILENT = LinkStatus(
    connected=False, lag=None, age_s=None, skew_us=None, problems=(), reconnects={"control": 3}
)


def collected(status: LinkStatus) -> CollectorRegistry:
    registry = CollectorRegistry()
    LinkMetrics(lambda: status, registry)
    return registry


def samples(status: LinkStatus) -> dict[str, Any]:
    registry = collected(status)
    return {name: registry.get_sample_value(name) for name in (CONNECTED, LAG, AGE, SKEW)}


def test_a_core_that_was_never_heard_leaves_no_sample_but_that_it_is_away() -> None:
    assert samples(SILENT) == {CONNECTED: 0, LAG: None, AGE: None, SKEW: None}


def test_what_is_known_is_told_in_base_units() -> None:
    status = LinkStatus(
        connected=True, lag=0, age_s=2.5, skew_us=-1_500_000, problems=(), reconnects={}
    )

    assert samples(status) == {CONNECTED: 1, LAG: 0, AGE: 2.5, SKEW: -1.5}


def test_an_unknown_lag_is_still_described_to_whoever_scrapes() -> None:
    text = generate_latest(collected(SILENT)).decode()

    assert f"# TYPE {LAG} gauge" in text
    assert f"\n{LAG} " not in text


def test_a_stream_counts_how_often_it_was_opened_again() -> None:
    value = collected(SILENT).get_sample_value(
        "borderscout_link_reconnects_total", {"stream": "control"}
    )

    assert value == 3


def test_a_core_that_is_refused_has_a_metric() -> None:
    name = "borderscout_link_core_refused"
    refusing = replace(SILENT, core_refused="it lost changes")

    values = [collected(status).get_sample_value(name) for status in (SILENT, refusing)]

    assert values == [0, 1]


def test_where_the_core_is_has_a_metric_and_how_often_it_was_looked_for_elsewhere() -> None:
    first = replace(SILENT, core="192.0.2.1:7443")
    found = replace(
        SILENT,
        connected=True,
        core="192.0.2.2:7443",
        is_standby=True,
        moves=3,
        other_cores=("an earlier one runs",),
    )

    def told(status: LinkStatus, standby: str) -> tuple[float | None, ...]:
        registry = collected(status)
        labels = {"address": status.core, "standby": standby}
        return (
            registry.get_sample_value("borderscout_link_core", labels),
            registry.get_sample_value("borderscout_link_core_moves_total"),
            registry.get_sample_value("borderscout_link_other_cores"),
        )

    assert told(first, "no") == (0, 0, 0)
    assert told(found, "yes") == (1, 3, 1)
    assert told(found, "no")[0] is None


def test_a_spool_that_is_not_heard_is_told() -> None:
    told = [
        collected(status).get_sample_value("borderscout_link_forked")
        for status in (SILENT, replace(SILENT, forked="it was put back"))
    ]

    assert told == [0, 1]
