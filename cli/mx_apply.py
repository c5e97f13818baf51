"""``borderscout mx apply``: how do our records get into our own zone?

Touches the files that it is told to read, the name server that it is told of, and the terminal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.inventory import FAILED, File, Json, fail, read, say
from cli.mx_plan import NamingOption
from cli.mx_published import PlanOption, RenderedOption, plan_of, published
from cli.progress import progress_bar
from common.address import AddressError, parse_domain
from common.counted import counted
from common.errors import BorderScoutError
from common.settings.values import endpoint, split_endpoint
from inventory.load import Progress
from inventory.mx.names import Naming
from inventory.mx.tsig_key import read_tsig_key
from inventory.mx.zone_changes import GONE_SHARE_MAX, ZoneChange, changes_of, gone_share
from inventory.mx.zone_update import ZoneServer, check_zone

EXAMPLE = (
    "Example: borderscout mx apply inventory.yaml --server 192.0.2.53:53 "
    "--tsig-file /etc/borderscout/dns.key --dry-run"
)
DIFFERENT = 2


def _server(text: str) -> str:
    try:
        host, port = split_endpoint(text if text.rpartition(":")[2].isdecimal() else f"{text}:53")
        if not host or not 1 <= port <= 65_535:
            raise ValueError
    except ValueError:
        raise typer.BadParameter(f"{text[:80]!r} is no server; write HOST:PORT") from None
    return endpoint(host, port)


def _zone(text: str) -> str:
    try:
        return parse_domain(text) if text else ""
    except AddressError as error:
        raise typer.BadParameter(error.what) from None


def apply(
    file: File,
    server: Annotated[
        str,
        typer.Option(
            "--server", metavar="HOST:PORT", help="The zone's primary server.", callback=_server
        ),
    ],
    tsig_file: Annotated[
        Path,
        typer.Option(
            "--tsig-file", metavar="KEYFILE", help="What `tsig-keygen` printed; mode 0600."
        ),
    ],
    zone: Annotated[
        str,
        typer.Option(
            "--zone",
            help="The zone that cluster.mail_domain lies in; left out: it is one itself.",
            callback=_zone,
        ),
    ] = "",
    plan: PlanOption = None,
    rendered_folder: RenderedOption = None,
    naming: NamingOption = Naming.FIXED,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be changed.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even if more than 30 % of our records go away.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring our own zone to what the inventory says, by dynamic updates, and look whether it is so.

    Every record that goes or comes is named by itself. Records that are not ours stay. Exit 0 when
    the zone is as it should be, also if it was before; 2 when --dry-run found something to change;
    1 on an error.
    """
    inventory = read(file)
    try:
        domain = inventory.cluster.mail_domain
        check_zone(zone or domain, domain)
        at = ZoneServer(server, zone or domain, read_tsig_key(tsig_file))
        made = plan_of(inventory, plan, naming=naming)
        records = published(inventory, made, rendered_folder=rendered_folder)
        wanted, with_keys = records.ours, rendered_folder is not None
        there = at.read()
        changes = changes_of(wanted, there, with_keys=with_keys)
        share = gone_share(changes, there, wanted)
        if not dry_run and (share <= GONE_SHARE_MAX or force):
            with progress_bar() as progress:
                _send(at, changes, progress)
            left = changes_of(wanted, at.read(), with_keys=with_keys) if changes else []
        else:
            left = changes
    except BorderScoutError as error:
        fail(str(error))
    _show(changes, is_done=not left, share=share, as_json=as_json)
    if not left:
        return
    if dry_run:
        raise typer.Exit(DIFFERENT)
    if share > GONE_SHARE_MAX and not force:
        say(
            f"nothing was changed: {share:.0%} of our records would go away; "
            "look at each of them, then add --force"
        )
    else:
        say(f"{server}: has other records than were sent, such as {left[0].set.name}; run it again")
    raise typer.Exit(FAILED)


def _send(at: ZoneServer, changes: list[ZoneChange], progress: Progress) -> None:
    try:
        at.change(changes, progress)
    except KeyboardInterrupt:
        say("interrupted; what was sent may stand in the zone: run it again, which reads it first")
        raise


def _show(changes: list[ZoneChange], *, is_done: bool, share: float, as_json: bool) -> None:
    if as_json:
        tree = {
            "changes": [change.as_json() for change in changes],
            "gone_share": round(share, 3),
            "is_done": is_done,
        }
        print(json.dumps(tree))
        return
    for change in changes:
        for line in change.lines():
            print(line)
    if not changes:
        print("nothing to change")
    elif is_done:
        print(f"done: {counted(len(changes), 'record set')} changed, and read back")
