"""How do the nodes that have joined come into the core's WireGuard file?

Touches that file. The core replaces the peers of members, and leaves all else as it is; a step with
more rights applies it. The private key in it stays there.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from common.durable import write_file
from common.errors import EnvironmentFailure
from common.preferences import Preferences
from common.settings.core import CoreSettings
from common.wireguard_text import WireGuardPeer, interface_values, peer_with_key, with_peers
from core.joining.core_ends import OwnEnd
from core.joining.node_terms import terms_of
from core.people.members import MemberRefused, NodeMember, distinct_peers

log = structlog.get_logger()


def _without_length(address: str) -> str:
    """Return an address without its prefix length, in its shortest form if it is one."""
    try:
        return str(ipaddress.ip_interface(address).ip)
    except ValueError:
        return address.partition("/")[0]


def peers_of(
    members: Iterable[NodeMember], settings: CoreSettings, preferences: Preferences
) -> list[WireGuardPeer]:
    """Return the peers of all members that the inventory, or the core's settings, still name."""
    return [
        peer
        for member in members
        if (terms := terms_of(member.node, settings, preferences)) is not None
        for peer in member.peers(terms.vpn_addresses)
    ]


def put_peers(path: Path, peers: Sequence[WireGuardPeer], *, gone: Collection[str]) -> bool:
    """Let a WireGuard file have these peers, and no other of those names; say if that changed it.

    Args:
        gone: names that are to stand there no more.

    Raises:
        OSError: it cannot be read or written.
    """
    before = path.read_text(encoding="utf-8")
    after = with_peers(before, distinct_peers(peers), gone=gone)
    if after == before:
        return False
    write_file(path, after.encode())
    return True


class MemberPeers:
    """The core's ``wg0.conf``.

    Args:
        path: of the file; None: the core has none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._problem = ""

    @property
    def problem(self) -> str:
        """Why the file is not as it should be; empty: it is."""
        return self._problem

    async def keep(self, peers: Sequence[WireGuardPeer], *, gone: Collection[str]) -> None:
        """Let the file have these peers; it is written only when that changes something."""
        if self._path is None:
            return
        try:
            changed = await asyncio.to_thread(put_peers, self._path, peers, gone=gone)
            self._problem = ""
        except OSError as error:
            said = f"{self._path}: {error.strerror}: nodes that join get no tunnel"
            if said != self._problem:
                log.error("join.tunnel_not_written", reason=said)
            self._problem = said
            return
        if changed:
            log.info("join.tunnel_written", file=str(self._path), peers=len(peers))

    def own_key(self) -> str:
        """Return the core's public key, base64; empty: the core has no tunnel.

        Raises:
            EnvironmentFailure: the file cannot be read, or has no key.
        """
        return self._public_key(interface_values(self._text()))

    def _public_key(self, said: Mapping[str, str]) -> str:
        private = said.get("privatekey", "")
        if self._path is None:
            return ""
        try:
            key = X25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
        except ValueError:
            raise EnvironmentFailure(
                f"{self._path}: has no private key", hint="render the core's folder again"
            ) from None
        return base64.b64encode(key.public_key().public_bytes_raw()).decode()

    def must_be_own(self, key: str, *, node: str, members: Iterable[NodeMember]) -> None:
        """Refuse a key that stands for somebody else: public keys are no secret.

        Args:
            key: WireGuard's.
            node: who says that it is his.
            members: all that there are.

        Raises:
            MemberRefused: another member has it, or the core, or another peer of the file.
            EnvironmentFailure: the file cannot be read, or has no key.
        """
        if self._path is None:
            return
        others = {
            known
            for one in members
            if one.node != node and not one.revoked_us
            for known in (one.wireguard, one.wireguard_beside)
        }
        in_file = peer_with_key(self._text(), key)
        if key in others or key == self.own_key() or in_file not in ("", node):
            raise MemberRefused("this WireGuard key is another's")

    def own_end(self) -> OwnEnd:
        """Return what the file says of this machine's end.

        Raises:
            EnvironmentFailure: it cannot be read, or has no key.
        """
        said = interface_values(self._text())  # once: each member asks each minute
        addresses = [one.strip() for one in said.get("address", "").split(",") if one.strip()]
        port = said.get("listenport", "")
        return OwnEnd(
            key=self._public_key(said),
            addresses=tuple(_without_length(one) for one in addresses),
            port=int(port) if port.isascii() and port.isdigit() else 0,
        )

    def _text(self) -> str:
        if self._path is None:
            return ""
        try:
            return self._path.read_text(encoding="utf-8")
        except OSError as error:
            raise EnvironmentFailure(
                f"{self._path}: {error.strerror}", hint="render the core's folder again"
            ) from None
