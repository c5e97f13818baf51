"""``borderscout mx render``: what stands in DNS?

Touches the file that it is told to read, and the terminal.
"""

from __future__ import annotations

from typing import Annotated

import typer

from cli.inventory import File, read, say
from cli.mx_plan import NamingOption
from cli.progress import progress_bar
from inventory.mx.formats.catalogue import FORMATS, TO_COME
from inventory.mx.names import Naming
from inventory.mx.plan import make_plan

EXAMPLE = "Example: borderscout mx render inventory/example.yaml --format bind"
WRONG_USAGE = 2


def render(
    file: File,
    output_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)}.")
    ],
    naming: NamingOption = Naming.FIXED,
) -> None:
    """Print what stands in DNS: the records of our own zone, and each customer's as comments."""
    if output_format not in FORMATS:
        what = "is not available yet" if output_format in TO_COME else "is no format"
        remedy = " or ".join(f"--format {name}" for name in FORMATS)
        say(f"--format {output_format!r} {what}; write {remedy}")
        raise typer.Exit(WRONG_USAGE)
    inventory = read(file)
    with progress_bar() as progress:
        made = make_plan(inventory, naming=naming, progress=progress)
        text = FORMATS[output_format](inventory, made, naming=naming)
    print(text, end="")
