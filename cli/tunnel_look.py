"""What is seen of a tunnel by whom may look everywhere?

Touches the interface, the network and the clock; takes root, and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cli.checks import DoctorCheck
from cli.tunnel_checks import TunnelFacts, tunnel_checks
from common.errors import BorderScoutError, SettingsError
from common.wireguard.tunnel_bounds import NETWORKS_PLACE
from common.wireguard.tunnel_changes import names_of
from common.wireguard.tunnel_file import TunnelFile
from common.wireguard.tunnel_interface import TunnelInterface, read_tunnel_file, resolved
from common.wireguard.tunnel_keeper import STATE_FILE, TunnelKeeper
from common.wireguard.tunnel_knocks import LISTEN_S, Knock, is_closed, knocks
from common.wireguard.tunnel_mtu import path_mtu
from common.wireguard.tunnel_probe import Echo
from common.wireguard.tunnel_state import HANDSHAKE_S_DEAD, PeerHealth, TunnelHealth, health_of
from common.wireguard.tunnel_told import read_health

MEASURED_MAX = 20  # peers whose path is measured
WITHIN = Path(NETWORKS_PLACE)  # as of `wireguard apply`


def look_at_tunnel(config: Path) -> Iterator[DoctorCheck]:
    """Yield what is wrong with the tunnel that a ``wg0.conf`` describes."""
    try:
        file = read_tunnel_file(config, within=WITHIN)
        facts = _facts(config, file)
    except SettingsError as error:
        for complaint in error.complaints:
            what, _, remedy = complaint.rpartition("; ")
            yield DoctorCheck(name="tunnel file", ok=False, found=what, remedy=remedy)
        return
    except BorderScoutError as error:
        yield DoctorCheck(name="tunnel", ok=False, found=error.what, remedy=error.hint)
        return
    yield from tunnel_checks(facts)
    if not WITHIN.exists():
        yield DoctorCheck(
            name="tunnel",
            ok=True,
            note=True,
            found=f"nothing bounds where it leads, since there is no {WITHIN}; install.sh of the"
            " rendered folder puts it there",
        )


def told_of_tunnel(state: Path, *, needs_all: bool = True) -> Iterator[DoctorCheck]:
    """Yield what is wrong with a tunnel, as far as its keeper tells everybody.

    Args:
        state: the keeper's file.
        needs_all: whether each peer is needed; else one of them, as of several machines that can
            be the core.
    """
    facts = TunnelFacts(at_s=time.time(), health=read_health(state), needs_all=needs_all)
    yield from tunnel_checks(facts)


def _facts(config: Path, file: TunnelFile) -> TunnelFacts:
    interface = TunnelInterface(config.stem)
    names = resolved(names_of(file))
    unresolved = set(names_of(file)) - names.keys()
    now_s = time.time()
    if not interface.is_there():
        health = health_of(
            file, None, interface=interface.name, at_s=int(now_s), unresolved=unresolved
        )
        return TunnelFacts(at_s=now_s, health=health)
    now, there = interface.now()
    health = health_of(
        file,
        now,
        interface=interface.name,
        at_s=int(now_s),
        mtu=there.mtu,
        unresolved=unresolved,
    )
    differs = TunnelKeeper(interface, config, STATE_FILE, WITHIN).apply(dry_run=True).changed
    silent = [
        peer
        for peer in health.peers
        if not 0 <= now_s - peer.handshake_s <= HANDSHAKE_S_DEAD and not peer.unresolved
    ]
    routes = {one.network: one.mtu or there.mtu for one in there.routes}
    return TunnelFacts(
        at_s=now_s,
        health=health,
        port=now.port,
        # An endpoint that is sought anew is no fault, nor what the path was found to carry.
        differs=tuple(
            one
            for one in differs
            if not one.startswith("reach ")
            and one.removeprefix("set route ").partition(" ")[0] not in routes
        ),
        closed=frozenset(one.endpoint for one in silent if _is_closed(one.endpoint)),
        knocks=_knocks(interface, file, silent, port=now.port),
        carried=_carried(interface, file, health, ceiling=there.mtu, at_s=now_s),
        set_mtus={
            peer.name: routes.get(f"{host}/{128 if ':' in host else 32}", there.mtu)
            for peer in file.peers
            for host in peer.hosts()[:1]
        },
    )


def _knocks(
    interface: TunnelInterface, file: TunnelFile, silent: Sequence[PeerHealth], *, port: int
) -> tuple[Knock, ...] | None:
    """Return who knocks, if silent peers are expected to: those that we do not call ourselves."""
    callers = {peer.name for peer in file.peers if not peer.keepalive_s}
    waited_for = [one for one in silent if one.name in callers]
    if not waited_for:
        return None
    places = [one.endpoint.rpartition(":")[0].strip("[]") for one in waited_for]
    key = interface.public_key()
    return tuple(knocks(port, public_key=key, expected=places, for_s=LISTEN_S))


def _is_closed(endpoint: str) -> bool:
    host, _, port = endpoint.rpartition(":")
    return bool(host) and is_closed(host.strip("[]"), int(port))


def _carried(
    interface: TunnelInterface, file: TunnelFile, health: TunnelHealth, *, ceiling: int, at_s: float
) -> dict[str, int]:
    fresh = {one.name for one in health.peers if 0 <= at_s - one.handshake_s <= HANDSHAKE_S_DEAD}
    found = {}
    for peer in [one for one in file.peers if one.name in fresh and one.hosts()][:MEASURED_MAX]:
        echo = Echo(address=peer.hosts()[0], interface=interface.name)
        found[peer.name] = path_mtu(echo.passes, ceiling=ceiling)
    return found
