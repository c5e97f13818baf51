"""``borderscout satellite``: run a satellite node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Run a satellite node.")


@app.callback()
def _group() -> None:
    """Run a satellite node."""


@app.command(epilog="Example: borderscout satellite serve --config out/lon1/satellite.yaml")
def serve(config: Annotated[Path, typer.Option("--config", help="Its satellite.yaml.")]) -> None:
    """Accept, scan and deliver mail until SIGTERM."""
    from satellite.app.serve import serve as run

    run(config)
