"""Which limits hold for unpacking a message: MIME parts, archives, depth, octets, ratio?

Pure. What exceeds a limit is not scanned to its end, and is said to be so: never clean. The work
within the limits was measured to end well inside the helper's time for one message.
"""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


class LimitExceeded(Exception):
    """A message is larger in some direction than we follow it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfoldingLimits:
    """The bounds of one message."""

    lines_max: int = 1_000_000  # 50 MB of base64 are 650 000; the stdlib takes 1 µs for others
    mime_parts_max: int = 1_000
    mime_depth_max: int = 20  # each level is one more pattern tried on each line
    header_bytes_max: int = MEBIBYTE  # of all parts together
    mime_field_bytes_max: int = 4_096  # a Content-Type: its parameters cost their square
    archive_depth_max: int = 8  # archive in archive
    archive_files_max: int = 10_000  # of all archives together, as clamd has it
    member_bytes_max: int = 100 * MEBIBYTE  # held in memory at once
    unpacked_bytes_max: int = 256 * MEBIBYTE  # of all archives together
    ratio_max: int = 250  # documents and logs stay below 100; deflate ends at 1032
    ratio_from_bytes: int = 8 * MEBIBYTE  # below it, a ratio harms nobody
