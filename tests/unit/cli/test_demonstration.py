"""What is told of a process of the demonstration that did not live."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.demonstration.cluster import DemoProcess
from common.errors import EnvironmentFailure


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print('one'); print('port taken'); print(); exit(3)", "it said last: port taken; "),
        ("exit(3)", "it said nothing; "),
    ],
)
async def test_who_dies_is_told_with_its_last_words_since_its_log_may_be_gone(
    tmp_path: Path, script: str, said: str
) -> None:
    process = DemoProcess("core", [sys.executable, "-c", script], tmp_path / "core.log")
    await process.start()
    assert process.process is not None
    await process.process.wait()

    with pytest.raises(EnvironmentFailure) as caught:
        process.check()

    assert str(caught.value).startswith(f"core ended with status 3; {said}")
    assert "borderscout demo --keep DIR" in caught.value.hint
