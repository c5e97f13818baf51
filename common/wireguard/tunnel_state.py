"""How is a WireGuard interface now, and how does each of its peers fare?

Pure: of what ``wg show INTERFACE dump`` printed, and of the small file in which the one program
that may ask for it (it takes CAP_NET_ADMIN) tells all others. That file holds no key.

Source: wg(8), *show*.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Annotated

from pydantic import Field, TypeAdapter

from common.errors import PeerError
from common.wireguard.tunnel_file import Endpoint, TunnelFile, parse_endpoint

STATE_BYTES_MAX = 4 << 20
STATE_PEERS_MAX = 8192
TEXT_MAX = 300
# A peer that sends starts a handshake after 120 s, and gives a key up after 180 s; with a
# keepalive somebody always sends. Source: the WireGuard paper, section 6.1.
HANDSHAKE_S_FRESH = 135
HANDSHAKE_S_DEAD = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerNow:
    """One peer, as the interface has it."""

    public_key: str
    allowed: tuple[str, ...] = ()
    endpoint: Endpoint | None = None
    handshake_s: int = 0  # since the epoch; 0: never
    received_bytes: int = 0
    sent_bytes: int = 0
    keepalive_s: int = 0
    preshared_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelNow:
    """The interface, as ``wg`` tells."""

    private_key: str = ""
    port: int = 0
    peers: tuple[PeerNow, ...] = ()

    def __repr__(self) -> str:
        return f"TunnelNow({len(self.peers)} peers)"


def parse_dump(text: str) -> TunnelNow:
    """Return what ``wg show INTERFACE dump`` means.

    Raises:
        PeerError: it is nothing that ``wg`` prints.
    """
    try:
        first, *rest = (line.split("\t") for line in text.splitlines())
        private, _, port, _ = first
        peers = tuple(_peer(fields) for fields in rest)
        return TunnelNow(private_key=_or_none(private), port=int(port), peers=peers)
    except (ValueError, TypeError) as error:
        raise PeerError(
            f"wg prints what nobody understands: {str(error)[:80]}", hint="install wireguard-tools"
        ) from None


def _or_none(text: str) -> str:
    return "" if text == "(none)" else text


def _peer(fields: list[str]) -> PeerNow:
    key, preshared, endpoint, allowed, at, got, sent, alive = fields
    return PeerNow(
        public_key=key,
        preshared_key=_or_none(preshared),
        # A link-local one has a scope, which no file states.
        endpoint=parse_endpoint(re.sub("%[^]]*", "", endpoint)) if _or_none(endpoint) else None,
        allowed=tuple(_or_none(allowed).split(",")) if _or_none(allowed) else (),
        handshake_s=int(at),
        received_bytes=int(got),
        sent_bytes=int(sent),
        keepalive_s=0 if alive == "off" else int(alive),
    )


Text = Annotated[str, Field(max_length=TEXT_MAX, pattern=r"^[\x20-\x7e]*$")]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerHealth:
    """How one peer fares, for metrics and screens."""

    name: Text
    endpoint: Text = ""  # HOST:PORT as it is used now; empty: none
    stated: Text = ""  # HOST:PORT as the file has it
    unresolved: bool = False  # its name has no address now
    handshake_s: Count = 0  # since the epoch; 0: never
    received_bytes: Count = 0
    sent_bytes: Count = 0
    mtu: Count = 0  # octets of a packet that its path carries; 0: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelHealth:
    """How a tunnel fares."""

    interface: Text
    at_s: Count  # when that was, since the epoch
    up: bool
    mtu: Count = 0
    problem: Text = ""
    peers: Annotated[tuple[PeerHealth, ...], Field(max_length=STATE_PEERS_MAX)] = ()


_HEALTH = TypeAdapter(TunnelHealth)


def health_text(health: TunnelHealth) -> str:
    """Return the file that tells it."""
    return json.dumps(asdict(health), indent=1) + "\n"


def parse_health(content: bytes) -> TunnelHealth:
    """Return what such a file tells.

    Args:
        content: at most ``STATE_BYTES_MAX`` octets.

    Raises:
        ValueError: it is none.
    """
    return _HEALTH.validate_json(content, strict=True)


def printable(text: str) -> str:
    """Return a text as the file may hold it."""
    return "".join(one if " " <= one <= "~" else "?" for one in text)[:TEXT_MAX]


def health_of(
    file: TunnelFile,
    now: TunnelNow | None,
    *,
    interface: str,
    at_s: int,
    mtu: int = 0,
    problem: str = "",
    unresolved: Collection[str] = (),
    path_mtus: Mapping[str, int] = MappingProxyType({}),
) -> TunnelHealth:
    """Return how a tunnel fares.

    Args:
        now: the interface; None: it is not there.
        unresolved: host names of endpoints that have no address.
        path_mtus: by public key, what a peer's path carries.
    """
    found = {} if now is None else {one.public_key: one for one in now.peers}
    peers = []
    for peer in file.peers:
        one = found.get(peer.public_key, PeerNow(public_key=peer.public_key))
        peers.append(
            PeerHealth(
                name=printable(peer.name),
                endpoint=str(one.endpoint or ""),
                stated=str(peer.endpoint or ""),
                unresolved=peer.endpoint is not None and peer.endpoint.host in unresolved,
                handshake_s=one.handshake_s,
                received_bytes=one.received_bytes,
                sent_bytes=one.sent_bytes,
                mtu=path_mtus.get(peer.public_key, 0),
            )
        )
    return TunnelHealth(
        interface=interface,
        at_s=at_s,
        up=now is not None,
        mtu=mtu,
        problem=printable(problem),
        peers=tuple(peers),
    )
