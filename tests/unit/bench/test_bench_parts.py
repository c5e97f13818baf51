"""What do the measuring parts read out of what others print?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.alone import alone
from tests.bench.generator import GeneratorFailed, parsed
from tests.bench.loads import LOADS, messages_of, warm_up_of
from tests.bench.node import metric
from tests.bench.peers.scout import waiting_in
from tests.bench.soak import growth_of
from tests.bench.templates import MIXES, TOKEN, messages

METRICS = """
# HELP borderscout_outbox_records Records the core does not have yet
borderscout_outbox_records{shard="0"} 5.0
borderscout_outbox_records{shard="1"} 7.0
borderscout_outbox_quarantine{shard="0"} 1.0
borderscout_outbox_quarantine{shard="1"} 0.0
borderscout_outbox_records_total 99.0
"""


def test_the_backlog_is_summed_over_shards_and_outboxes() -> None:
    assert waiting_in(METRICS, shards=2) == 13


def test_a_shard_that_does_not_answer_has_not_said_that_nothing_is_left() -> None:
    assert waiting_in(METRICS, shards=3) is None
    assert waiting_in("", shards=2) is None


def test_a_metric_is_summed_over_shards_and_no_other_is() -> None:
    assert metric(METRICS, "borderscout_outbox_records") == 12


def test_memory_is_compared_after_the_first_tenth() -> None:
    values = [50.0, 100.0, *[105.0] * 7, 110.0]

    assert growth_of(values) == 1.1
    assert growth_of(values[:9]) is None


def test_a_run_is_as_long_as_the_warm_up_says() -> None:
    assert messages_of(LOADS["i"], warm_rate=500, aim_s=6) == 3000
    assert messages_of(LOADS["i"], warm_rate=1, aim_s=6) == 200
    assert messages_of(LOADS["i"], warm_rate=1e6, aim_s=6) == 60_000


def test_a_calm_load_is_as_long_as_a_percentile_needs() -> None:
    assert messages_of(LOADS["calm"], warm_rate=10, aim_s=6) == 200
    assert warm_up_of(LOADS["i200"]) >= LOADS["i200"].sessions


def test_a_load_generator_that_failed_is_no_result() -> None:
    assert parsed(0, '{"sent": 3}', "") == {"sent": 3}
    with pytest.raises(GeneratorFailed, match="sink bind"):
        parsed(2, "", "sink bind: Address already in use")


def test_every_message_of_every_mix_can_be_told_from_the_next() -> None:
    made = messages()

    for share in [share for mix in MIXES.values() for share in mix]:
        text = made[share.message]
        assert f"X-Bench-Id: {TOKEN}\n" in text
        assert f"Message-ID: <{TOKEN}." in text


def test_messages_have_the_size_that_their_name_says() -> None:
    made = messages()

    assert abs(len(made["plain4k"]) - 4096) < 200
    assert abs(len(made["multi60k"]) - 60 * 1024) < 3000
    assert abs(len(made["multi500k"]) - 500 * 1024) < 10_000


def test_two_measurements_do_not_run_at_the_same_time(tmp_path: Path) -> None:
    lock = tmp_path / "lock"

    with alone(lock), pytest.raises(TimeoutError), alone(lock, wait_s=0):
        pass
    with alone(lock, wait_s=0):
        pass
