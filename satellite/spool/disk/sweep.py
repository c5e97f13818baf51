"""What lies in the body folder when a shard is opened, and what becomes of it?

Touches the body folder and the one beside it. Our own left-overs are deleted: a body that no row
points to was never acknowledged, or has ended. Whatever else lies there is moved aside, never
deleted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from common import durable
from common.ids import is_ulid
from satellite.spool.disk.bodies import PART, remove_body

log = structlog.get_logger()

UNKNOWN = "bodies.unknown"  # beside the body folder


@dataclass(slots=True)
class Swept:
    """What was found.

    Args:
        damaged: ids of messages whose body cannot be right, with what is wrong.
        unknown: names of what was moved aside.
    """

    damaged: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def sweep(folder: Path, wanted: Mapping[str, int], *, keep_strays: bool = False) -> Swept:
    """Take away what no message needs, and find the messages whose body is not there.

    Args:
        folder: the body folder.
        wanted: the octets of each message whose body is a file, by id.
        keep_strays: rows were lost: a body without one may be all that is left of a message, and
            is moved aside like what is unknown.

    Raises:
        OSError: the folder cannot be read, or what is unknown cannot be moved.
    """
    found = Swept()
    present: set[str] = set()
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        status = entry.stat(follow_symlinks=False)
        is_file = stat.S_ISREG(status.st_mode)
        if is_file and entry.name in wanted:
            present.add(entry.name)
            size = wanted[entry.name]
            if status.st_size != size:
                what = f"the body file has {status.st_size} octets, not {size}"
                found.damaged[entry.name] = what
        elif is_file and _is_ours(entry.name) and not (keep_strays and is_ulid(entry.name)):
            remove_body(Path(entry.path))
        else:
            found.unknown.append(_moved_aside(Path(entry.path)))
    for name in wanted.keys() - present:
        found.damaged[name] = "the body file is missing"
    return found


def _is_ours(name: str) -> bool:
    return is_ulid(name.removesuffix(PART))


def _moved_aside(path: Path) -> str:
    """Move something to the folder of what is unknown, under a name that is free there."""
    target = path.parent.parent / UNKNOWN
    target.mkdir(mode=0o700, exist_ok=True)
    name, number = path.name, 1
    while os.path.lexists(target / name):
        name, number = f"{path.name}.{number}", number + 1
    log.error("spool.unknown_file", file=path.name, moved_to=f"{UNKNOWN}/{name}")
    durable.disk.rename(path, target / name)
    durable.sync_folder(target)
    durable.sync_folder(path.parent)
    return name
