"""The demonstration with a real clamd and a real c-icap, and what is left once it has to end."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from pathlib import Path

import pytest

from cli.demonstration import mail
from cli.demonstration.engines import DemoEngines
from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from common.verdict import Outcome
from satellite.scanning.engine import EngineContext, build_engines
from satellite.scanning.helper import Helper
from tests.support.cluster.commands import COMMAND
from tests.support.scanning.c_icap import what_is_missing
from tests.support.scanning.messages import plain, sample_of
from tests.support.waiting import until

DEADLINE_S = 60.0
without_c_icap = pytest.mark.skipif(
    what_is_missing() != "", reason=f"{what_is_missing()} is not installed"
)


def running_below(folder: Path) -> list[str]:
    """Return the command lines of all processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if str(folder) in line:
            found.append(line)
    return found


@without_c_icap
async def test_where_they_are_installed_the_engines_are_real(tmp_path: Path) -> None:
    told: list[str] = []
    engines = DemoEngines(tmp_path)
    await engines.start(told.append)

    assert engines.names == ["yara", "clamav", "c-icap"], told
    clock = SystemClock()
    settings = [EngineSettings.model_validate(entry) for entry in engines.entries]
    context = EngineContext(clock=clock, helper=Helper(clock=clock))
    for fitted in build_engines(settings, context):
        bad = await fitted.engine.scan(sample_of(plain(mail.EICAR.encode())), deadline_s=DEADLINE_S)
        good = await fitted.engine.scan(sample_of(plain(b"hello")), deadline_s=DEADLINE_S)
        assert (bad.outcome, good.outcome) == (Outcome.INFECTED, Outcome.CLEAN), (bad, good)
        await fitted.engine.close()
    await context.helper.close()
    assert running_below(tmp_path)
    await engines.end()

    assert running_below(tmp_path) == []


async def test_told_to_end_twice_it_leaves_no_process_behind() -> None:
    with tempfile.TemporaryDirectory(prefix="demo-") as name:  # short: sockets lie below it
        folder = Path(name)
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            "demo",
            "--check",
            "--keep",
            folder,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

        async def look() -> bool:
            assert process.returncode is None, "it ended by itself"
            return any(" satellite serve" in line for line in running_below(folder))

        await until(look, "satellites are started")
        for _ in range(2):  # as `timeout` does, which tells the group as well
            os.killpg(process.pid, signal.SIGTERM)
            process.send_signal(signal.SIGTERM)

        assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 1
        assert running_below(folder) == []
