"""What does a satellite's settings file say, and where are the files that it names?

Touches the file that it reads; when asked to, the packages that its engines and filters name, the
file of authorities and the certificates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import SettingsError
from common.kinds import Group, faults_of
from common.settings.named_files import NamedFile, authorities_complaints, pair_complaints
from common.settings.reading import Source, validated
from common.settings.satellite import (
    EngineSettings,
    FilterSettings,
    SatelliteSettings,
    SmtpSettings,
)

_Pair = tuple[str, str, str, str, str]  # section, then key and file of the certificate and its key

LOADS_DEFINITIONS = "clamd"  # the kind of engine that reads definitions which we put in a folder


def load_settings(path: Path, *, with_what_it_names: bool = False) -> SatelliteSettings:
    """Read ``satellite.yaml``; paths in it are taken from the folder that it stands in.

    Args:
        with_what_it_names: whether to look as well at the kinds of engines and filters and at their
            options, which loads the packages that bring them, and at the file of authorities: with
            any of these wrong, no worker lives.

    Raises:
        SettingsError: with every complaint.
    """
    source, settings = _read(path)
    if with_what_it_names:
        _refuse(
            [
                *kinds_complaints(source, settings.engines, settings.filters),
                *_definitions(source, settings),
                *_authorities(source, settings),
            ]
        )
    return settings


def read_settings(path: Path) -> SatelliteSettings:
    """Return the settings that a node may begin to work with, its certificates looked at, too.

    Raises:
        SettingsError: with every complaint.
    """
    source, settings = _read(path)
    _refuse(
        [
            *kinds_complaints(source, settings.engines, settings.filters),
            *_definitions(source, settings),
            *_authorities(source, settings),
            *_certificates(source, settings),
        ]
    )
    return settings


def _refuse(complaints: list[str]) -> None:
    if complaints:
        raise SettingsError(complaints)


def _read(path: Path) -> tuple[Source, SatelliteSettings]:
    source = Source.read(path)
    return source, _placed(validated(source, SatelliteSettings), path.resolve().parent)


def _placed(settings: SatelliteSettings, folder: Path) -> SatelliteSettings:
    """Return the settings with the files that they name in the folder that they are taken from."""
    smtp = settings.smtp
    core = settings.core
    delivery = settings.delivery
    mta_sts = settings.mta_sts
    if mta_sts is not None:
        certificates = _below(folder, mta_sts.certificates)
        mta_sts = mta_sts.model_copy(update={"certificates": certificates})
    return settings.model_copy(
        update={
            "state": str(folder / settings.state),
            "smtp": placed_smtp(smtp, folder),
            "mta_sts": mta_sts,
            "delivery": delivery.model_copy(
                update={"authorities": _below(folder, delivery.authorities)}
            ),
            "definitions": [
                one.model_copy(update={"folder": _below(folder, one.folder)})
                for one in settings.definitions
            ],
            "core": core.model_copy(
                update={
                    "certificate": _below(folder, core.certificate),
                    "key": _below(folder, core.key),
                    "authority": _below(folder, core.authority),
                }
            ),
        }
    )


def placed_smtp(smtp: SmtpSettings, folder: Path) -> SmtpSettings:
    """Return settings of a front end with the files that they name in a folder."""
    return smtp.model_copy(
        update={
            "certificate": _below(folder, smtp.certificate),
            "rsa_certificate": _below(folder, smtp.rsa_certificate),
            "rsa_key": _below(folder, smtp.rsa_key),
            "key": _below(folder, smtp.key),
        }
    )


def kinds_complaints(
    source: Source, engines: Sequence[EngineSettings], filters: Sequence[FilterSettings]
) -> Iterator[str]:
    """Yield what is wrong with the kinds of engines and filters, and with their options."""
    lists: tuple[tuple[str, Group, Sequence[EngineSettings | FilterSettings]], ...] = (
        ("engines", Group.ENGINES, engines),
        ("filters", Group.FILTERS, filters),
    )
    for key, group, entries in lists:
        for number, entry in enumerate(entries):
            for fault in faults_of(group, entry.kind, entry.options):
                yield source.complaint((key, number, *fault.place), fault.what, fault.remedy)


def _definitions(source: Source, settings: SatelliteSettings) -> Iterator[str]:
    kinds = {engine.name: engine.kind for engine in settings.engines}
    for number, entry in enumerate(settings.definitions):
        if kinds.get(entry.engine) != LOADS_DEFINITIONS:
            yield source.complaint(
                ("definitions", number, "engine"),
                f"{entry.engine!r} is no engine of the kind {LOADS_DEFINITIONS}",
                "name one of `engines`",
            )


def _authorities(source: Source, settings: SatelliteSettings) -> Iterator[str]:
    file = settings.delivery.authorities
    if file:
        yield from authorities_complaints(source, NamedFile(file, ("delivery", "authorities")))


def _certificates(source: Source, settings: SatelliteSettings) -> Iterator[str]:
    core = settings.core
    pairs = _pairs_of(settings.smtp)
    pairs.append(("core", "certificate", core.certificate, "key", core.key))
    yield from _pair_complaints(source, pairs)
    yield from authorities_complaints(source, NamedFile(core.authority, ("core", "authority")))


def smtp_complaints(source: Source, smtp: SmtpSettings) -> Iterator[str]:
    """Yield what is wrong with the certificates of a front end."""
    yield from _pair_complaints(source, _pairs_of(smtp))


def _pairs_of(smtp: SmtpSettings) -> list[_Pair]:
    pairs = []
    if smtp.certificate:
        pairs.append(("smtp", "certificate", smtp.certificate, "key", smtp.key))
        if smtp.rsa_certificate:
            pairs.append(("smtp", "rsa_certificate", smtp.rsa_certificate, "rsa_key", smtp.rsa_key))
    return pairs


def _pair_complaints(source: Source, pairs: Sequence[_Pair]) -> Iterator[str]:
    for group, certificate_setting, certificate, key_setting, key in pairs:
        of_certificate = NamedFile(certificate, (group, certificate_setting))
        # Without a file of its own the key stands beside its certificate.
        of_key = NamedFile(key, (group, key_setting)) if key else of_certificate
        yield from pair_complaints(source, of_certificate, of_key)


def _below(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""
