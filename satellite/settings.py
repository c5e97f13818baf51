"""What does a satellite's settings file say, and where are the files that it names?

Touches the file that it reads; when asked to, the packages that its engines and filters name and
the file of authorities.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import SettingsError
from common.kinds import Group, faults_of
from common.settings.reading import Source, validated
from common.settings.satellite import EngineSettings, FilterSettings, SatelliteSettings


def load_settings(path: Path, *, with_what_it_names: bool = False) -> SatelliteSettings:
    """Read ``satellite.yaml``; paths in it are taken from the folder that it stands in.

    Args:
        with_what_it_names: whether to look as well at the kinds of engines and filters and at their
            options, which loads the packages that bring them, and at the file of authorities: with
            any of these wrong, no worker lives.

    Raises:
        SettingsError: with every complaint.
    """
    source = Source.read(path)
    settings = validated(source, SatelliteSettings)
    folder = path.resolve().parent
    if with_what_it_names:
        complaints = [*_kinds(source, settings), *_authorities(source, settings, folder)]
        if complaints:
            raise SettingsError(complaints)
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


def _kinds(source: Source, settings: SatelliteSettings) -> Iterator[str]:
    lists: tuple[tuple[str, Group, Sequence[EngineSettings | FilterSettings]], ...] = (
        ("engines", Group.ENGINES, settings.engines),
        ("filters", Group.FILTERS, settings.filters),
    )
    for key, group, entries in lists:
        for number, entry in enumerate(entries):
            for fault in faults_of(group, entry.kind, entry.options):
                yield source.complaint((key, number, *fault.place), fault.what, fault.remedy)


def _authorities(source: Source, settings: SatelliteSettings, folder: Path) -> Iterator[str]:
    file = _below(folder, settings.delivery.authorities)
    if not file:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; a name may hold a NUL
        what = getattr(error, "strerror", None) or error
        yield source.complaint(
            ("delivery", "authorities"),
            f"delivery.authorities: {file}: {what}",
            "name a file of certificates in PEM",
        )


def _below(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""
