"""What changes in a running core when its settings file does?

Touches the settings file. Which nodes it names, and which of their certificates are let in, holds
as soon as the file says it, so that a stolen one is worth nothing within seconds. All else waits
for a restart, and is named. A file that is wrong changes nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

import structlog

from common.certificate import CertificateStatus
from common.clock import Clock
from common.errors import SettingsError
from common.settings.core import CoreSettings
from core.settings import SettingsFileState, load_settings

log = structlog.get_logger()

COMPLAINTS_MAX = 20  # that are told where people look; the log has all
LOOK_S = 1.0  # a file is read once two looks have found the same: nobody writes it any more

_Mark = tuple[int, int, int] | None  # of a file: changes when it does; None: it is not there


class GoesBySettings(Protocol):
    """Who goes by the nodes that the settings name."""

    def take_settings(self, settings: CoreSettings) -> int: ...


class HasCertificate(Protocol):
    """Who can read the core's certificate again."""

    def certificate_status(self) -> CertificateStatus | None: ...


class RunningSettings:
    """The settings of a running core.

    Args:
        config: their file.
        settings: as they were read at the start.
        link: asked to read its certificate again.
        nodes: told which nodes the settings name.
        clock: for the time between looks.
        state: told what is to be said of the file.
    """

    def __init__(
        self,
        config: Path,
        settings: CoreSettings,
        *,
        link: HasCertificate,
        nodes: GoesBySettings,
        clock: Clock,
        state: SettingsFileState,
    ) -> None:
        self._state = state
        self._config = config
        self._settings = settings
        self._link = link
        self._nodes = nodes
        self._clock = clock
        self._seen = _mark(config)
        self._is_read = True  # what was seen

    async def watch(self) -> None:
        """Look at the file until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Take over what the file says, once it has changed and rests."""
        seen = await asyncio.to_thread(_mark, self._config)
        if seen != self._seen:
            self._seen, self._is_read = seen, False
        elif not self._is_read:
            self._is_read = True
            try:
                self._take(await asyncio.to_thread(load_settings, self._config))
            except SettingsError as error:
                self._tell_wrong(error)

    def hang_up(self) -> None:
        """Read the certificate and the file now."""
        certificate = self._link.certificate_status()
        self._seen, self._is_read = _mark(self._config), True
        try:
            settings = load_settings(self._config)
        except SettingsError as error:
            self._tell_wrong(error)
            return
        self._take(settings, certificate.problem if certificate is not None else "")

    def _take(self, read: CoreSettings, certificate_problem: str = "") -> None:
        running = self._settings
        before = {node.name: node for node in running.nodes}
        now = {node.name: node for node in read.nodes}
        ended = 0
        if running.nodes != read.nodes:
            self._settings = running.model_copy(update={"nodes": read.nodes})
            ended = self._nodes.take_settings(self._settings)
        restart_needed = [
            name
            for name in type(read).model_fields
            if getattr(self._settings, name) != getattr(read, name)
        ]
        self._state.complaints, self._state.restart_needed = (), tuple(restart_needed)
        log.info(
            "core.reloaded",
            certificate_problem=certificate_problem,
            nodes_added=sorted(now.keys() - before.keys()),
            nodes_removed=sorted(before.keys() - now.keys()),
            nodes_changed=sorted(n for n in now.keys() & before.keys() if now[n] != before[n]),
            calls_ended=ended,
            restart_needed=restart_needed,
            hint="restart the core to use what was changed" if restart_needed else "",
        )

    def _tell_wrong(self, error: SettingsError) -> None:
        self._state.complaints = tuple(error.complaints[:COMPLAINTS_MAX])
        log.error("core.settings_wrong", complaints=error.complaints, hint="nothing was changed")


def _mark(path: Path) -> _Mark:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
