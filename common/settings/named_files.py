"""Can the files that settings name be used: a certificate with its key, and authorities?

Touches these files, for reading. What is wrong is told at the key that names the file.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from common.certificate import check_pair, not_after_s
from common.errors import EnvironmentFailure
from common.settings.reading import Source

RENDER = "render the folder again, or write certificate and key again"


class NamedFile(NamedTuple):
    """A file, and the keys in the settings that lead to its name."""

    file: str
    place: tuple[str, ...]

    @property
    def setting(self) -> str:
        """The keys as people write them."""
        return ".".join(self.place)


def pair_complaints(source: Source, certificate: NamedFile, key: NamedFile) -> Iterator[str]:
    """Yield what is wrong with a certificate and its key; nothing when TLS can use them."""
    contents: dict[NamedFile, bytes] = {}
    files = dict.fromkeys((certificate, key))  # one, where a file holds both
    for named in files:
        try:
            contents[named] = Path(named.file).read_bytes()
        except (OSError, ValueError) as error:  # a name may hold what no file can
            yield _complaint(source, named, error, "check the file and its rights")
    if len(contents) < len(files):
        return
    blamed = certificate
    try:
        not_after_s(contents[certificate])
        blamed = key
        check_pair(contents[certificate], contents[key])
    except EnvironmentFailure as error:
        yield _complaint(source, blamed, error.what, RENDER)


def authorities_complaints(source: Source, authorities: NamedFile) -> Iterator[str]:
    """Yield what is wrong with a file of authorities' certificates."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(authorities.file)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; a name may hold a NUL
        yield _complaint(source, authorities, error, "name a file of certificates in PEM")


def _complaint(source: Source, named: NamedFile, what: object, remedy: str) -> str:
    reason = getattr(what, "strerror", None) or what
    return source.complaint(named.place, f"{named.setting}: {named.file}: {reason}", remedy)
