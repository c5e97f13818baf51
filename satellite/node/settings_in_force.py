"""Which settings does a worker work with, and what of changed ones needs a restart?

Touches a file in memory alone. The parent reads the settings file, and each worker gets what the
parent has read: a file that is being written, or that is wrong, is nobody's but the parent's, and a
worker that dies meanwhile comes back as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from common.settings.satellite import SatelliteSettings

# What the parent alone uses, and has done so by the time that a worker begins: the sockets are
# bound, the state folder is locked, the shards are counted.
_OF_THE_PARENT = ("node", "state", "workers", "metrics", "mta_sts")


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """Settings that workers may have from now on.

    Attributes:
        settings: the fresh ones, and what needs a restart as it was.
        restart_needed: the keys of what changed and was left as it was.
    """

    settings: SatelliteSettings
    restart_needed: tuple[str, ...]


def change_of(running: SatelliteSettings, fresh: SatelliteSettings) -> SettingsChange:
    """Return what of fresh settings can be in force without a restart.

    Args:
        running: those that are in force.
        fresh: as the file has them now.
    """
    waiting = [name for name in _OF_THE_PARENT if getattr(running, name) != getattr(fresh, name)]
    kept = {name: getattr(running, name) for name in waiting}
    if fresh.smtp.listen != running.smtp.listen:
        waiting.append("smtp.listen")
        kept["smtp"] = fresh.smtp.model_copy(update={"listen": running.smtp.listen})
    return SettingsChange(fresh.model_copy(update=kept), tuple(waiting))


@contextmanager
def lent(settings: SatelliteSettings) -> Iterator[int]:
    """Yield a descriptor from which a process that inherits it reads settings."""
    descriptor = os.memfd_create("settings")
    try:
        with open(descriptor, "wb", closefd=False) as out:
            out.write(json.dumps(settings.model_dump(), default=str).encode())
        yield descriptor
    finally:
        os.close(descriptor)


def borrowed(descriptor: int) -> SatelliteSettings:
    """Return the settings behind a descriptor, and close it."""
    with open(descriptor, "rb") as file:
        file.seek(0)  # where whoever wrote them left off is where we begin otherwise
        return SatelliteSettings.model_validate(json.load(file))
