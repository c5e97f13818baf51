"""What does a satellite's settings file say, and where are the files that it names?

Touches the file that it reads; the packages that its engines and filters name, when asked to.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.errors import SettingsError
from common.kinds import Group, faults_of
from common.settings.reading import Source, validated
from common.settings.satellite import EngineSettings, FilterSettings, SatelliteSettings


def load_settings(path: Path, *, with_kinds: bool = False) -> SatelliteSettings:
    """Read ``satellite.yaml``; paths in it are taken from the folder that it stands in.

    Args:
        with_kinds: whether to look as well at the kinds of engines and filters and at their
            options, which loads the packages that bring them.

    Raises:
        SettingsError: with every complaint.
    """
    source = Source.read(path)
    settings = validated(source, SatelliteSettings)
    if with_kinds:
        _check_kinds(source, settings)
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


def _check_kinds(source: Source, settings: SatelliteSettings) -> None:
    lists: tuple[tuple[str, Group, Sequence[EngineSettings | FilterSettings]], ...] = (
        ("engines", Group.ENGINES, settings.engines),
        ("filters", Group.FILTERS, settings.filters),
    )
    complaints = [
        source.complaint((key, number, *fault.place), fault.what, fault.remedy)
        for key, group, entries in lists
        for number, entry in enumerate(entries)
        for fault in faults_of(group, entry.kind, entry.options)
    ]
    if complaints:
        raise SettingsError(complaints)


def _below(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""
