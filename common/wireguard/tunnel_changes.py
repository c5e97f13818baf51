"""What has to be done so that a running interface is as its ``wg0.conf`` says?

Pure: what is there comes in, commands go out, in the order in which they are safe. What differs is
touched, and nothing else: a peer that stays keeps its session, its counters and the endpoint that
works. No command holds a secret: those are given to it as its input.

A route through this interface that no peer takes leads nowhere, and is taken away whoever made it.

Source: wg(8), *set*; ip-address(8), ip-link(8), ip-route(8).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.errors import PeerError
from common.wireguard.tunnel_file import (
    MTU_MIN,
    Endpoint,
    TunnelFile,
    TunnelPeer,
    is_address,
)
from common.wireguard.tunnel_state import HANDSHAKE_S_DEAD, PeerNow, TunnelNow

PEERS_AT_ONCE = 200  # of one command
TCP_V4, TCP_V6 = 40, 60  # octets of IP's and TCP's headers


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelChange:
    """One command, and what it does."""

    said: tuple[str, ...]  # lines for people
    argv: tuple[str, ...]
    given: str = ""  # its input; may be a secret

    def __repr__(self) -> str:
        return f"TunnelChange({'; '.join(self.said)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteNow:
    """A route through the interface."""

    network: str
    mtu: int = 0  # 0: that of the interface
    advmss: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceNow:
    """The interface, as ``ip`` tells."""

    up: bool = False
    mtu: int = 0
    addresses: tuple[str, ...] = ()  # with their prefix length
    routes: tuple[RouteNow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelWanted:
    """What is known beside the file."""

    mtu: int  # of the interface
    # Host name → addresses.
    resolved: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # Public key → octets of a packet that its path carries.
    path_mtus: Mapping[str, int] = field(default_factory=dict)
    moved: Collection[str] = ()  # public keys of peers whose stated endpoint is another than before
    # Public key → address that leads nowhere.
    failed: Mapping[str, str] = field(default_factory=dict)
    at_s: float = 0.0


def parse_interface(*, addresses: str, routes: str, routes_v6: str) -> InterfaceNow:
    """Return what ``ip -j`` printed of an interface: ``address show``, and ``route show`` twice.

    Raises:
        PeerError: it is nothing that ``ip`` prints.
    """
    try:
        (link,) = [one for one in json.loads(addresses) if one]
        return InterfaceNow(
            up="UP" in link["flags"],
            mtu=int(link["mtu"]),
            addresses=tuple(
                f"{one['local']}/{one['prefixlen']}"
                for one in link["addr_info"]
                if one["scope"] != "link"  # the kernel makes these itself
            ),
            routes=tuple(
                _route(one)
                for text in (routes, routes_v6)
                for one in json.loads(text or "[]")
                if one.get("protocol") != "kernel"
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PeerError(
            f"ip prints what nobody understands: {str(error)[:80]}", hint="install iproute2"
        ) from None


def _route(tree: Mapping[str, Any]) -> RouteNow:
    metrics: dict[str, Any] = {}
    for one in tree.get("metrics", ()):
        metrics |= one
    network = tree["dst"]
    return RouteNow(
        network="0.0.0.0/0" if network == "default" else str(ipaddress.ip_network(network)),
        mtu=int(metrics.get("mtu", 0)),
        advmss=int(metrics.get("advmss", 0)),
    )


def endpoint_of(peer: TunnelPeer, now: PeerNow | None, wanted: TunnelWanted) -> Endpoint | None:
    """Return which endpoint a peer should have, or None when it should stay as it is.

    One that works is left, also where the peer was seen to move: behind a translator it is found
    nowhere else.
    """
    stated = peer.endpoint
    if stated is None:
        return None
    addresses = [stated.host] if not stated.is_name else wanted.resolved.get(stated.host, ())
    if not addresses:
        return None
    used = None if now is None else now.endpoint
    is_alive = now is not None and wanted.at_s - now.handshake_s < HANDSHAKE_S_DEAD
    if used is not None and is_alive and peer.public_key not in wanted.moved:
        return None
    failed = wanted.failed.get(peer.public_key, "")
    if used is not None and used.port == stated.port and used.host in addresses:
        if used.host != failed or len(addresses) == 1:
            return None
        following = (list(addresses).index(failed) + 1) % len(addresses)
        return Endpoint(host=addresses[following], port=stated.port)
    return Endpoint(host=addresses[0], port=stated.port)


def changes(
    interface: str, file: TunnelFile, now: TunnelNow, there: InterfaceNow, wanted: TunnelWanted
) -> list[TunnelChange]:
    """Return the commands that make an interface as its file says; none: it is so."""
    assert wanted.mtu >= MTU_MIN
    return [
        *_keys(interface, file, now),
        *_peers(interface, file, now, wanted),
        *_addresses(interface, file, there),
        *_link(interface, there, wanted),
        *_routes(interface, file, there, wanted),
    ]


def _keys(interface: str, file: TunnelFile, now: TunnelNow) -> Iterator[TunnelChange]:
    if file.private_key != now.private_key:
        yield TunnelChange(
            said=("set the private key",),
            argv=("wg", "set", interface, "private-key", "/dev/stdin"),
            given=f"{file.private_key}\n",
        )
    if file.port and file.port != now.port:
        yield TunnelChange(
            said=(f"listen on UDP port {file.port}",),
            argv=("wg", "set", interface, "listen-port", str(file.port)),
        )


def _peers(
    interface: str, file: TunnelFile, now: TunnelNow, wanted: TunnelWanted
) -> Iterator[TunnelChange]:
    known = {peer.public_key: peer for peer in now.peers}
    kept = {peer.public_key for peer in file.peers}
    edits: list[tuple[list[str], list[str]]] = [
        ([f"remove peer {key[:8]}"], ["peer", key, "remove"]) for key in known if key not in kept
    ]
    edits += [
        edit for peer in file.peers if (edit := _edit(peer, known.get(peer.public_key), wanted))[1]
    ]
    for start in range(0, len(edits), PEERS_AT_ONCE):
        some = edits[start : start + PEERS_AT_ONCE]
        yield TunnelChange(
            said=tuple(line for said, _ in some for line in said),
            argv=("wg", "set", interface, *(word for _, words in some for word in words)),
        )
    for peer in file.peers:
        before = known.get(peer.public_key)
        if peer.preshared_key != ("" if before is None else before.preshared_key):
            yield TunnelChange(
                said=(f"set the preshared key of {peer.name}",),
                argv=(
                    *("wg", "set", interface, "peer", peer.public_key),
                    *("preshared-key", "/dev/stdin" if peer.preshared_key else "/dev/null"),
                ),
                given=f"{peer.preshared_key}\n" if peer.preshared_key else "",
            )


def _edit(
    peer: TunnelPeer, now: PeerNow | None, wanted: TunnelWanted
) -> tuple[list[str], list[str]]:
    """Return what is said of a peer that is changed, and the words of the command; none: as is."""
    said, words = [], []
    if now is None:
        said.append(f"add peer {peer.name}")
    if now is None or set(now.allowed) != set(peer.allowed):
        words += ["allowed-ips", ",".join(peer.allowed)]
        said += [] if now is None else [f"let {peer.name} have {', '.join(peer.allowed) or 'none'}"]
    if (0 if now is None else now.keepalive_s) != peer.keepalive_s:
        words += ["persistent-keepalive", str(peer.keepalive_s)]
        said += [] if now is None else [f"keepalive of {peer.name}: {peer.keepalive_s} s"]
    if (endpoint := endpoint_of(peer, now, wanted)) is not None:
        words += ["endpoint", str(endpoint)]
        said.append(f"reach {peer.name} at {endpoint}")
    return said, ["peer", peer.public_key, *words] if words else []


def _addresses(interface: str, file: TunnelFile, there: InterfaceNow) -> Iterator[TunnelChange]:
    for address in file.addresses:
        if address not in there.addresses:
            # An IPv6 address is good at once: nobody else can have it in a tunnel.
            at_once = ("nodad",) if ":" in address else ()
            yield TunnelChange(
                said=(f"add address {address}",),
                argv=("ip", "address", "add", address, "dev", interface, *at_once),
            )
    for address in there.addresses:
        if address not in file.addresses:
            yield TunnelChange(
                said=(f"remove address {address}",),
                argv=("ip", "address", "delete", address, "dev", interface),
            )


def _link(interface: str, there: InterfaceNow, wanted: TunnelWanted) -> Iterator[TunnelChange]:
    if there.mtu != wanted.mtu:
        yield TunnelChange(
            said=(f"set MTU {wanted.mtu}",),
            argv=("ip", "link", "set", "dev", interface, "mtu", str(wanted.mtu)),
        )
    if not there.up:
        yield TunnelChange(
            said=("bring it up",), argv=("ip", "link", "set", "dev", interface, "up")
        )


def _routes(
    interface: str, file: TunnelFile, there: InterfaceNow, wanted: TunnelWanted
) -> Iterator[TunnelChange]:
    # Without an interface that is up there are none, whatever was there.
    present = {route.network: route for route in there.routes} if there.up else {}
    needed = {
        route.network: route
        for peer in file.peers
        for network in peer.allowed
        for route in (route_to(network, wanted.path_mtus.get(peer.public_key, 0), wanted.mtu),)
    }
    for network, route in needed.items():
        if present.get(network) != route:
            metrics = (("mtu", route.mtu), ("advmss", route.advmss))
            small = [word for name, value in metrics if value for word in (name, str(value))]
            yield TunnelChange(
                said=(" ".join([f"set route {network}", *small]),),
                argv=(
                    *("ip", _family(network), "route", "replace", network, "dev", interface),
                    *small,
                ),
            )
    for network in present:
        if network not in needed:
            yield TunnelChange(
                said=(f"remove route {network}",),
                argv=("ip", _family(network), "route", "delete", network, "dev", interface),
            )


def route_to(network: str, path_mtu: int, mtu: int) -> RouteNow:
    """Return the route to a network of a peer.

    The interface keeps its size, so that a larger packet can be tried at any time, and a peer with
    a narrow path makes no other one's narrow. Below 1280 octets IPv6 has no route; then the size of
    TCP's segments alone is held down, which is what the link to the core goes by.

    Args:
        path_mtu: what the path to the peer carries; 0: not known.
        mtu: of the interface.
    """
    if not 0 < path_mtu < mtu:
        return RouteNow(network=network)
    if ":" in network:
        return RouteNow(network=network, mtu=max(path_mtu, MTU_MIN), advmss=path_mtu - TCP_V6)
    return RouteNow(network=network, mtu=path_mtu, advmss=path_mtu - TCP_V4)


def _family(network: str) -> str:
    return "-6" if ":" in network else "-4"


def names_of(file: TunnelFile) -> list[str]:
    """Return the host names that take a look-up."""
    found = (peer.endpoint for peer in file.peers)
    return list(dict.fromkeys(one.host for one in found if one and not is_address(one.host)))
