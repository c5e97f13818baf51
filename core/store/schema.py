"""Is this database of our version, and if it is older, how is it brought up?

Touches the database. A newer one is refused: what we do not know we must not write to.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.store.errors import StoreFailure

_SCRIPTS = Path(__file__).parent / "migrations"


def bring_up(connection: Connection) -> None:
    """Apply the migrations that this database has not had, in the connection's transaction.

    Raises:
        StoreFailure: a newer version made the database.
    """
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in known:
        raise StoreFailure(
            f"the database has version {found}, which this program does not know",
            hint="start the newer program that wrote it, or restore a backup",
        )
    if found != scripts.get_current_head():
        command.upgrade(config, "head")
