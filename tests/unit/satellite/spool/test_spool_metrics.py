"""The spool's gauges say what is in it at the moment somebody looks."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from common.states import UNFINISHED
from satellite.spool.metrics import SpoolMetrics
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import at, preferences, route
from tests.support.spool.open_spool import accept


def read(registry: CollectorRegistry) -> dict[str, float]:
    """Return each sample as a scrape gives it, the state in brackets."""
    return {
        f"{sample.name}[{sample.labels['state']}]" if sample.labels else sample.name: sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


@pytest.fixture
def registry(spool: Spool) -> CollectorRegistry:
    made = CollectorRegistry()
    SpoolMetrics(spool, made)
    return made


def test_an_empty_spool_has_every_gauge_and_each_is_nothing(registry: CollectorRegistry) -> None:
    found = read(registry)

    assert {name for name in found if "[" in name} == {
        f"borderscout_spool_recipients[{state}]" for state in UNFINISHED
    }
    assert found.pop("borderscout_spool_accepting") == 1
    assert found.pop("borderscout_spool_file_bytes") > 0  # its tables
    assert set(found.values()) == {0}


async def test_the_gauges_follow_the_spool(
    spool: Spool, registry: CollectorRegistry, clock: FakeClock
) -> None:
    wanted = preferences(route("acme.example"), revision=42)
    await spool.apply_preferences(
        [route("acme.example")], position=at(42), digest=wanted.digest, snapshot=True
    )
    first = await accept(spool, "x@acme.example", "y@acme.example")
    await clock.advance(90)
    await accept(spool)
    await spool.wait(first, next_us=1, reason="silent", verdicts=())

    found = read(registry)

    assert found["borderscout_spool_recipients[waiting]"] == 2
    assert found["borderscout_spool_recipients[received]"] == 1
    assert found["borderscout_spool_oldest_seconds"] == 90
    assert found["borderscout_preferences_revision"] == 42
    assert found["borderscout_outbox_records"] == 4
    assert found["borderscout_outbox_quarantine"] == 0


async def test_the_oldest_is_as_old_as_its_age_and_not_as_the_wall_clock_says(
    spool: Spool, registry: CollectorRegistry, clock: FakeClock
) -> None:
    await accept(spool)
    clock.jump(86_400)
    await clock.advance(5)

    assert read(registry)["borderscout_spool_oldest_seconds"] == 5


async def test_a_spool_that_takes_no_mail_says_so(
    spool: Spool, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "refusal", lambda: "1 MiB of disk free, 256 MiB reserved")

    assert read(registry)["borderscout_spool_accepting"] == 0


async def test_no_address_is_a_label(spool: Spool, registry: CollectorRegistry) -> None:
    await accept(spool, "somebody@acme.example")

    assert b"somebody" not in generate_latest(registry)
