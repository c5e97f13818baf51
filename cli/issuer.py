"""``borderscout inventory issuer``: how does the core's issuer get its certificate from far away?

Touches the files that it is told to read and write, and the terminal.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.output import AsJson, console, print_json
from inventory.certificates import ISSUER_CERTIFICATE
from inventory.issuer_files import (
    REQUEST_FILE,
    accept_certificate,
    sign_request,
    write_request,
)
from inventory.load import load_inventory

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The core's issuer, when the authority's key lies on another machine.",
)

Inventory = Annotated[Path, typer.Argument(metavar="FILE", help="The inventory, YAML.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The rendered folder.")]


@app.command(
    epilog="Example: borderscout inventory issuer request inventory.yaml --out cluster"
    " --to issuer.csr"
)
def request(
    file: Inventory,
    out: Out,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The request.")] = Path(
        REQUEST_FILE
    ),
    as_json: AsJson = False,
) -> None:
    """Write a request for the issuer's certificate; its key stays in the rendered folder."""
    write_request(load_inventory(file).cluster, out, to)
    if as_json:
        print_json({"request": str(to)})
        return
    console.print(f"written to {to}; sign it where the authority's key is:")
    console.print(f"  borderscout inventory issuer sign {to.name} --authority DIR")


@app.command(epilog="Example: borderscout inventory issuer sign issuer.csr --authority /mnt/safe")
def sign(
    request: Annotated[Path, typer.Argument(metavar="REQUEST", help="What `request` wrote.")],
    authority: Annotated[
        Path, typer.Option("--authority", metavar="DIR", help="The folder with the key.")
    ],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The certificate.")] = Path(
        ISSUER_CERTIFICATE
    ),
    as_json: AsJson = False,
) -> None:
    """Sign an issuer's request for a year, and say which domains it may name from then on."""
    hosts = sign_request(request, authority, to, now_us=time.time_ns() // 1000)
    if as_json:
        print_json({"certificate": str(to), "domains": list(hosts)})
        return
    console.print(f"written to {to}: signs for {' and '.join(hosts)} and what is below, no more")
    console.print("take it to the rendered folder's machine:")
    console.print(f"  borderscout inventory issuer accept {to.name} FILE --out DIR")


@app.command(
    epilog="Example: borderscout inventory issuer accept issuer.crt inventory.yaml --out cluster"
)
def accept(
    certificate: Annotated[Path, typer.Argument(metavar="CERT", help="What `sign` wrote.")],
    file: Inventory,
    out: Out,
    as_json: AsJson = False,
) -> None:
    """Put the issuer's certificate into the rendered folder, once it fits its key."""
    places, ends_s = accept_certificate(certificate, load_inventory(file), out)
    ends = datetime.fromtimestamp(ends_s, UTC).date().isoformat()
    if as_json:
        everywhere = [str(place) for place in places]
        print_json({"certificate": everywhere[0], "certificates": everywhere, "ends": ends})
        return
    console.print(f"in {places[0]} until {ends}; copy it to the core")
    for place in places[1:]:
        console.print(f"in {place}, too; copy it to {place.parent.name}")
