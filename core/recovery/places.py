"""Where is a core's database, when it is a file?

Touches nothing.
"""

from __future__ import annotations

from pathlib import Path

from common.errors import LocalError
from common.settings.core import CoreSettings
from core.store.dialect import database_url, shown_url, sqlite_file


class ServerDatabase(LocalError):
    """The core's database is on a server, which has tools of its own."""


def database_target(settings: CoreSettings) -> str | Path:
    """Return what a core opens as its database."""
    return settings.database or Path(settings.state) / "core.db"


def database_file(settings: CoreSettings) -> Path:
    """Return the file of a core's database.

    Raises:
        ServerDatabase: it is none.
    """
    url = database_url(database_target(settings))
    file = sqlite_file(url)
    if file is None:
        raise ServerDatabase(
            f"the database is on a server ({url.host or 'local'})",
            hint=f"type: pg_dump --format=custom --file=core.dump {shown_url(url)}"
            " and copy the bodies after it, as docs/operating/restore.md says",
        )
    return file
