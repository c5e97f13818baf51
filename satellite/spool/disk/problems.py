"""What should an operator know of a shard's folder?

Touches the folder: it is listed when somebody asks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from common.records import GapRecord
from satellite.spool.disk.pages import PAGE_BYTES
from satellite.spool.disk.schema import CHECKPOINT_PAGES
from satellite.spool.disk.sweep import UNKNOWN

DAMAGED = "spool.db.damaged-"  # and the time at which a start set it aside
LOG_PAGES_MAX = 16 * CHECKPOINT_PAGES  # beyond it somebody keeps the log from being emptied
NAMES_MAX = 3  # in one sentence


def problems(folder: Path, *, log_pages: int, gap: GapRecord | None = None) -> tuple[str, ...]:
    """Return one sentence for each thing that waits for an operator.

    Args:
        folder: the shard's.
        log_pages: the length of the write-ahead log.
        gap: what stands in the place of log records that went.
    """
    try:
        found = _left_behind(folder)
    except OSError as error:  # a disk that is gone, no descriptor: that is one more of them
        found = [f"{folder.name} cannot be looked at: {error.strerror}"]
    if log_pages > LOG_PAGES_MAX:
        size = log_pages * PAGE_BYTES >> 20
        what = f"the spool's write-ahead log has {size} MiB and cannot be emptied"
        found.append(f"{what}; end what else has opened {folder.name}/spool.db")
    if gap is not None:
        since, until = (_day(time_us) for time_us in (gap.since_us, gap.until_us))
        what = f"{gap.records} log records from {since} to {until} are lost: {gap.reason}"
        found.append(f"{what}; see why it does not: borderscout doctor --config satellite.yaml")
    return tuple(found)


def _day(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")


def _left_behind(folder: Path) -> list[str]:
    found = []
    unknown = names_in(folder / UNKNOWN)
    if unknown:
        shown = ", ".join(name[:64] for name in unknown[:NAMES_MAX])
        what = f"{len(unknown)} unknown files were moved to {folder.name}/{UNKNOWN}"
        found.append(f"{what} ({shown}); look at them and delete them")
    aside = [name for name in names_in(folder) if name.startswith(DAMAGED)]
    aside = [name for name in aside if not name.endswith("-wal")]
    if aside:
        what = f"the spool was damaged and mended; what it was is kept as {folder.name}/{aside[-1]}"
        found.append(f"{what}; its losses are in the spool_damaged record; delete it when done")
    return found


def names_in(folder: Path) -> list[str]:
    """Return what lies in a folder, sorted; nothing if there is no folder."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
