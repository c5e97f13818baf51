"""``borderscout wireguard``: is the tunnel as its file says, and how does it fare?

Touches the network's interfaces, which takes root; ``status`` reads a file that everybody may.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.output import (
    AsJson,
    complain,
    complain_of_settings,
    console,
    fail,
    octets,
    plain,
    print_json,
    print_table,
    span,
)
from common.errors import BorderScoutError, SettingsError
from common.supervisor import ServiceCondition, lines_of, supervisor
from common.wireguard.tunnel_bounds import NETWORKS_PLACE
from common.wireguard.tunnel_file import is_interface
from common.wireguard.tunnel_interface import TunnelInterface
from common.wireguard.tunnel_keeper import STATE_FILE, TunnelApplied, TunnelKeeper
from common.wireguard.tunnel_state import TunnelHealth
from common.wireguard.tunnel_told import read_health

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The WireGuard tunnel of this machine: kept as its file says, without ever going down.",
)

CONFIG = Path("/etc/borderscout/wg0.conf")
WITHIN = Path(NETWORKS_PLACE)
TURN_S = 10.0
LOOK_S = 0.2  # between two looks at the file's date, which cost nothing; a turn starts programs

Config = Annotated[Path, typer.Option("--config", help="The wg0.conf that was rendered.")]
Interface = Annotated[
    str,
    typer.Option("--interface", metavar="NAME", help="Left out: as the file is called."),
]
State = Annotated[
    Path, typer.Option("--state", help="Where it is told, for the programs and for status.")
]
Within = Annotated[
    Path,
    typer.Option(
        "--within", help="The networks that it may have and lead to; if there is no such file, all."
    ),
]


def _keeper(config: Path, interface: str, state: Path, within: Path) -> TunnelKeeper:
    name = interface or (config.stem if config.suffix == ".conf" else "wg0")
    if not is_interface(name):
        raise typer.BadParameter(
            f"{name[:40]!r} is no name of an interface; use --interface wg0",
            param_hint="--interface",
        )
    return TunnelKeeper(TunnelInterface(name), config, state, within)


@app.command(epilog="Example: borderscout wireguard apply --config /etc/borderscout/wg0.conf")
def apply(
    config: Config = CONFIG,
    interface: Interface = "",
    state: State = STATE_FILE,
    within: Within = WITHIN,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on as `wireguard watch` does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the interface as its file says: peers, addresses, routes, MTU. Nothing goes down.

    The interface is made if it is not there, by the kernel or by wireguard-go. A peer that stays
    keeps its session and its counters. A host name without an address stops nothing: its peer waits
    for `wireguard watch`. Done again it changes nothing.
    """
    keeper = _keeper(config, interface, state, within)
    applied = keeper.apply(dry_run=dry_run)
    if as_json:
        print_json(asdict(applied))
    else:
        _say(applied, dry_run=dry_run)
    if watch and not dry_run:
        _watch(keeper, TURN_S)


def _say(applied: TunnelApplied, *, dry_run: bool) -> None:
    for line in applied.changed:
        console.print(f"{applied.interface}: {'would ' if dry_run else ''}{plain(line)}")
    if not applied.changed:
        console.print(f"{applied.interface}: nothing to do")
    for name in applied.unresolved:
        complain(
            f"{name} has no address now; its peer waits for it: borderscout wireguard watch,"
            " or look at /etc/resolv.conf"
        )


@app.command(epilog="Example: borderscout wireguard watch --config /etc/borderscout/wg0.conf")
def watch(
    config: Config = CONFIG,
    interface: Interface = "",
    state: State = STATE_FILE,
    within: Within = WITHIN,
    every: Annotated[
        float, typer.Option(help="Seconds between two looks.", min=0.05, max=60.0)
    ] = TURN_S,
) -> None:
    """Keep the interface as its file says until the end; a service manager runs this.

    A changed file is taken over at once. A peer that was not heard for 135 s has its host name
    looked up anew. What the path to each peer carries is measured every ten minutes. How all fare
    is written to the state file. When it ends, the tunnel stays.
    """
    _watch(_keeper(config, interface, state, within), every)


