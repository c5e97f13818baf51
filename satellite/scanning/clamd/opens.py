"""Which kinds of archives does a clamd open?

Pure. Most it opens by itself, from a version on. For RAR it needs a library of another licence,
which Debian and others leave out; then it says ``OK`` to what it has not opened. So it is shown a
locked RAR archive: who can open RAR says that it is encrypted (``AlertEncrypted``), and who cannot
says nothing of it.

Source: ClamAV's release notes: EGG 0.102, UDF 1.2, LHA and ALZ 1.4; its README of libclamunrar.
"""

from __future__ import annotations

import re

from common.verdict import Outcome
from satellite.scanning.meaning import Meaning

# A RAR 4 archive with one file of five octets that has a password.
LOCKED_RAR = bytes.fromhex(
    "526172211a0700cf907300000d0000000000000020a4740480250005000000050000000386a610360000215a1d"
    "300500a4010000612e74787468656c6c6fc43d7b00400700"
)
RAR = "rar"

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")
_SINCE = {
    (0, 103): ("7z", "arj", "cab", "egg", "iso", "zip Deflate64", "zip Implode"),
    (1, 2): ("udf",),
    (1, 4): ("alz", "lha"),
}


def opens(version: str, of_locked_rar: Meaning) -> frozenset[str]:
    """Return the kinds, as ``Verdict.unreadable`` calls them.

    Args:
        version: as it gives it; empty when it cannot be told, and then it opens nothing for sure.
        of_locked_rar: what it says of ``LOCKED_RAR``.
    """
    found = _VERSION.match(version)
    if found is None:
        return frozenset()
    has = (int(found[1]), int(found[2]))
    kinds = {kind for since, some in _SINCE.items() if has >= since for kind in some}
    if of_locked_rar.outcome is Outcome.ENCRYPTED:
        kinds.add(RAR)
    return frozenset(kinds)
