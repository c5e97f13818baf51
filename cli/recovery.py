"""``borderscout core backup|restore|renew-epoch``: how is a core saved, and how does it come back?

Touches the core's state, the folder of a backup, and a core that runs.
"""

from __future__ import annotations

import asyncio
import getpass
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client, TokenFile, Url
from cli.consent import confirm
from cli.output import AsJson, complain, console, octets, plain, print_json, when
from cli.progress import progress_bar
from common.counted import counted

BACKUP_EXAMPLE = (
    "Example: borderscout core backup --config /etc/borderscout/core.yaml /backup/core-monday"
)
RESTORE_EXAMPLE = (
    "Example: borderscout core restore --config /etc/borderscout/core.yaml /backup/core-monday"
)
PEERS_EXAMPLE = (
    "Example: borderscout core peers --config /etc/borderscout/core.yaml /backup/core-monday"
)
RENEW_EXAMPLE = "Example: borderscout core renew-epoch --config /etc/borderscout/core.yaml"
GENERATION_MAX = (1 << 53) - 1

Config = Annotated[Path, typer.Option("--config", help="Its core.yaml.")]
Generation = Annotated[
    int | None,
    typer.Option(
        "--generation",
        min=1,
        max=GENERATION_MAX,
        help="Of the new epoch, where doctor names one. Left out: later than all that is known.",
        show_default=False,
    ),
]


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an empty one.")],
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Save the core's database and quarantined bodies in a folder, while it runs or not."""
    from importlib.metadata import version

    from common.clock import SystemClock
    from core.recovery.backup import back_up
    from core.settings import load_settings

    settings = load_settings(config)
    with progress_bar() as step:
        made = back_up(
            settings,
            folder,
            now_us=SystemClock().now_us(),
            version=version("border-scout"),
            step=step,
        )
    found = made.manifest
    if as_json:
        told = {"folder": str(made.folder), "deleted": made.deleted}
        print_json(told | found.model_dump() | {"lost": [one.hex() for one in made.lost]})
    else:
        console.print(
            plain(
                f"{made.folder}: revision {found.revision}, database"
                f" {octets(found.database_size)}, {counted(found.bodies, 'body', 'bodies')},"
                f" {octets(found.bodies_size)}"
            )
        )
    for sha256 in made.lost:
        complain(f"warning: no body {sha256.hex()} at this core, though messages stand on it")


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that backup made.")],
    config: Config,
    replace: Annotated[
        bool, typer.Option("--replace", help="Set aside what is there; nothing is deleted.")
    ] = False,
    incomplete: Annotated[
        bool,
        typer.Option(
            "--incomplete", help="Go on without damaged bodies; they are asked for again."
        ),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only read the backup, and say whether it is whole.")
    ] = False,
    of_other_authority: Annotated[
        bool,
        typer.Option(
            "--of-other-authority", help="Although all have a new authority since the backup."
        ),
    ] = False,
    generation: Generation = None,
    as_json: AsJson = False,
) -> None:
    """Put a core that does not run back to a backup, in a new epoch."""
    from common.clock import SystemClock
    from core.recovery.restore import restore as restored
    from core.settings import load_settings

    settings = load_settings(config)
    if check:
        _check(folder, as_json)
        return
    with progress_bar() as step:
        done = asyncio.run(
            restored(
                settings,
                folder,
                clock=SystemClock(),
                step=step,
                replace=replace,
                incomplete=incomplete,
                generation=generation,
                of_other_authority=of_other_authority,
            )
        )
    found = done.manifest
    if as_json:
        print_json(
            {
                "revision": found.revision,
                "made_us": found.made_us,
                "generation": done.epoch.generation,
                "epoch": done.epoch.identifier,
                "set_aside": None if done.aside is None else str(done.aside),
                "wanted": done.settled.wanted,
            }
        )
        return
    console.print(
        plain(
            f"restored: revision {found.revision} of {when(found.made_us)} UTC, in a new epoch of"
            f" generation {done.epoch.generation}; start the core now"
        )
    )
    if done.aside is not None:
        console.print(plain(f"what was there is in {done.aside}"))
    if settings.join.listen:
        console.print(
            f"members are as of {when(found.made_us)} UTC: revoke again who was revoked since; who"
            " joined or got new keys since joins again, with a new token"
        )
    if done.settled.wanted:
        console.print(f"{counted(done.settled.wanted, 'message')} without a body: asked for again")


def peers(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that backup made.")],
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Let the tunnel of a machine that can become the core know the nodes that have joined."""
    from common.clock import SystemClock
    from core.recovery.standby_peers import take_peers
    from core.settings import load_settings

    settings = load_settings(config)
    taken = asyncio.run(take_peers(settings, folder, clock=SystemClock()))
    if as_json:
        print_json(asdict(taken))
        return
    file = settings.wireguard.file
    known = (
        f"{counted(taken.members, 'node has', 'nodes have')} joined by {when(taken.made_us)} UTC"
    )
    console.print(plain(f"{file}: {known}; {'written' if taken.changed else 'nothing to do'}"))


def renew_epoch(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Its core.yaml: of a core on this machine, at rest or not."),
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
    generation: Generation = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Begin a new epoch: every node takes this core's preferences instead of what it has."""
    client = None if config is not None else Client(url, token_file)
    where = config if client is None else client.url
    confirm(
        f"nodes that follow another core will take the preferences of this one ({where})", yes=yes
    )
    if config is not None:
        found = _renew_here(config, generation)
    else:
        assert client is not None
        found = _renew_running(client, generation)
    if as_json:
        print_json(found)
        return
    console.print(
        plain(
            f"a new epoch of generation {found['generation']}, at revision {found['revision']};"
            " nodes take it as they connect: borderscout status"
        )
    )
    for name, what in (
        ("aside", "set aside, since no message is known for it"),
        ("wanted", "missing, and asked for again"),
    ):
        if found.get(name):
            console.print(f"{counted(found[name], 'body', 'bodies')} {what}")


def _renew_here(config: Path, generation: int | None) -> dict[str, Any]:
    """Renew the epoch of a core on this machine, whether or not it runs."""
    from common.clock import SystemClock
    from core.recovery.renewal import address_of_running, renew_at_rest
    from core.settings import load_settings

    settings = load_settings(config)
    address = address_of_running(settings)
    if address is not None:
        return _renew_running(Client(address, Path(settings.token_file)), generation)
    who = getpass.getuser()
    position, settled = asyncio.run(
        renew_at_rest(settings, clock=SystemClock(), who=who, generation=generation)
    )
    epoch = position.epoch
    told = {"generation": epoch.generation, "epoch": epoch.identifier}
    return told | {"revision": position.revision} | asdict(settled)


def _renew_running(client: Client, generation: int | None) -> dict[str, Any]:
    found: dict[str, Any] = client.ask("POST", "/api/v1/epoch", body={"generation": generation})
    return found


def _check(folder: Path, as_json: bool) -> None:
    from core.recovery.restore import check_backup

    with progress_bar() as step:
        looked = check_backup(folder, step=step)
    found = looked.manifest
    if as_json:
        print_json(found.model_dump() | {"damaged": [one.hex() for one in looked.damaged]})
    else:
        console.print(
            plain(
                f"{folder}: {found.cluster}, revision {found.revision} of {when(found.made_us)}"
                f" UTC, {counted(found.bodies, 'body', 'bodies')}"
            )
        )
    if looked.damaged:
        for sha256 in looked.damaged:
            complain(f"{sha256.hex()}: this body is missing or damaged; take another backup")
        raise typer.Exit(1)
