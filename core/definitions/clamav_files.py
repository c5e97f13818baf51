"""Which files are ClamAV's definitions, which version do they have, and when were they made?

Pure. Official databases are containers (CVD, CLD) that begin with 512 octets of text: time of the
build, version, number of signatures. Custom ones are plain text and say nothing of themselves.

Source: libclamav/cvd.c (``cl_cvdparse``); docs.clamav.net, *Signatures*.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from common.definitions import VERSION_LENGTH_MAX, is_file_name
from common.errors import LocalError

HEADER_BYTES = 512

_CONTAINERS = {"cvd", "cld"}
# What an operator may put in: text, of which ClamAV trusts nothing more than its patterns.
_CUSTOM = {
    *("cdb", "crb", "db", "fp", "gdb", "hdb", "hdu", "hsb", "hsu", "idb", "ign", "ign2", "ldb"),
    *("ldu", "mdb", "mdu", "msb", "msu", "ndb", "ndu", "pdb", "sfp", "wdb", "yar", "yara"),
}
_MIRRORED = _CUSTOM | _CONTAINERS | {"cat", "cbc", "cfg", "crt", "ftm", "info", "pwdb", "sign"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What an official database says of itself.

    Args:
        version: its number.
        signatures: how many are in it.
        built_us: when it was made, microseconds since the epoch; 0: it does not say.
    """

    version: int
    signatures: int
    built_us: int


def is_mirrored(name: str) -> bool:
    """Say whether a file of a mirror belongs to a set; all else there is the mirror's own."""
    return is_file_name(name) and _ending(name) in _MIRRORED


def is_custom_name(name: str) -> bool:
    """Say whether an operator may put in a file of this name; official ones he may not."""
    return is_file_name(name) and _ending(name) in _CUSTOM


def check_custom(
    added: Collection[str], removed: Collection[str], *, there: Collection[str]
) -> None:
    """Accept what an operator changes of his own databases.

    Args:
        added: the names of those that come.
        removed: the names of those that go.
        there: those that are there.

    Raises:
        LocalError: a name is none, or nothing of that name is there.
    """
    for name in added:
        if not is_custom_name(name):
            endings = ", ".join(sorted(f".{ending}" for ending in _CUSTOM))
            raise LocalError(
                f"{name[:80]!r} is no name of a database of your own",
                hint=f"letters, digits, - and _, with one of the endings {endings}",
            )
    for name in removed:
        if name not in there:
            raise LocalError(
                f"no database of your own is called {name[:80]}",
                hint="see: borderscout definitions show",
            )


def read_container(header: bytes) -> Container | None:
    """Return what the first octets of a file say, None where they are no container's."""
    fields = header[:HEADER_BYTES].decode("latin-1").split(":")
    if len(fields) < 4 or fields[0] != "ClamAV-VDB":
        return None
    version, signatures = fields[2], fields[3]
    if not (_is_number(version) and _is_number(signatures)):
        return None
    return Container(
        version=int(version), signatures=int(signatures), built_us=_built_us(fields[1])
    )


def version_text(containers: Iterable[tuple[str, Container]], custom: int) -> str:
    """Return the version of a set for people, such as ``daily 27807, main 62, 2 custom``.

    Args:
        containers: each official file's name and what it says.
        custom: how many other files there are.
    """
    parts = [f"{name.partition('.')[0]} {said.version}" for name, said in sorted(containers)]
    if custom:
        parts.append(f"{custom} custom")
    return ", ".join(parts)[:VERSION_LENGTH_MAX]


def _ending(name: str) -> str:
    return name.rpartition(".")[2]


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,10}", text) is not None


def _built_us(text: str) -> int:
    try:
        return max(0, int(datetime.strptime(text, "%d %b %Y %H-%M %z").timestamp())) * 1_000_000
    except (ValueError, OverflowError):
        return 0
