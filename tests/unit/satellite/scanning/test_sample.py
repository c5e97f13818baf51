from __future__ import annotations

from pathlib import Path

import pytest

from common.ids import MessageId
from satellite.scanning.sample import Sample
from tests.support.scanning.messages import file_sample, sample_of


@pytest.mark.parametrize("in_file", [False, True])
def test_a_sample_is_read_in_pieces(tmp_path: Path, in_file: bool) -> None:
    body = bytes(range(100))
    sample = file_sample(tmp_path / "body", body) if in_file else sample_of(body)

    assert sample.read(0, 10) == body[:10]
    assert sample.read(95, 10) == body[95:]
    assert sample.read(100, 10) == b""


def test_a_sample_without_a_body_cannot_be() -> None:
    with pytest.raises(AssertionError):
        Sample(id=MessageId("x"), size=1, sha256=bytes(32))
