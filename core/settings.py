"""What does the core's settings file say, and where are the files that it names?

Touches the file that it reads; when asked to, the certificates that it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.errors import SettingsError
from common.preferences.loops import OurHosts
from common.settings.core import CoreSettings, NodeEntry, TlsSettings
from common.settings.named_files import NamedFile, authorities_complaints, pair_complaints
from common.settings.reading import Source, load, validated


@dataclass(slots=True)
class SettingsFileState:
    """What is to be said of a running core's settings file.

    Args:
        complaints: why what stands there was not taken; none: it was.
        restart_needed: settings that hold from the next start on.
    """

    complaints: tuple[str, ...] = ()
    restart_needed: tuple[str, ...] = ()


def load_settings(path: Path) -> CoreSettings:
    """Read ``core.yaml``; paths in it are taken from the folder that it stands in.

    Raises:
        SettingsError: with every complaint.
    """
    return _placed(load(path, CoreSettings), path.resolve().parent)


def is_of_core(path: Path) -> bool:
    """Say whether a file of settings is a core's, and not that of a node, which names one.

    Raises:
        SettingsError: it is no YAML, or cannot be read.
    """
    tree = Source.read(path).tree
    return "core" not in tree and "grpc" in tree


def read_settings(path: Path) -> CoreSettings:
    """Return the settings that a core may begin to work with, its certificate looked at, too.

    Raises:
        SettingsError: with every complaint.
    """
    source = Source.read(path)
    settings = _placed(validated(source, CoreSettings), path.resolve().parent)
    certificate, key, authority = (
        NamedFile(getattr(settings.tls, name), ("tls", name))
        for name in ("certificate", "key", "authority")
    )
    complaints = [
        *pair_complaints(source, certificate, key),
        *authorities_complaints(source, authority),
    ]
    if complaints:
        raise SettingsError(complaints)
    return settings


def _placed(settings: CoreSettings, folder: Path) -> CoreSettings:
    """Return the settings with the files that they name in the folder that they are taken from."""
    tls, definitions, join = settings.tls, settings.definitions, settings.join
    wireguard = settings.wireguard
    named = {
        name: str(folder / said)
        for name in ("mirror", "samples")
        if (said := getattr(definitions, name))
    }
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
            "definitions": definitions.model_copy(update=named),
            "join": join.model_copy(
                update={
                    "issuer": str(folder / join.issuer),
                    "issuer_key": str(folder / join.issuer_key),
                }
            ),
            "wireguard": wireguard.model_copy(
                update={"file": str(folder / wireguard.file) if wireguard.file else ""}
            ),
        }
    )


def our_hosts(mail_domain: str, nodes: Iterable[NodeEntry]) -> OurHosts:
    """Return where nodes take mail."""
    return OurHosts(
        mail_domain, {address: node.name for node in nodes for address in node.addresses}
    )
