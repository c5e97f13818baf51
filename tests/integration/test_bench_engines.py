"""The measurement of three engines runs to its end; what it finds is not judged here."""

from __future__ import annotations

import pytest

from tests.bench import engines
from tests.bench.document import engines_text, others_of
from tests.support.scanning.c_icap import what_is_missing

pytestmark = pytest.mark.skipif(what_is_missing() != "", reason=f"no {what_is_missing()}")


def test_three_engines_are_measured_and_have_their_page() -> None:
    record = engines.run(count=20, repeats=20)

    header = {"command": "x", "when": "now", "machine": {}}
    assert "one message at a time" in engines_text({**header, **record})
    assert others_of(engines=record).scanning_ms
    assert record["ms"].keys() == {"clamav", "icap", "yara", "all three"}
