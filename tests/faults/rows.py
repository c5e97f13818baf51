"""Which faults must the product survive?

Pure. The numbers are those of the fault table; a test that breaks something names its row with
``@pytest.mark.scenario(row=…, checks="…")``, and ``make faults`` reports each row with what was
checked. A row without a test that passed fails that run.
"""

from __future__ import annotations

from collections.abc import Mapping

ROWS: Mapping[int, str] = {
    1: "crash before the message is synced",
    2: "crash after the sync of a body, before its rename",
    3: "crash after the rename, before the sync of the folder",
    4: "crash after the commit, before 250",
    5: "crash after 250, before anybody took up the message",
    6: "a storm of crashes under load",
    7: "power cut of a satellite, on ext4 and on xfs",
    8: "power cut of the core",
    9: "disk full in mid-DATA",
    11: "no inodes left",
    12: "a sync fails with EIO",
    13: "writes are short, fail, or are interrupted",
    14: "rename, link or unlink fails",
    15: "no file descriptors left",
    16: "the file system turns read-only",
    17: "a very slow disk",
    18: "a body file is flipped, cut, zeroed, missing, or no file at all",
    19: "the database file is damaged",
    20: "somebody else holds the database's lock",
    21: "a process runs out of memory",
    22: "a scan crashes its helper, again and again",
    44: "the next hop is silent after the final dot",
    45: "the next hop hangs up after the final dot",
    46: "the next hop answers each recipient differently",
    47: "the next hop's replies are hostile",
    48: "the next hop's TLS is broken",
    49: "DNS is broken",
    50: "a mail loop",
    51: "the sender vanishes while its mail is taken or scanned",
    59: "a graceful stop with two hundred sessions",
    60: "upgrade and rollback with a full spool",
    61: "a restart with a hundred thousand messages",
}
