"""``borderscout mx verify``: is what the world sees of us what the inventory says?

Touches the files that it is told to read, DNS, mail servers and policy hosts, and the terminal.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.inventory import File, Json, fail, read
from cli.mx_plan import NamingOption
from cli.mx_published import PlanOption, RenderedOption, plan_of, published
from cli.progress import progress_bar
from common.errors import BorderScoutError
from common.settings.values import checked_resolver
from inventory.mx.live_dns import LiveDns
from inventory.mx.names import Naming
from inventory.mx.records import policy_of
from inventory.mx.verifying import LookAt
from inventory.mx.verifying import verify as look_at

EXAMPLE = "Example: borderscout mx verify inventory.yaml --resolver 9.9.9.9:53 --json"
DIFFERENT = 2


def _resolvers(texts: list[str]) -> list[str]:
    try:
        return [checked_resolver(text) for text in texts]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def verify(
    file: File,
    resolvers: Annotated[
        list[str],
        typer.Option(
            "--resolver",
            metavar="ADDRESS:PORT",
            help="Ask it as well; again for more. Left out: the zones' own servers alone.",
            callback=_resolvers,
        ),
    ] = [],  # noqa: B006 - read by the command line alone
    plan: PlanOption = None,
    rendered_folder: RenderedOption = None,
    naming: NamingOption = Naming.FIXED,
    authorities: Annotated[
        Path | None,
        typer.Option("--authorities", metavar="PEM", help="Trusted beside the system's."),
    ] = None,
    dns_port: Annotated[int, typer.Option(help="Of the zones' servers.", min=1, max=65_535)] = 53,
    smtp_port: Annotated[int, typer.Option(help="Of the nodes.", min=1, max=65_535)] = 25,
    https_port: Annotated[int, typer.Option(help="Of policy hosts.", min=1, max=65_535)] = 443,
    as_json: Json = False,
) -> None:
    """Look at DNS, at every node's mail server and at every policy, and name each difference.

    Exit 0 when all is as the inventory says, 2 when something is not, 1 on an error. Warnings, such
    as a server that does not answer beside others that do, are no difference.
    """
    inventory = read(file)
    try:
        made = plan_of(inventory, plan, naming=naming)
        records = published(inventory, made, rendered_folder=rendered_folder)
        look = LookAt(
            policy=policy_of(inventory.cluster),
            context=_context(authorities),
            smtp_port=smtp_port,
            https_port=https_port,
        )
        with progress_bar(says_lines=True) as progress:
            found = asyncio.run(
                look_at(
                    records,
                    LiveDns(resolvers, port=dns_port),
                    look,
                    now=datetime.now(UTC),
                    progress=progress,
                )
            )
    except BorderScoutError as error:
        fail(str(error))
    if as_json:
        print(json.dumps({"drift": [one.as_json() for one in found]}))
    else:
        for one in found:
            print(f"{'warning: ' if one.is_warning else ''}{one.where}: {one.what}")
        if not found:
            print("all is as the inventory says")
    if any(not one.is_warning for one in found):
        raise typer.Exit(DIFFERENT)


def _context(authorities: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authorities is not None:
        try:
            context.load_verify_locations(cafile=authorities)
        except OSError as error:
            fail(f"{authorities}: {error.strerror or error}; name a PEM file of authorities")
    return context
