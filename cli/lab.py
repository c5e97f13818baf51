"""``borderscout lab``: the whole cluster of an inventory, on this machine, to try things out.

Touches the lab, and the terminal.
"""

from __future__ import annotations

import os
import sys
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import lab_view
from cli.inventory import File, read
from cli.output import AsJson, console, fail, plain, print_json
from cli.progress import progress_bar
from common.address import AddressError, parse_address
from common.counted import counted
from inventory.lab.entering import entering_command, environment
from inventory.lab.lab_report import lab_report
from inventory.lab.lab_start import change_lab, end_lab, move_core, start_lab, why_not
from inventory.lab.sending import send_mail
from inventory.lab.standing_lab import StandingLab
from inventory.lab.topology import CLUSTER, LabRole, Machine

COUNT_MAX = 100_000
KBIT_MAX = 10_000_000

app = typer.Typer(
    no_args_is_help=True,
    help="Run every machine of an inventory on this one, and cut, heal and slow its lines.",
    rich_markup_mode=None,
)

Place = Annotated[
    str, typer.Argument(metavar="SITE", help="A site, or one machine: a node, core, sender …")
]


@app.command(epilog="Example: borderscout lab up examples/lab.yaml")
def up(
    file: File,
    folder: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where its files go; keys in it are kept.")
    ] = Path("lab"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on with the mail and the records of the lab before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start every node in a network of its own, with a resolver, a sender and customers' servers.

    The core starts alone. What it pushes out comes to it by inventory apply, and each node joins it
    with a token, over the lab's lines: its keys, its tunnel and its settings come from that. Our
    zone is filled by mx apply. It is done when every node has taken a message and has its link to
    the core. Takes root, and changes nothing of this machine's network and files.
    """
    _or_why_not()
    inventory = read(file)
    try:
        with progress_bar() as progress:
            start_lab(inventory, file.resolve(), folder, keep=keep, said=_say, progress=progress)
    except KeyboardInterrupt:
        fail("interrupted; nothing of the lab is left but its files")
    lab = StandingLab.find()
    if as_json:
        names = [machine.name for machine in lab.of(LabRole.SATELLITE)]
        print_json({"nodes": names, "folder": str(lab.folder), "joined": lab.state.joined})
        return
    for line in _joined_lines(lab.state.joined):
        console.print(line)
    for line in _stranger_lines(lab.state.strangers):
        console.print(line)
    nodes = counted(len(lab.of(LabRole.SATELLITE)), "node")
    console.print(f"the lab is up: the core and {nodes} ready and linked; its files: {lab.folder}")
    console.print("next: borderscout lab send --count 12; borderscout lab status")


@app.command(epilog="Example: borderscout lab change lab.yaml")
def change(
    file: File,
    force: Annotated[
        bool, typer.Option("--force", help="Also when many routes or records would go.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Have the lab become what the inventory says by now: documents, machines, DNS.

    The core gets it by inventory apply, and our zone by mx apply. A node that is new has joined and
    is ready before DNS leads to it; one that is gone from the inventory is in DNS no more when it
    ends, and should be empty by then: see borderscout inventory decommission. What failed is mended
    by another change.
    """
    _or_why_not()
    inventory = read(file)
    before = set(StandingLab.find().state.joined)
    try:
        with progress_bar() as progress:
            change_lab(inventory, file.resolve(), is_forced=force, progress=progress)
    except KeyboardInterrupt:
        fail("interrupted; the lab goes on with this change; another one is made after it")
    state = StandingLab.find().state
    come = {node: times for node, times in state.joined.items() if node not in before}
    if not as_json:
        said = (
            _joined_lines(come),
            _applied_lines(state.applied),
            _stranger_lines(state.strangers),
        )
        for line in chain(*said):
            console.print(line)
    found = {
        "changed": True,
        "joined": come,
        "applied": state.applied,
        "strangers": state.strangers,
    }
    _done(found, "the lab is as the inventory says", as_json=as_json)


@app.command(epilog="Example: borderscout lab status --json")
def status(as_json: AsJson = False) -> None:
    """Show every machine of the lab: its line, its programs, its tunnel, and the mail so far.

    Exit 1 when something is not as it should be, a cut line excepted.
    """
    lab = StandingLab.find()
    report = lab_report(lab)
    if as_json:
        print_json(lab_view.report_json(lab, report))
    else:
        lab_view.show(lab, report)
    if not all(one.is_well for one in report.machines):
        raise typer.Exit(1)


@app.command(epilog="Example: borderscout lab cut london")
def cut(
    place: Place,
    from_core: Annotated[
        bool, typer.Option("--from-core", help="Its tunnel to the core alone; mail goes on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let nothing pass to and from a site, without a word to anybody, until it is healed."""
    StandingLab.find().cut(place, is_tunnel_alone=from_core)
    what = ": its tunnel is cut" if from_core else " is cut off"
    line = f"{plain(place)}{what}; heal it with: borderscout lab heal {plain(place)}"
    _done({"cut": place, "from_core": from_core}, line, as_json=as_json)


@app.command(epilog="Example: borderscout lab heal london")
def heal(
    place: Annotated[
        str | None, typer.Argument(metavar="[SITE]", help="A site or machine; none: all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let everything pass again, at full speed."""
    StandingLab.find().heal(place)
    line = f"{plain(place) if place else 'everything'} is healed"
    _done({"healed": place or "everything"}, line, as_json=as_json)


@app.command(epilog="Example: borderscout lab slow madrid --kbit 64")
def slow(
    place: Place,
    kbit: Annotated[
        int | None, typer.Option("--kbit", min=8, max=KBIT_MAX, help="A thousand bits a second.")
    ] = None,
    delay_ms: Annotated[
        int | None, typer.Option("--ms", min=1, max=60_000, help="Later by so much, each way.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let everything to and from a site pass slower or later, until it is healed.

    A delay takes a kernel with netem; where it is missing, the command says so and changes nothing.
    """
    if kbit is None and delay_ms is None:
        fail("say how slow: --kbit N, --ms N or both", status=2)
    StandingLab.find().slow(place, kbit=kbit, delay_ms=delay_ms)
    said = [f"{kbit} kbit/s"] if kbit is not None else []
    said += [f"{delay_ms} ms later"] if delay_ms is not None else []
    line = f"{plain(place)}: {', '.join(said)}, each way; see borderscout lab heal"
    _done({"slow": place, "kbit": kbit, "ms": delay_ms}, line, as_json=as_json)


@app.command("move-core", epilog="Example: borderscout lab move-core core2")
def move(
    name: Annotated[str, typer.Argument(metavar="MACHINE", help="One of core.standbys, or core.")],
    backup: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Go on from this backup, and touch no other machine: as when the core's is lost.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let the core go on on another of its machines, as an operator would.

    It is stopped, backed up, restored there in a new epoch and started. Nothing is changed on a
    node: each finds the core by itself. With --from nothing is stopped elsewhere: a core that runs
    there runs on, and nodes refuse it.
    """
    lab = StandingLab.find()
    machine = _machine(lab, name)
    machines = lab.of(LabRole.CORE)
    if machine not in machines:
        names = ", ".join(one.name for one in machines)
        fail(f"{plain(name)} cannot be the core; {names} can", status=2)
    if backup is None and machine == lab.core:
        fail(f"the core is on {plain(name)} already")
    if backup is None and lab.line(lab.core) == "cut":
        fail(f"{lab.core.name} is cut off; heal it, or name a backup with --from")
    if backup is not None and not backup.is_dir():
        fail(f"{plain(str(backup))}: there is no such folder", status=2)
    move_core(name, None if backup is None else backup.resolve())
    line = f"the core is on {plain(name)}; nodes come to it by themselves: borderscout lab status"
    _done({"core": name}, line, as_json=as_json)


@app.command(epilog="Example: borderscout lab send --count 12 --to somebody@acme.example")
def send(
    count: Annotated[int, typer.Option("--count", min=1, max=COUNT_MAX, help="Messages.")] = 1,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="ADDRESS", help="Whom; none: each domain in turn."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give mail to the lab's sender, which finds the way by the MX records."""
    if to is not None:
        try:
            parse_address(to)
        except AddressError as error:
            fail(f"--to {to!r}: {error}", status=2)
    sent = send_mail(StandingLab.find(), count=count, to=to)
    if as_json:
        print_json({"sent": sent})
    else:
        console.print(f"{counted(len(sent), 'message')} given to the sender")


@app.command(
    "exec",
    epilog="Example: borderscout lab exec lon1 -- wg show",
    context_settings={"ignore_unknown_options": True},
)
def execute(
    name: Annotated[str, typer.Argument(metavar="MACHINE", help="A node, core, dns, sender …")],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="With its arguments.")],
) -> None:
    """Run a command in a machine of the lab, with its network, its /etc and its processes.

    Where the core runs, borderscout knows it and its token.
    """
    lab = StandingLab.find()
    machine = _machine(lab, name)
    # In the folder where it was typed, which the machine has as well, or else at the top.
    here = ("sh", "-c", 'cd "$0" 2>/dev/null; exec "$@"', str(Path.cwd()), *command)
    argv = entering_command(lab.holder(machine), here, is_in_lab=False)
    sys.stdout.flush()
    os.execvpe(argv[0], argv, environment() | _access(lab, machine))  # noqa: S606 - no shell


@app.command(epilog="Example: borderscout lab down")
def down(as_json: AsJson = False) -> None:
    """End the lab and all of its processes, networks and mounts; twice is fine.

    Its files stay in its folder: keys, logs and mail.
    """
    folder = end_lab()
    line = "no lab is up" if folder is None else f"the lab is down; its files: {folder}"
    _done({"folder": None if folder is None else str(folder)}, line, as_json=as_json)


def _done(found: dict[str, Any], line: str, *, as_json: bool) -> None:
    """Say what was done, to a program or to a person."""
    if as_json:
        print_json(found)
    else:
        console.print(line)


def _joined_lines(joined: dict[str, dict[str, Any]]) -> list[str]:
    """Return how long each node took from its token to its first mail."""
    return [
        f"{plain(node)} joined: {_seconds(times['mail_s'])} from its token to its first mail"
        f" (keys {_seconds(times['keys_s'])}, ready {_seconds(times['ready_s'])})"
        for node, times in sorted(joined.items())
    ]


def _applied_lines(applied: dict[str, Any]) -> list[str]:
    many = counted(len(applied["applied"]), "node")
    return [f"revision {applied['revision']} reached {many} after {_seconds(applied['reached_s'])}"]


def _stranger_lines(strangers: list[str]) -> list[str]:
    """Return whom the core still lets in, and how that ends."""
    return [
        f"{plain(node)} is gone, and a member still; to end that:"
        f" borderscout lab exec core -- borderscout inventory revoke {plain(node)}"
        for node in strangers
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _or_why_not() -> None:
    if why := why_not():
        fail(why)


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


def _machine(lab: StandingLab, name: str) -> Machine:
    found = lab.place(name)
    if len(found) > 1:
        names = ", ".join(machine.name for machine in found)
        fail(f"{name} has several machines; name one of {names}", status=2)
    return found[0]


def _access(lab: StandingLab, machine: Machine) -> dict[str, str]:
    """Return how the core is reached from a machine that runs it."""
    runs = [(one["machine"], one["program"]) for one in lab.state.services]
    if (machine.name, LabRole.CORE) not in runs:
        return {}
    from common.settings.values import endpoint
    from inventory.addressing import HTTP_PORT

    token = (lab.folder / CLUSTER / machine.folder / "token").read_text(encoding="utf-8").strip()
    url = f"http://{endpoint(machine.vpn_address, HTTP_PORT)}"
    return {"BORDERSCOUT_URL": url, "BORDERSCOUT_TOKEN": token}
