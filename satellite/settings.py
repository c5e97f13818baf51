"""What does a satellite's settings file say, and where are the files that it names?

Touches the file that it reads.
"""

from __future__ import annotations

from pathlib import Path

from common.settings.reading import load
from common.settings.satellite import SatelliteSettings


def load_settings(path: Path) -> SatelliteSettings:
    """Read ``satellite.yaml``; paths in it are taken from the folder that it stands in.

    Raises:
        SettingsError: with every complaint.
    """
    settings = load(path, SatelliteSettings)
    folder = path.resolve().parent
    smtp = settings.smtp
    core = settings.core
    delivery = settings.delivery
    return settings.model_copy(
        update={
            "state": str(folder / settings.state),
            "smtp": smtp.model_copy(
                update={
                    "certificate": _below(folder, smtp.certificate),
                    "key": _below(folder, smtp.key),
                }
            ),
            "delivery": delivery.model_copy(
                update={"authorities": _below(folder, delivery.authorities)}
            ),
            "core": core.model_copy(
                update={
                    "certificate": _below(folder, core.certificate),
                    "key": _below(folder, core.key),
                    "authority": _below(folder, core.authority),
                }
            ),
        }
    )


def _below(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""
