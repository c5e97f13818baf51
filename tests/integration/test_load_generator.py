"""Does the load generator count right? Its source sends to its own sink, with nothing between."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bench.generator import Generator
from tests.bench.loads import LOADS
from tests.support.ports import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("cc") is None, reason="a C compiler is missing: gcc"),
]


@pytest.mark.parametrize("load", ["i", "ii", "iii"])
def test_everything_that_is_sent_arrives_once(tmp_path: Path, load: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    generator = Generator(tmp_path)

    result = generator.send(LOADS[load], target=address, sink=address, messages=300, seconds_max=30)

    assert result["sent"] == result["accepted"] == 300
    assert result["arrived"] + result["infected_delivered"] == 300
    assert result["missing"] == result["duplicates"] == result["unknown"] == 0
    assert result["accept_ms"]["p50"] <= result["accept_ms"]["p99"]


def test_a_sink_that_waits_takes_mail_only_when_it_is_told(tmp_path: Path) -> None:
    """The gateway is another generator's sink: it answers, and hands nothing on."""
    gateway, sink = (f"127.0.0.1:{free_port()}" for _ in range(2))
    generator = Generator(tmp_path)
    idle = [*generator.command(LOADS["i"], target=gateway, sink=gateway), "--messages", "1"]
    held = [*generator.command(LOADS["i"], target=gateway, sink=sink), "--accepted", "40"]

    with (
        generator.begin([*idle, "--linger", "30"]),
        generator.begin([*held, "--sink-waits", "--idle-timeout", "0.2"]) as sending,
    ):
        loaded = sending.wait_for("loaded", deadline_s=20)
        assert sending.is_running
        sending.start_sink()
        result = sending.wait(deadline_s=20)

    assert loaded >= 40
    assert result["accepted"] == loaded
    assert result["missing"] == loaded
