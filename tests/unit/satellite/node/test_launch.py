"""A node's processes carry what they need, and nothing for the eyes of a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from satellite.node import launch

PROBE = """
import sys

def main(arguments):
    import structlog
    print(arguments, any(name in sys.modules for name in ("rich.console", "pygments")))
    return 3
"""


def test_a_module_runs_with_its_arguments_and_without_colours(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    said = subprocess.run(
        [*launch.command("probe"), "one", "two"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (said.returncode, said.stdout.strip()) == (3, "['one', 'two'] False"), said.stderr


def test_the_command_becomes_the_parent_in_the_same_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda *how: ran.append(how))
    monkeypatch.setenv("MALLOC_ARENA_MAX", "5")
    monkeypatch.setenv("GRPC_ENABLE_FORK_SUPPORT", "1")

    launch.become_parent(tmp_path)

    [(program, arguments, environment)] = ran
    assert program == sys.executable
    assert arguments == [*launch.command("satellite.app.serve"), str(tmp_path)]
    # The operator may want other arenas; gRPC's handlers would wait for threads that a fork lacks.
    assert environment == {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"}
