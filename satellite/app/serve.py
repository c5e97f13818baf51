"""What does ``borderscout satellite serve`` do?

Touches everything of a node, from its parent process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import structlog

from common.clock import SystemClock
from common.durable import sync_folder
from common.errors import BorderScoutError
from common.telemetry import configure_logging
from satellite.app.control import Control
from satellite.app.exposition import Exposition
from satellite.app.parent import Workers
from satellite.app.sockets import listening_sockets
from satellite.settings import SatelliteSettings, load_settings
from satellite.spool.lock import ShardLock

log = structlog.get_logger()

FAILED = 1


def serve(config: Path) -> None:
    """Run a node until SIGTERM or SIGINT.

    Raises:
        SettingsError: the settings are wrong; every complaint is in it.
        EnvironmentFailure: a port or the state folder cannot be had.
    """
    settings = load_settings(config)
    configure_logging(node=settings.node, process="parent")
    if os.geteuid() == 0:
        log.warning("satellite.root", hint="nothing here needs root once the port is bound")
    _make(Path(settings.state))
    asyncio.run(_serve(settings, config.resolve()))


def _make(state: Path) -> None:
    """Make the state folder, so that its name survives a power cut as what is in it does."""
    if not state.is_dir():
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(state.parent)


async def _serve(settings: SatelliteSettings, config: Path) -> None:
    state = Path(settings.state)
    clock = SystemClock()
    lock = ShardLock(state)
    await lock.acquire(clock)  # who comes second waits for the first to be gone, and says so
    try:
        sockets = listening_sockets(settings.smtp.listen)
        workers = Workers(settings, config=config, sockets=sockets, clock=clock)
        control = Control(workers, state)
        exposition = Exposition(workers, settings.metrics, asyncio.get_running_loop())
        await control.start()
        exposition.start()
        log.info("satellite.started", listen=settings.smtp.listen, workers=settings.workers)
        try:
            await workers.run()
        finally:
            await asyncio.to_thread(exposition.stop)
            await control.stop()
            for one in sockets:
                one.close()
        log.info("satellite.stopped")
    finally:
        lock.release()


def main(arguments: list[str]) -> int:
    """Run the parent of a node: CONFIG. What goes wrong becomes lines on stderr."""
    [config] = arguments
    try:
        serve(Path(config))
    except BorderScoutError as error:
        sys.stderr.write(f"borderscout: {error}\n")
        return FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        what = f"{where}{error.strerror or error}"
        sys.stderr.write(f"borderscout: {what}; check the file and its rights\n")
        return FAILED
    return 0
