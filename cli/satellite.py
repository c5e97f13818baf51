"""``borderscout satellite``: run a satellite node, and empty it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.node import Config, ask, ask_patiently
from cli.output import (
    AsJson,
    clock_time,
    coloured,
    complain,
    console,
    plain,
    print_json,
    print_table,
    settings_of_a_service,
)
from common.hang_up import ignore_hang_up
from common.join_token import TOKEN_LENGTH_MAX, read_token

if TYPE_CHECKING:
    from cli.shards import LeftOnNode
    from satellite.console.questions import LeftLine

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Run a satellite node.")

CONFIG_DIR = Path("/etc/borderscout")  # where the rendered units look
ASKED_FOR = "-"  # in the place of a token: it comes by standard input
POLL_S = 0.5
QUIET_S = 3.0  # nothing changes for so long: what can be done now is done


@app.callback()
def _group() -> None:
    """Run a satellite node."""


@app.command(epilog="Example: borderscout satellite serve --config out/lon1/satellite.yaml")
def serve(config: Annotated[Path, typer.Option("--config", help="Its satellite.yaml.")]) -> None:
    """Accept, scan and deliver mail until SIGTERM; SIGHUP reads the settings anew."""
    ignore_hang_up()  # until the parent listens for it
    from satellite.joining.staging import Staging
    from satellite.node.launch import become_parent
    from satellite.node.settings_files import SettingsFiles
    from satellite.settings import read_settings

    Staging(config.resolve().parent).install()  # new keys that a power cut left on their way
    # Settings that are tried are the parent's alone: when they are wrong, it has others to go by.
    if not SettingsFiles(config.resolve()).recorded().is_trying:
        with settings_of_a_service():
            read_settings(config)
    become_parent(config)


@app.command(epilog="Example: borderscout satellite join - --config-dir /etc/borderscout")
def join(
    token: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN",
            help="- or nothing: it is asked for.",
            show_default=False,
        ),
    ] = ASKED_FOR,
    config_dir: Annotated[
        Path, typer.Option("--config-dir", metavar="DIR", help="Where settings and keys go.")
    ] = CONFIG_DIR,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="A file with the token.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a node of this machine: keys of its own, certificates and settings from the core.

    Interrupted at any point, run it again with the same token.
    """
    from common.wireguard.tunnel_bounds import MACHINE_FOLDER
    from satellite.joining.joiner import join as join_with

    def say(what: str) -> None:
        if not as_json:
            console.print(f"{what} ...")

    is_machine = config_dir == CONFIG_DIR and os.geteuid() == 0
    result = join_with(
        read_token(_token_text(token, token_file)),
        config_dir,
        say=say,
        machine=Path(MACHINE_FOLDER) if is_machine else None,
    )
    node, cluster, tunnel = result.joined.node, result.joined.cluster, config_dir / "wg0.conf"
    if as_json:
        print_json(
            {
                "node": node,
                "cluster": cluster,
                "config": str(config_dir / "satellite.yaml"),
                "tunnel": str(tunnel) if result.joined.has_tunnel else None,
                "was_known": result.was_known,
            }
        )
        return
    if result.was_known:
        console.print(f"{node} has joined {cluster} with this token already; nothing was changed")
    else:
        console.print(f"this machine is {node} of {cluster}; its keys were made in {config_dir}")
    console.print("next:")
    if config_dir == CONFIG_DIR:
        of_tunnel = "borderscout-firewall borderscout-wireguard " * result.joined.has_tunnel
        units = f"{of_tunnel}borderscout-satellite"
        console.print(f"  systemctl enable --now {units}", soft_wrap=True)
    else:
        if result.joined.has_tunnel:
            console.print(plain(f"  borderscout wireguard apply --config {tunnel}"), soft_wrap=True)
        settings = config_dir / "satellite.yaml"
        console.print(plain(f"  borderscout satellite serve --config {settings}"), soft_wrap=True)


