"""``borderscout mx measurements``: what have the sites measured to each domain's servers?

Touches the inventory, the core, and the file that it is told to write.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.client import TokenFile, Url
from cli.inventory import File, fail, read, say
from cli.mx_inputs import measured_by_core
from common.collector import uncollected
from common.counted import counted
from common.durable import write_where_named

EXAMPLE = (
    "Example: borderscout mx measurements inventory/example.yaml"
    " --url http://127.0.0.1:8080 --out probes.json"
)


@uncollected()
def measurements(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="JSON", help="Where it goes; left out: stdout."),
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
) -> None:
    """Write what the core knows of round trips, by site and domain, as --measurements takes it.

    So a plan can be made again from what it was made from. `--measurements core` asks at once.
    """
    found = measured_by_core(read(file), url, token_file)
    if out is None:
        sys.stdout.write(found.text)
        return
    try:
        write_where_named(out, found.text.encode(), mode=0o644)
    except OSError as error:
        fail(f"{out}: cannot be written: {error.strerror}; name another file")
    say(f"{out}: {counted(len(found.measurements.by_domain), 'domain')}")
