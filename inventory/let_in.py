"""Which of a node's certificates are let in, and which never again?

Touches ``certificates.json`` of the rendered folder, for reading. A certificate is let in from its
making to its end, so that a node may show the one before while the renewed one is on its way. One
that was revoked is not let in, and neither it nor a key beside it is kept by a rendering.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from common.certificate import not_after_s, serial_number
from common.errors import EnvironmentFailure, LocalError

BOOK_FILE = "certificates.json"
LET_IN_MAX = 16  # of one node; the oldest go first


class NodeBook(BaseModel):
    """What is kept of one node; it is what ``certificates.json`` holds by the node's name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    let_in: dict[str, int] = {}
    """Serial numbers of the link's certificates, each with its end in seconds since the epoch."""
    revoked: list[str] = []
    """Serial numbers of certificates that are made anew, whatever they are for."""
    revoked_keys: list[str] = []
    """Public WireGuard keys that are made anew, base64."""


@dataclass(slots=True)
class CertificateBook:
    """The certificates of all nodes.

    Args:
        nodes: by name.
    """

    nodes: dict[str, NodeBook] = field(default_factory=dict)

    def of(self, node: str) -> NodeBook:
        """Return what is kept of a node."""
        return self.nodes.get(node, NodeBook())

    def made(self, node: str, *certificates: bytes, now_us: int) -> None:
        """Let certificates in until they end, and forget those that have ended.

        Args:
            node: whose they are.
            certificates: PEM; the last is the one in use.
            now_us: microseconds since the epoch.
        """
        known = self.of(node)
        let_in = {serial_number(pem): int(not_after_s(pem)) for pem in certificates}
        let_in = {**known.let_in, **let_in}
        good = {
            serial: ends_s
            for serial, ends_s in let_in.items()
            if ends_s > now_us // 1_000_000 and serial not in known.revoked
        }
        kept = sorted(good, key=lambda serial: good[serial])[-LET_IN_MAX:]
        self.nodes[node] = known.model_copy(update={"let_in": {one: good[one] for one in kept}})

    def revoke(self, node: str, *, serials: Iterable[str], keys: Iterable[str]) -> None:
        """Let none of a node's certificates in any more, and keep neither these nor these keys.

        Args:
            node: whose they are.
            serials: of what it has by now, beside those that are let in.
            keys: its public WireGuard keys.
        """
        known = self.of(node)
        self.nodes[node] = NodeBook(
            let_in={},
            revoked=sorted({*known.revoked, *known.let_in, *serials}),
            revoked_keys=sorted({*known.revoked_keys, *keys}),
        )

    def as_json(self) -> dict[str, Any]:
        """Return what the file holds."""
        return {name: book.model_dump() for name, book in sorted(self.nodes.items())}


def certificate_book(out: Path) -> CertificateBook:
    """Return what a rendered folder knows of its certificates; nothing when it has no such file.

    Raises:
        LocalError: the file holds something else.
    """
    path = out / BOOK_FILE
    if not path.exists():
        return CertificateBook()
    hint = "restore it; without it a certificate that was revoked would be let in"
    try:
        read: Mapping[str, Any] = json.loads(path.read_bytes())
        return CertificateBook({name: NodeBook.model_validate(one) for name, one in read.items()})
    except (ValueError, ValidationError, AttributeError):
        raise LocalError(f"{path}: is no list of certificates", hint=hint) from None


def shown_serial(certificate_file: Path) -> str:
    """Return the serial number of the certificate in a file; empty when there is none."""
    try:
        return serial_number(certificate_file.read_bytes())
    except FileNotFoundError:
        return ""
    except EnvironmentFailure:
        raise LocalError(
            f"{certificate_file}: holds no certificate",
            hint="restore it, or delete it for a new one",
        ) from None
