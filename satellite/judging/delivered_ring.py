"""Which delivered messages does a shard still have the octets of, for a second look?

Touches a folder beside the spool. What lies there is a convenience and nothing that anybody relies
on: it is written without a sync, goes when it is old, when there is no room, or when the disk gets
full, the oldest first, and may be deleted by hand at any time. A message that lies in a file is
linked and not copied. Names are of our making: our id and the SHA-256, by which a file that a crash
cut short is known.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import structlog

from common.clock import Clock
from common.frozen import dataclass
from common.ids import MessageId, is_ulid
from satellite.scanning.sample import Sample, SampleUnreadable

log = structlog.get_logger()

FOLDER = "delivered"  # in the shard's folder
ENTRIES_MAX = 100_000  # a folder that is listed in a moment, some 20 MB of memory
LARGEST_SHARE = 0.25  # of the room, for one message: one must not push out all others
FREE_SHARE = 2.0  # of the reserve: below it everything goes
HOUR_S = 3600.0

_NAME = re.compile(r"([0-9A-Z]{26})-([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredMessage:
    """One message that lies in the ring.

    Args:
        kept_s: when engines were shown it, before it was put there; seconds since the epoch by the
            wall clock.
    """

    id: MessageId
    sha256: bytes
    size: int
    kept_s: float

    @property
    def name(self) -> str:
        """What its file is called."""
        return f"{self.id}-{self.sha256.hex()}"


class DeliveredRing:
    """The octets of what was delivered of late.

    Args:
        folder: the shard's.
        hours: for how long they stay.
        bytes_max: how many of them; 0: none, and there is no folder.
        reserve_bytes: of the spool, which this never eats into.
        free_bytes: what there is on the disk.
        clock: the time.
    """

    def __init__(
        self,
        folder: Path,
        *,
        hours: float,
        bytes_max: int,
        reserve_bytes: int,
        free_bytes: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._folder = folder / FOLDER
        self._hours = hours
        self._bytes_max = bytes_max
        self._reserve_bytes = reserve_bytes
        self._free_bytes = free_bytes
        self._clock = clock
        self._kept: OrderedDict[MessageId, DeliveredMessage] = OrderedDict()  # the oldest first
        self._entered: deque[MessageId] = deque(maxlen=ENTRIES_MAX)  # since somebody asked
        self.kept_bytes = 0

    @property
    def is_on(self) -> bool:
        """Whether anything is kept."""
        return self._bytes_max > 0 and self._hours > 0

    async def open(self) -> None:
        """Find what an earlier life has kept; what is none of it goes."""
        meanwhile = self._kept
        self._kept, self.kept_bytes = OrderedDict(), 0
        found = await asyncio.to_thread(self._found)
        meanwhile.update(self._kept)
        self._kept, self.kept_bytes = OrderedDict(), 0
        for one in (*found, *meanwhile.values()):  # the oldest first
            self._add(one)
        self.tidy()

    def _found(self) -> list[DeliveredMessage]:
        found: list[DeliveredMessage] = []
        for path in _files_in(self._folder):
            one = self._read(path) if self.is_on else None  # it may have been on before
            if one is not None:
                found.append(one)
            else:
                _remove(path)
        return sorted(found, key=lambda one: (one.kept_s, one.id))

    async def keep(self, sample: Sample, *, age_s: float = 0.0) -> None:
        """Keep the octets of a message that is about to be delivered; raises nothing.

        Args:
            sample: the message.
            age_s: how long ago engines were shown it.
        """
        if not self.is_on or sample.size > self._bytes_max * LARGEST_SHARE:
            return
        if sample.id in self._kept:
            return
        if self._is_tight():
            self.tidy()
            return
        one = DeliveredMessage(
            id=sample.id,
            sha256=sample.sha256,
            size=sample.size,
            kept_s=self._clock.now_us() / 1e6 - age_s,
        )
        try:
            await asyncio.to_thread(self._put, sample, self._folder / one.name, one.kept_s)
        except OSError as error:
            log.warning("second_look.not_kept", message=sample.id, reason=error.strerror)
            return
        self._add(one)
        self._entered.append(one.id)
        self.tidy()

    def _put(self, sample: Sample, path: Path, kept_s: float) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        try:
            if sample.data is not None:
                path.write_bytes(sample.data)
            else:
                assert sample.path is not None
                os.link(sample.path, path)
            os.utime(path, (kept_s, kept_s))
        except OSError:
            _remove(path)
            raise

    def newest_first(self) -> list[DeliveredMessage]:
        """Return what is kept."""
        return list(reversed(self._kept.values()))

    def entered(self) -> list[DeliveredMessage]:
        """Return what came in since this was asked last, and is still there, the newest first."""
        found = [self._kept[one] for one in reversed(self._entered) if one in self._kept]
        self._entered.clear()
        return found

    async def sample(self, one: DeliveredMessage) -> Sample | None:
        """Return a kept message as engines see it; None when it is gone or was cut short."""
        path = self._folder / one.name
        sample = Sample(id=one.id, size=one.size, sha256=one.sha256, path=path)
        if not await asyncio.to_thread(_is_whole, sample):
            self.remove(one.id)
            return None
        return sample

    def remove(self, message: MessageId) -> None:
        """Keep a message no longer."""
        one = self._kept.pop(message, None)
        if one is not None:
            self.kept_bytes -= one.size
            _remove(self._folder / one.name)

    def tidy(self) -> None:
        """Let go what is old, and what there is no room for."""
        now_s = self._clock.now_us() / 1e6
        is_tight = bool(self._kept) and self._is_tight()
        for one in list(self._kept.values()):
            is_much = self.kept_bytes > self._bytes_max or len(self._kept) > ENTRIES_MAX
            # A wall clock that was set back must not keep it for longer.
            is_old = not 0 <= now_s - one.kept_s + HOUR_S <= (self._hours + 1) * HOUR_S
            if not (is_tight or is_much or is_old):
                break
            self.remove(one.id)

    def _is_tight(self) -> bool:
        return self._free_bytes() < self._reserve_bytes * FREE_SHARE

    def _add(self, one: DeliveredMessage) -> None:
        before = self._kept.pop(one.id, None)
        self.kept_bytes -= before.size if before is not None else 0
        self._kept[one.id] = one
        self.kept_bytes += one.size

    def _read(self, path: Path) -> DeliveredMessage | None:
        found = _NAME.fullmatch(path.name)
        if found is None or not is_ulid(found[1]):
            return None
        with suppress(OSError):
            status = path.stat()
            return DeliveredMessage(
                id=MessageId(found[1]),
                sha256=bytes.fromhex(found[2]),
                size=status.st_size,
                kept_s=status.st_mtime,
            )
        return None


def _is_whole(sample: Sample) -> bool:
    digest = sha256()
    try:
        for chunk in sample.chunks():
            digest.update(chunk)
    except SampleUnreadable:
        return False
    return digest.digest() == sample.sha256


def _files_in(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except OSError:  # there is none, or what there is can be no ring of ours
        return


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
