"""Do all readings of a message end within their limits, whatever it says it is?

Touches the processor clock of its thread.
"""

from __future__ import annotations

import time

from satellite.scanning import union
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.mime import Known

READS_MAIL = True
WORDS = (
    b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n", b"--b--\r\n", b"; boundary=",
    b"Content-Type: message/rfc822\r\n\r\n", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n", b"; name=", b"; charset=utf-16",
    b"begin 644 a\r\n", b"UEsDBA==\r\n", b"=41=\r\n", b"\r\n\r\n",
)  # fmt: skip
LIMITS = UnfoldingLimits(mime_parts_max=100, mime_depth_max=10, lines_max=20_000)


def target(data: bytes) -> None:
    """Take a message apart as several programs would, and blind to its structure."""
    known = Known()
    budget = CpuBudget(LIMITS.cpu_s, cpu_s=time.thread_time)
    found = [len(content.octets) for content in union.contents(data, known, LIMITS, budget)]

    assert all(known.complaints)
    # Decoding makes content smaller, and text in another character set at most four times as long.
    assert max(found, default=0) <= 4 * len(data) + 1_000
