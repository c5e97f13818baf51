"""``borderscout core``: run a core, save it, and bring it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import recovery
from cli.output import settings_of_a_service
from common.hang_up import ignore_hang_up

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="A core: run it, save it, bring it back."
)


@app.callback()
def _group() -> None:
    """A core: run it, save it, bring it back."""


@app.command(epilog="Example: borderscout core serve --config out/core/core.yaml")
def serve(config: Annotated[Path, typer.Option("--config", help="Its core.yaml.")]) -> None:
    """Serve the link and the API until SIGTERM; SIGHUP reads the certificate anew."""
    ignore_hang_up()  # until the core listens for it: what comes now takes seconds
    from core.app import serve as run

    with settings_of_a_service():
        run(config)


app.command(epilog=recovery.BACKUP_EXAMPLE)(recovery.backup)
app.command(epilog=recovery.RESTORE_EXAMPLE)(recovery.restore)
app.command(epilog=recovery.PEERS_EXAMPLE)(recovery.peers)
app.command("renew-epoch", epilog=recovery.RENEW_EXAMPLE)(recovery.renew_epoch)
