"""What did the servers of each destination offer last, and how does that outlive a restart?

Touches one small file in the shard's folder. It is knowledge and no promise: what is older than a
day is not used, for a server may have become better and mail that is refused for it never finds
out; a file that is lost or nonsense costs a DSN where a reply would have done.

Source: RFC 1870 section 6.1, RFC 6531 section 3.5 (to be refused as early as can be).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from common.durable import write_file
from satellite.delivery.decisions.routing import Destination
from satellite.delivery.hop.session import Extensions
from satellite.next_hop import NextHopOffer

log = structlog.get_logger()

NAME = "offers.json"
DESTINATIONS_MAX = 10_000  # remembered; the one that was talked to longest ago is forgotten first
FILE_BYTES_MAX = 4 << 20
FRESH_US = 86_400_000_000


class _Learned(BaseModel):
    """One destination's offer, and when it was made, in microseconds since the epoch."""

    model_config = ConfigDict(frozen=True)

    at_us: int
    size_bytes_max: Annotated[int, Field(ge=0)]
    smtputf8: bool


_FILE = TypeAdapter(dict[str, _Learned])


class LearnedOffers:
    """The offers that were heard, by the mark of their destination.

    Args:
        folder: the shard's; None: they do not outlive the process.
        now_us: gives the wall clock.
        destination_of: returns where a recipient's mail goes.
    """

    def __init__(
        self,
        folder: Path | None,
        now_us: Callable[[], int],
        *,
        destination_of: Callable[[str], Destination],
    ) -> None:
        self._destination_of = destination_of
        self._file = folder / NAME if folder is not None else None
        self._now_us = now_us
        self._learned = _read(self._file) if self._file is not None else {}
        self._is_saved = True

    def note(self, destination: Destination, extensions: Extensions) -> None:
        """Take in what a server has just offered."""
        learned = _Learned(
            at_us=self._now_us(),
            size_bytes_max=extensions.size_bytes_max,
            smtputf8=extensions.smtputf8,
        )
        self._learned.pop(destination.mark, None)
        if len(self._learned) >= DESTINATIONS_MAX:
            del self._learned[next(iter(self._learned))]
        self._learned[destination.mark] = learned
        self._is_saved = False

    def for_recipient(self, address: str) -> NextHopOffer | None:
        """Return what a recipient's next hop offered in the last day; None when nobody knows."""
        found = self._learned.get(self._destination_of(address).mark)
        # A clock that was set back makes it old, too: who is not sure, accepts.
        if found is None or not 0 <= self._now_us() - found.at_us < FRESH_US:
            return None
        return NextHopOffer(size_bytes_max=found.size_bytes_max, smtputf8=found.smtputf8)

    async def save(self) -> None:
        """Write them if they have changed; a disk that refuses costs them at a restart."""
        if self._file is None or self._is_saved:
            return
        self._is_saved = True
        try:
            await asyncio.to_thread(_write, self._file, dict(self._learned))
        except OSError as error:
            self._is_saved = False
            log.warning("delivery.offers_not_saved", reason=error.strerror)


def _write(file: Path, learned: dict[str, _Learned]) -> None:
    write_file(file, _FILE.dump_json(learned))


def _read(file: Path) -> dict[str, _Learned]:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            return {}
        return _FILE.validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        log.warning("delivery.offers_unreadable", file=str(file), hint="they are learned anew")
        return {}
