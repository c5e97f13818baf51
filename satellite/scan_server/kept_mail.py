"""Where is mail kept that must not be delivered, when there is no core to have a quarantine?

Touches one folder. A message is two files by our id of it: ``ID.json`` with its envelope and the
reason, and then ``ID.eml`` with our header lines and all of its octets, both on the disk before its
sender hears 250. A description without its message is what a crash left of one that was not
acknowledged. The folder has a limit, and nothing in it is ever overwritten or thrown away by us: an
operator does that.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

from common import durable
from common.clock import Clock
from common.errors import DiskFull
from common.frozen import dataclass
from common.ids import MessageId
from satellite.delivery.hop.copies import CopyContent
from satellite.scan_server.examiner import Treatment
from satellite.spool.disk.bodies import Body
from satellite.spool.intake import disk_failure
from satellite.spool.model.messages import Stored

FOLDER = "kept"
COUNT_EVERY_S = 60.0  # an operator takes files away behind our back


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """One message in the folder."""

    id: MessageId
    description: Path
    octets: Path

    def forget(self) -> None:
        """Take it away again: its sender keeps it after all."""
        for path in (self.octets, self.description):
            path.unlink(missing_ok=True)


class KeptMail:
    """The folder.

    Args:
        state: the folder that it is in.
        bytes_max: of all files together.
        clock: for when the folder is counted anew.

    Attributes:
        bytes: how many octets are kept, as was counted within the last minute.
    """

    def __init__(self, state: Path, *, bytes_max: int, clock: Clock) -> None:
        self._folder = state / FOLDER
        self._folder.mkdir(mode=0o700, exist_ok=True)
        durable.sync_folder(state)
        self._bytes_max = bytes_max
        self._clock = clock
        self.bytes = _bytes_in(self._folder)
        self._counted_s = clock.monotonic_s()

    async def _count(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._counted_s >= COUNT_EVERY_S:
            self._counted_s = now_s
            self.bytes = await asyncio.to_thread(_bytes_in, self._folder)

    async def keep(
        self, stored: Stored, body: Body, treatments: Sequence[Treatment]
    ) -> KeptMessage:
        """Return once a message is on the disk.

        Args:
            stored, body: the message.
            treatments: of the recipients that it is kept from, at least one.

        Raises:
            DiskFull: there is no room, on the disk or in the folder.
            EnvironmentFailure: the disk said something else.
        """
        copy = treatments[0].copy
        assert copy is not None
        content = CopyContent(copy, body)
        await self._count()
        if self.bytes + content.size > self._bytes_max:
            raise DiskFull(
                f"{self.bytes} octets are kept, and kept_bytes_max is {self._bytes_max}",
                hint=f"look through {self._folder}, and remove what nobody needs",
            )
        kept = KeptMessage(
            stored.id, self._folder / f"{stored.id}.json", self._folder / f"{stored.id}.eml"
        )
        told = json.dumps(_told(stored, treatments), indent=1).encode() + b"\n"
        try:
            await asyncio.to_thread(_written, kept, told, content)
        except OSError as error:
            raise disk_failure(error) from error
        self.bytes += content.size + len(told)
        return kept


def _bytes_in(folder: Path) -> int:
    with os.scandir(folder) as found:
        return sum(one.stat(follow_symlinks=False).st_size for one in found)


def _told(stored: Stored, treatments: Sequence[Treatment]) -> dict[str, object]:
    return {
        "id": stored.id,
        "received_us": stored.received_us,
        "sender": stored.envelope.sender,
        "client": stored.envelope.client_address,
        "helo": stored.envelope.helo,
        "recipients": [
            {"address": one.recipient, "reason": one.disposed.reason, "score": one.disposed.score}
            for one in treatments
        ],
        "class": treatments[0].disposed.quarantine_reason or str(treatments[0].disposed.cause),
        "size": stored.size,
        "sha256": stored.sha256.hex(),
    }


def _written(kept: KeptMessage, told: bytes, content: CopyContent) -> None:
    """Write both files, the message last: it is there only as a whole."""
    part = kept.octets.with_name(kept.octets.name + ".part")
    try:
        durable.write_file(kept.description, told)
        descriptor = durable.disk.create(part, os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            for block in content.blocks():
                durable.write_all(descriptor, block)
            durable.disk.sync(descriptor)
        finally:
            os.close(descriptor)
        durable.publish(part, kept.octets)
    except OSError:
        part.unlink(missing_ok=True)
        kept.forget()
        raise
