"""How does a message that was kept go on after all?

Touches the folder of kept mail, and the next hop. A file is taken away only when the next hop has
taken the message for every recipient that it was kept from; for those that it has taken it for, the
description says so, so that a second try brings it to the others alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import durable
from common.errors import EnvironmentFailure, LocalError
from common.frozen import dataclass
from common.ids import is_ulid
from common.preferences.deliver_to import parse_deliver_to
from common.settings.scan_server import ScanServerSettings
from satellite.delivery.decisions.outcome import Ending
from satellite.delivery.hop.client import Offer, transact
from satellite.delivery.hop.session import SessionFailed
from satellite.scan_server.kept_mail import FOLDER
from satellite.scan_server.passage import NextServer

BLOCK_BYTES = 65_536


class NotKept(LocalError):
    """There is no such message."""


@dataclass(frozen=True, slots=True)
class ReleasedRecipient:
    """What became of one recipient of a message that was released."""

    address: str
    is_delivered: bool
    answer: str


async def release(settings: ScanServerSettings, message: str) -> list[ReleasedRecipient]:
    """Bring a message to the next hop for all recipients that it was kept from.

    Args:
        settings: of the server that keeps it.
        message: its id.

    Raises:
        NotKept: there is no such message, or no next hop.
        EnvironmentFailure: the next hop does not answer, or the files cannot be read.
    """
    folder = Path(settings.state) / FOLDER
    if not settings.next_hop:
        raise NotKept("there is no next_hop", hint="what a milter held, the mail server holds")
    description, octets = folder / f"{message}.json", folder / f"{message}.eml"
    if not is_ulid(message) or not octets.exists():
        raise NotKept(f"no message {message[:40]!r} is kept", hint=f"look into {folder}")
    told = json.loads(description.read_bytes())
    server = NextServer(
        parse_deliver_to(settings.next_hop),
        hostname=settings.hostname,
        timeout_s=settings.next_hop_timeout_s,
    )
    recipients = tuple(str(one["address"]) for one in told["recipients"])
    results = await _sent(server, str(told["sender"]), recipients, _FileContent(octets))
    if all(one.is_delivered for one in results):
        for path in (octets, description):
            path.unlink()
        durable.sync_folder(folder)
    else:
        durable.write_file(description, _of_the_others(told, results))
    return results


async def _sent(
    server: NextServer, sender: str, recipients: tuple[str, ...], content: _FileContent
) -> list[ReleasedRecipient]:
    offer = Offer(
        sender=sender,
        recipients=recipients,
        content=content,
        eight_bit=True,
        smtputf8=not (sender + "".join(recipients)).isascii(),
    )
    try:
        session = await server.session()
    except SessionFailed as error:
        raise EnvironmentFailure(f"the next hop: {error.what}") from None
    try:
        answers = await transact(session, offer, before_dot=_goes_on, breathe=_breathe)
    finally:
        session.leave()
    return [
        ReleasedRecipient(address, answer.ending is Ending.DELIVERED, answer.text)
        for address, answer in zip(recipients, answers, strict=True)
    ]


def _of_the_others(told: dict[str, Any], results: list[ReleasedRecipient]) -> bytes:
    done = {one.address for one in results if one.is_delivered}
    left = [one for one in told["recipients"] if one["address"] not in done]
    return json.dumps(told | {"recipients": left}, indent=1).encode() + b"\n"


class _FileContent:
    """The octets of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    def blocks(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block


async def _goes_on() -> bool:
    return True


async def _breathe() -> None:
    """There is nobody else."""
