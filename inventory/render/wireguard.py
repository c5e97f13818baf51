"""What stands in a node's ``wg0.conf``?

Pure. Source: wg-quick(8).
"""

from __future__ import annotations

from collections.abc import Sequence

from inventory.addressing import WireGuardPeer, host_routes

# What a path of 1500 octets leaves over IPv6: 40 for IP, 8 for UDP, 32 for WireGuard. wg-quick
# would take the machine's own interface for the path: one of 9001 octets loses all that is large.
# `borderscout wireguard` lowers it where the path carries less.
MTU = 1420


def wireguard_text(
    *, private_key: str, vpn_addresses: tuple[str, ...], port: int, peers: Sequence[WireGuardPeer]
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


def _peer(peer: WireGuardPeer) -> str:
    lines = [
        f"# {peer.name}",
        "[Peer]",
        f"PublicKey = {peer.public_key}",
        f"AllowedIPs = {', '.join(peer.allowed)}",
        f"Endpoint = {peer.endpoint}",
    ]
    if peer.keepalive_s:
        lines.append(f"PersistentKeepalive = {peer.keepalive_s}")
    return "\n".join(lines) + "\n"
