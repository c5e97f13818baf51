"""What does the settings file of a scanning server say, and where are the files that it names?

Touches the file, the certificates that it names, and the packages that bring engines and filters.
"""

from __future__ import annotations

from pathlib import Path

from common.errors import SettingsError
from common.settings.reading import Source, validated
from common.settings.scan_server import ScanServerSettings
from satellite.settings import kinds_complaints, placed_smtp, smtp_complaints


def is_of_scan_server(path: Path) -> bool:
    """Say whether a file of settings is a scanning server's, and not a node's, which has a core.

    Raises:
        SettingsError: it is no YAML, or cannot be read.
    """
    tree = Source.read(path).tree
    return "core" not in tree and "engines" in tree


def read_scan_settings(path: Path) -> ScanServerSettings:
    """Return the settings that a scanning server may begin to work with.

    Paths in it are taken from the folder that it stands in.

    Raises:
        SettingsError: with every complaint.
    """
    source = Source.read(path)
    settings = validated(source, ScanServerSettings)
    folder = path.resolve().parent
    smtp = placed_smtp(settings.smtp, folder) if settings.smtp is not None else None
    settings = settings.model_copy(
        update={
            "state": str(folder / settings.state),
            "preferences": str(folder / settings.preferences) if settings.preferences else "",
            "smtp": smtp,
        }
    )
    complaints = list(kinds_complaints(source, settings.engines, settings.filters))
    if smtp is not None:
        complaints += smtp_complaints(source, smtp)
    if complaints:
        raise SettingsError(complaints)
    return settings