@app.command(epilog="Example: borderscout satellite renew --config /etc/borderscout/satellite.yaml")
def renew(
    config: Annotated[Path, typer.Option("--config", help="Its satellite.yaml.")],
    force: Annotated[
        bool, typer.Option("--force", help="Change the certificates although none is due.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Renew the certificates of a node that has joined; it does so by itself while it runs."""
    from satellite.joining.key_renewal import Renewal
    from satellite.settings import load_settings

    renewal = Renewal(config.resolve().parent, load_settings(config))
    outcome = renewal.run(now_s=time.time(), force=force)
    if as_json:
        print_json({"outcome": str(outcome)})
    else:
        words = {"nothing": "nothing is due", "followed": "the core's machines were followed"}
        console.print(words.get(outcome, f"{outcome}"))


def _token_text(token: str, file: Path | None) -> str:
    """Return the token from wherever it comes; from a terminal it is asked for, and not shown."""
    if file is not None:
        with file.open("rb") as source:
            return source.read(TOKEN_LENGTH_MAX * 2).decode("ascii", "replace")
    if token != ASKED_FOR:
        return token
    if sys.stdin.isatty():
        return getpass("Token: ")
    return sys.stdin.read(TOKEN_LENGTH_MAX * 2)


@app.command(epilog="Example: borderscout satellite drain --config out/lon1/satellite.yaml")
def drain(
    config: Config,
    wait: Annotated[
        bool, typer.Option(help="Wait until all that can be delivered now is delivered.")
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Take mail again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take no more mail, deliver what can be delivered, and say what is left.

    Exit code 0 when the node is empty, 1 when something is left. It goes on draining, over restarts
    too, until it is told to resume; interrupting this command changes nothing of that.
    """
    from cli.shards import left_lines, pages
    from satellite.console.questions import DrainQuestion, LeftQuestion

    if resume:
        ask(config, DrainQuestion(on=False))
        _say({"draining": False}, "takes mail again", as_json)
        return
    try:
        ask(config, DrainQuestion(on=True))
        found = _settled(config) if wait else _left(config)
    except KeyboardInterrupt:
        complain("interrupted, and the node goes on draining; take it back with --resume")
        raise typer.Exit(1) from None
    # Who it is for is asked once, at the end: there may be ten thousand destinations.
    lines = []
    if not found.is_empty:
        lines = left_lines(pages(partial(ask_patiently, config), LeftQuestion()))
    _report(found, lines, as_json)
    if not found.is_empty:
        raise typer.Exit(1)


def _settled(config: Path) -> LeftOnNode:
    """Return what is left once nothing changes any more."""
    from cli.progress import progress_bar

    with progress_bar() as step:
        return _watched(config, step, time.monotonic)


def _watched(
    config: Path, step: Callable[[str, int, int], None], monotonic_s: Callable[[], float]
) -> LeftOnNode:
    before: tuple[object, ...] = ()
    most = 0
    changed_s = monotonic_s()
    while True:
        found = _left(config)
        count = found.count
        most = max(most, count)
        step(f"{count} left", most - count, most or 1)
        if _shape(found) != before or not found.is_idle:
            before, changed_s = _shape(found), monotonic_s()
        if found.is_empty or monotonic_s() - changed_s >= QUIET_S:
            return found
        time.sleep(POLL_S)  # a node tells only when asked; a person watches


def _left(config: Path) -> LeftOnNode:
    """Return how much the node has left now."""
    from cli.shards import left_on_node
    from satellite.console.questions import LeftQuestion

    return left_on_node(ask_patiently(config, LeftQuestion(lines=0)))


def _shape(found: LeftOnNode) -> tuple[object, ...]:
    """Return what changes when something happens."""
    return (found.states, found.records, found.quarantine)


def _report(found: LeftOnNode, lines: Sequence[tuple[int, LeftLine]], as_json: bool) -> None:
    from satellite.node.question import as_json as as_json_of

    if as_json:
        print_json(
            {
                "draining": True,
                "empty": found.is_empty,
                "left": [{"shard": shard, **as_json_of(line)} for shard, line in lines],
                "records": found.records,
                "quarantine": found.quarantine,
            }
        )
        return
    if found.is_empty:
        console.print("drained: the node is empty, and takes no mail")
        return
    if lines:
        rows = [
            (
                line.domain,
                line.customer,
                coloured(line.state),
                line.recipients,
                line.bytes,
                clock_time(line.oldest),
                clock_time(line.expires) or "-",
            )
            for _, line in lines
        ]
        columns = ("Domain", "Customer", "!State", ">Recipients", ">Octets", "!Oldest", "!Until")
        print_table(columns, rows)
    if found.quarantine:
        console.print(f"{found.quarantine} quarantined messages that the core has not taken")
    if found.records:
        console.print(f"{found.records} log records that the core has not acknowledged")
    console.print("the node goes on draining, over restarts too; take it back with --resume")


def _say(facts: dict[str, object], words: str, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        console.print(words)
