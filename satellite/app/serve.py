"""How does ``borderscout satellite serve`` start a node's parent, and end it?

Touches everything of a node, from its parent process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from common.clock import SystemClock
from common.durable import sync_folder
from common.errors import BorderScoutError, EnvironmentFailure, SettingsError
from common.exit_status import WRONG_SETTINGS
from common.kinds import load_our_own
from common.loop_lag import CALM_PERIOD_S, LoopLag
from common.settings.satellite import SatelliteSettings
from common.supervisor import supervisor
from common.tasks import keep_running
from common.telemetry import configure_logging
from satellite.app import worker
from satellite.console.control_socket import ControlSocket
from satellite.joining.key_upkeep import KeyUpkeep
from satellite.joining.staging import Staging
from satellite.node.fork_server import ForkServer
from satellite.node.http_server import HttpServer
from satellite.node.kept_sockets import KeptSockets
from satellite.node.launch import become_parent, command
from satellite.node.parent import Workers
from satellite.node.policy_host import PolicyHost
from satellite.node.service_notices import ServiceNotices
from satellite.node.service_unavailable import ServiceUnavailable
from satellite.node.settings_files import SettingsFiles
from satellite.node.settings_over_link import SettingsOverLink
from satellite.node.settings_steps import SettingsSteps
from satellite.node.sockets import listening_sockets
from satellite.settings import read_settings
from satellite.spool.disk.lock import ShardLock

log = structlog.get_logger()

FAILED = 1


def serve(config: Path, steps: SettingsSteps, kept: KeptSockets) -> bool:
    """Run a node until SIGTERM or SIGINT; say whether it has to begin anew.

    Args:
        config: its settings file.
        steps: towards settings that the core told.
        kept: sockets that listen already; those that it listens on, once it has to begin anew.

    Raises:
        SettingsError: the settings are wrong; every complaint is in it.
        EnvironmentFailure: a port or the state folder cannot be had.
    """
    Staging(config.resolve().parent).install()  # new keys that a power cut left on their way
    settings = read_settings(config)
    configure_logging(node=settings.node, process="parent")
    if os.geteuid() == 0:
        log.warning("satellite.root", hint="nothing here needs root once the port is bound")
    _make(Path(settings.state))
    load_our_own()
    forks = ForkServer.begin(worker.main, closing=kept.all())  # before anything else is open
    return asyncio.run(_serve(settings, config, forks, steps, kept))


def _make(state: Path) -> None:
    """Make the state folder, so that its name survives a power cut as what is in it does."""
    if not state.is_dir():
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(state.parent)


async def _serve(
    settings: SatelliteSettings,
    config: Path,
    forks: ForkServer,
    steps: SettingsSteps,
    kept: KeptSockets,
) -> bool:
    state = Path(settings.state)
    clock = SystemClock()
    lock = ShardLock(state)
    forks.attend()
    await lock.acquire(clock)  # who comes second waits for the first to be gone, and says so
    try:
        sockets = listening_sockets(settings.smtp.listen, kept)
        workers = Workers(
            settings,
            read_settings=partial(read_settings, config),
            sockets=sockets,
            clock=clock,
            start=forks.start,
            on_reloaded=steps.are_in_force,
        )
        service_unavailable = ServiceUnavailable(workers, sockets=sockets, clock=clock)
        control = ControlSocket(workers, state)
        loop_lag = LoopLag(clock, period_s=CALM_PERIOD_S)
        exposition = HttpServer(
            workers,
            settings.metrics,
            asyncio.get_running_loop(),
            loop_lag=loop_lag,
            service_unavailable=service_unavailable,
        )
        over_link = SettingsOverLink(
            steps,
            workers=workers,
            service_unavailable=service_unavailable,
            is_served=lambda: exposition.is_served,
            clock=clock,
        )
        loop_lag.start()
        await control.start()
        exposition.start()
        renew = (*command("satellite.joining.key_renewal"), str(config))
        works = [
            ("service unavailable", service_unavailable.run),
            ("settings over the link", over_link.run),
            ("keys", KeyUpkeep(config.parent, command=renew, clock=clock).run),
        ]
        notices = ServiceNotices(workers, manager=supervisor(), clock=clock)
        works += [("service manager", notices.run), ("end of service", notices.say_end)]
        if settings.mta_sts is not None:
            works.append(("policies", PolicyHost(settings.mta_sts, clock).run))
        beside = [
            asyncio.create_task(keep_running(work, name=name, clock=clock), name=name)
            for name, work in works
        ]
        log.info("satellite.started", listen=settings.smtp.listen, workers=settings.workers)
        try:
            is_done = await _unless(forks.died, workers.run())
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            loop_lag.stop()
            await asyncio.to_thread(exposition.stop)
            await control.stop()
        log.info("satellite.stopped")
    finally:
        lock.release()
        await forks.close()
    if not is_done:
        log.error("satellite.fork_server_died", hint="the node begins anew")
    return not workers.was_told_to_stop and (over_link.begins_anew or not is_done)


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work, and say yes; or stop doing it when the event comes first, and say no."""
    working, coming = asyncio.create_task(work), asyncio.create_task(event.wait())
    try:
        await asyncio.wait({working, coming}, return_when=asyncio.FIRST_COMPLETED)
        is_done = working.done()
    finally:
        working.cancel()
        coming.cancel()
        await asyncio.gather(working, coming, return_exceptions=True)
    if is_done:
        working.result()  # which may be an error
    return is_done


def main(arguments: list[str]) -> int:
    """Run the parent of a node: CONFIG. What goes wrong becomes lines on stderr."""
    config = Path(arguments[0]).resolve()
    configure_logging(process="parent")
    try:
        kept = KeptSockets.taken_over()
    except EnvironmentFailure as error:
        sys.stderr.write(f"borderscout: {error}\n")
        return FAILED
    steps = SettingsSteps(SettingsFiles(config), read=read_settings)
    steps.begin()
    try:
        begins_anew, status, lines = serve(config, steps, kept), 0, []
    except SettingsError as error:
        begins_anew, status, lines = False, WRONG_SETTINGS, error.complaints
    except BorderScoutError as error:
        begins_anew, status, lines = False, FAILED, [f"borderscout: {error}"]
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        what = f"{where}{error.strerror or error}"
        lines = [f"borderscout: {what}; check the file and its rights"]
        begins_anew, status = False, FAILED
    for line in lines:
        sys.stderr.write(f"{line}\n")
    if begins_anew or (status and steps.has_gone_back("; ".join(lines))):
        become_parent(config, kept.environment())
    return status
