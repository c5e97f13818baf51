"""How does a test type commands against a real core?

Touches a socket: the core listens on loopback, and commands run in a thread beside its loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvicorn

from cli.main import run
from common.settings.core import CoreDefinitionsSettings
from tests.support.clock import FakeClock
from tests.support.core.face import Face, open_face


@dataclass(frozen=True)
class Said:
    """What a command said in this process, and its exit code."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What --json printed, an object on each line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def check_failed(self, status: int = 1) -> str:
        """Return the one line on stderr of a command that failed with this code."""
        assert self.status == status, (self.out, self.err)
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        line = self.err.strip()
        what, semicolon, remedy = line.rpartition("; ")
        assert what, line
        assert semicolon, line
        assert remedy, line
        return line


class Shell:
    """Somebody who types commands."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    async def __call__(self, *arguments: str | Path) -> Said:
        """Run a command beside the event loop that serves the core."""
        self._capsys.readouterr()
        status = await asyncio.to_thread(run, [str(one) for one in arguments])
        captured = self._capsys.readouterr()
        return Said(status, captured.out, captured.err)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in ("BORDERSCOUT_URL", "BORDERSCOUT_TOKEN", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return Shell(capsys)


@pytest.fixture
async def core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell
) -> AsyncIterator[Face]:
    """A core that listens; the environment names it and its token."""
    settings = CoreDefinitionsSettings(gate="none")
    # What the core says of itself would stand among what the command says: they share the process.
    with structlog.testing.capture_logs():
        async with open_face(tmp_path / "core", FakeClock(), definitions=settings) as face:
            config = uvicorn.Config(
                face.application, host="127.0.0.1", port=0, log_config=None, lifespan="off"
            )
            server = uvicorn.Server(config)
            server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
            serving = asyncio.create_task(server._serve())
            async with asyncio.timeout(30):
                while not server.started:
                    await asyncio.sleep(0)
            port = server.servers[0].sockets[0].getsockname()[1]
            monkeypatch.setenv("BORDERSCOUT_URL", f"http://127.0.0.1:{port}")
            monkeypatch.setenv("BORDERSCOUT_TOKEN", face.token)
            yield face
            server.should_exit = True
            await serving