def _watch(keeper: TunnelKeeper, every_s: float) -> NoReturn:
    said, was_ready, manager = "", False, supervisor()
    while True:
        seen = _version_of(keeper.config)
        try:
            changed = keeper.turn()
        except (BorderScoutError, OSError) as error:
            # It may be mended in a minute, and nobody may be there to begin it anew.
            if str(error) != said:
                said = str(error)
                if isinstance(error, SettingsError):
                    complain_of_settings(error)
                else:
                    complain(said)
        else:
            said = ""
            for line in changed:
                print(f"{keeper.interface.name}: {plain(line)}", flush=True)
        condition = ServiceCondition(is_ready=True, status=said or "well")
        manager.tell(*lines_of(condition, was_ready=was_ready))
        was_ready = True
        # The kernel tells nobody that a handshake is old, or a name has moved.
        _rest(keeper.config, seen, every_s)


def _rest(file: Path, seen: tuple[int, int] | None, most_s: float) -> None:
    """Return after a time, or when a file is another one than was seen, and is written whole."""
    end_s, last = time.monotonic() + most_s, seen
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(LOOK_S, left_s))  # a file tells nobody here that it was written
        before, last = last, _version_of(file)
        if last == before != seen:
            return


def _version_of(file: Path) -> tuple[int, int] | None:
    """Return what is another one once a file was written or replaced; None when it is not there."""
    try:
        now = file.stat()
    except OSError:
        return None
    return now.st_ino, now.st_mtime_ns


@app.command(epilog="Example: borderscout wireguard mtu --config /etc/borderscout/wg0.conf")
def mtu(
    config: Config = CONFIG,
    interface: Interface = "",
    state: State = STATE_FILE,
    within: Within = WITHIN,
    apply_it: Annotated[
        bool, typer.Option("--apply", help="Set it, as `wireguard watch` does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how large a packet the path to each peer carries, with echo requests to it.

    The interface keeps its size, and the route to a peer gets what its path carries: so a larger
    packet can be tried at any time. Exit code 1 when a peer does not answer.
    """
    keeper = _keeper(config, interface, state, within)
    if not keeper.interface.is_there():
        fail(f"no interface {keeper.interface.name}; make it: borderscout wireguard apply")
    found = {}
    silent = False
    for peer, size in keeper.measure():
        silent = silent or not size
        if size:
            found[peer.public_key] = size
        if as_json:
            print_json({"peer": peer.name, "mtu": size or None})
        else:
            console.print(f"{plain(peer.name)}: {f'{size} octets' if size else 'does not answer'}")
    if apply_it and found:
        applied = keeper.apply(mtus=found)
        if not as_json:
            _say(applied, dry_run=False)
    if silent:
        raise typer.Exit(1)


@app.command(epilog="Example: borderscout wireguard status")
def status(state: State = STATE_FILE, as_json: AsJson = False) -> None:
    """Show how the tunnel fares: each peer's endpoint, last handshake and octets. Takes no root."""
    health = read_health(state)
    if health is None:
        fail(
            f"{state} tells nothing; start what writes it: systemctl start borderscout-wireguard,"
            " or type: borderscout wireguard apply"
        )
    if as_json:
        print_json(asdict(health))
        return
    _show(health)


def _show(health: TunnelHealth) -> None:
    now = time.time()
    state = f"MTU {health.mtu}" if health.up else "is not there"
    console.print(f"{health.interface}: {state}, seen {span(max(0.0, now - health.at_s))} ago")
    if health.problem:
        complain(health.problem)
    print_table(
        ("!Peer", "Endpoint", ">Handshake", ">Received", ">Sent", ">Path"),
        [
            (
                peer.name,
                peer.endpoint or ("no address" if peer.unresolved else "-"),
                span(max(0.0, now - peer.handshake_s)) if peer.handshake_s else "never",
                octets(peer.received_bytes),
                octets(peer.sent_bytes),
                peer.mtu or "-",
            )
            for peer in health.peers
        ],
    )
