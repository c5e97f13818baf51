"""What stands in a ``wg0.conf``, and how do peers of it change?

Pure. Source: wg-quick(8), wg(8).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass

# What a path of 1500 octets leaves over IPv6: 40 for IP, 8 for UDP, 32 for WireGuard. wg-quick
# would take the machine's own interface for the path: one of 9001 octets loses all that is large.
# `borderscout wireguard` lowers it where the path carries less.
MTU = 1420
NAME_LENGTH_MAX = 63
KEEPALIVE_S = 25  # below the 30 s after which common translators forget a UDP flow


@dataclass(frozen=True, slots=True, kw_only=True)
class WireGuardPeer:
    """One WireGuard peer, as the other side writes it down."""

    name: str
    public_key: str  # base64
    allowed: tuple[str, ...]  # networks that may come from it, and are sent to it
    endpoint: str = ""  # HOST:PORT, UDP; empty: it comes by itself
    keepalive_s: int = 0  # 0: none
    remark: str = ""  # a comment above its name, for who comes later; empty: none


def free_name(name: str, taken: Collection[str]) -> str:
    """Return a name, or the same with a number, that no peer has so far."""
    numbered = (f"{name[: NAME_LENGTH_MAX - 3]}-{number}" for number in range(1, len(taken) + 2))
    return next(one for one in (name, *numbered) if one not in taken)


def host_routes(addresses: Sequence[str]) -> tuple[str, ...]:
    """Return each address as a network of itself alone: ``/32`` or ``/128``."""
    return tuple(str(ipaddress.ip_network(address)) for address in addresses)


def wireguard_text(
    *, private_key: str, vpn_addresses: Sequence[str], port: int, peers: Sequence[WireGuardPeer]
) -> str:
    """Return the file; it holds this node's private key and others' public keys.

    Addresses are single hosts: a route exists only to a peer, so that nothing else of the VPN is
    reachable from a satellite.
    """
    blocks = [
        "[Interface]\n"
        f"Address = {', '.join(host_routes(vpn_addresses))}\n"
        f"ListenPort = {port}\n"
        f"PrivateKey = {private_key}\n"
        f"MTU = {MTU}\n"
    ]
    blocks += [_peer(peer) for peer in peers]
    return "\n".join(blocks)


def with_peers(text: str, peers: Sequence[WireGuardPeer], *, gone: Collection[str] = ()) -> str:
    """Return a file in which these peers stand in the place of those of the same names.

    What else the file says stays as it is. A peer of another name whose key or network one of these
    has gives way too: a network leads to one peer alone.

    Args:
        text: the file.
        peers: those that are known better; the first of a name is the one with the networks.
        gone: names of peers that are to stand there no more.
    """
    names = {peer.name for peer in peers} | set(gone)
    taken = {peer.public_key for peer in peers} | {net for peer in peers for net in peer.allowed}
    kept = [
        block
        for block in _blocks(text)
        if not (block.is_peer and (block.name in names or block.values & taken))
    ]
    return "\n".join([*(block.text for block in kept), *(_peer(peer) for peer in peers)])


def with_keys(text: str, peers: Sequence[WireGuardPeer], *, gone: Collection[str] = ()) -> str:
    """Return a file in which these peers stand in the place of those with the same keys.

    New ones come to its end. What else the file says stays as it is, whatever its names and
    networks are.

    Args:
        text: the file.
        peers: of different keys.
        gone: keys whose peers are to stand there no more.
    """
    left = {peer.public_key: peer for peer in peers}
    parts = []
    for block in _blocks(text):
        if block.is_peer and block.key in left:
            parts.append(_peer(left.pop(block.key)))
        elif not (block.is_peer and block.key in gone):
            parts.append(block.text)
    return "\n".join([*parts, *(_peer(peer) for peer in left.values())])


def remarked(text: str, remark: str) -> frozenset[str]:
    """Return the public keys of the peers that have this remark above their names."""
    return frozenset(
        block.key for block in _blocks(text) if block.is_peer and remark in block.remarks
    )


def interface_values(text: str) -> dict[str, str]:
    """Return what the interface of a file says, by its keys in lower case; the first of each.

    No peer is read for it: a core has one for each node.
    """
    found: dict[str, str] = {}
    is_peer = False
    for line in text.splitlines():
        word = line.strip()
        if word.startswith("["):
            is_peer = word.lower() == "[peer]"
        elif not is_peer:
            name, _, value = word.partition("=")
            found.setdefault(name.strip().lower(), value.strip())
    return found


def peer_with_key(text: str, key: str) -> str:
    """Return the name of the peer of a file that has a public key; empty: none has it."""
    for block in _blocks(text):
        if block.is_peer and key in block.values:
            return block.name or "a peer without a name"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A section of the file with the comments above it; the last one is its name."""

    name: str
    is_peer: bool
    text: str
    values: frozenset[str]  # its key and its networks
    key: str
    remarks: tuple[str, ...]


def _blocks(text: str) -> list[_Block]:
    """Return the sections of a file; comments and blank lines above one belong to it."""
    parts: list[list[str]] = [[]]
    pending: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            parts.append([*pending, line])
            pending = []
        elif not stripped or stripped.startswith("#"):
            pending.append(line)
        else:
            parts[-1] += [*pending, line]
            pending = []
    parts[-1] += pending
    return [_block(lines) for lines in parts if any(line.strip() for line in lines)]


def _block(lines: Sequence[str]) -> _Block:
    words = [line.strip() for line in lines]
    comments = [word.lstrip("# ") for word in words if word.startswith("#")]
    stated = [(word.partition("=")[0].strip().lower(), word.partition("=")[2]) for word in words]
    keys = [value.strip() for key, value in stated if key == "publickey"]
    nets = {one.strip() for key, value in stated if key == "allowedips" for one in value.split(",")}
    return _Block(
        name=comments[-1] if comments else "",
        is_peer=any(word.lower() == "[peer]" for word in words),
        text="\n".join(lines).strip("\n") + "\n",
        values=frozenset({*keys, *nets}),
        key=keys[-1] if keys else "",
        remarks=tuple(comments[:-1]),
    )


def _peer(peer: WireGuardPeer) -> str:
    lines = [f"# {one}" for one in (peer.remark, peer.name) if one]
    lines += ["[Peer]", f"PublicKey = {peer.public_key}"]
    if peer.allowed:
        lines.append(f"AllowedIPs = {', '.join(peer.allowed)}")
    if peer.endpoint:
        lines.append(f"Endpoint = {peer.endpoint}")
    if peer.keepalive_s:
        lines.append(f"PersistentKeepalive = {peer.keepalive_s}")
    return "\n".join(lines) + "\n"
