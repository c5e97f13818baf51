"""What does the core's settings file say, and where are the files that it names?

Touches the file that it reads.
"""

from __future__ import annotations

from pathlib import Path

from common.settings.core import CoreSettings, TlsSettings
from common.settings.reading import load


def load_settings(path: Path) -> CoreSettings:
    """Read ``core.yaml``; paths in it are taken from the folder that it stands in.

    Raises:
        SettingsError: with every complaint.
    """
    settings = load(path, CoreSettings)
    folder = path.resolve().parent
    tls = settings.tls
    return settings.model_copy(
        update={
            "state": str(folder / settings.state),
            "token_file": str(folder / settings.token_file),
            "first_revision": str(folder / settings.first_revision),
            "tls": TlsSettings(
                certificate=str(folder / tls.certificate),
                key=str(folder / tls.key),
                authority=str(folder / tls.authority),
            ),
        }
    )
