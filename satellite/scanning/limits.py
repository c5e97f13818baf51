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

    cpu_s: float = 5.0  # processor time; the largest honest mail that was met takes 2
    message_lines_max: int = 1_000_000  # 50 MB of base64 are 650 000
    lines_max: int = 250_000  # long runs of text or of base64 count as one; each costs 1 µs
    mime_parts_max: int = 1_000
    mime_depth_max: int = 20  # multiparts; each is one more pattern tried on each line
    messages_depth_max: int = (
        20  # messages attached to messages; of mail that is forwarded on and on
    )
    mail_depth_max: int = 20  # messages in messages that are not simply attached
    header_bytes_max: int = MEBIBYTE  # of all parts together
    mime_field_bytes_max: int = 4_096  # a Content-Type: its parameters cost their square
    archive_depth_max: int = 8  # archive in archive
    archive_files_max: int = 10_000  # of all archives together, as clamd has it
    member_bytes_max: int = 100 * MEBIBYTE  # held in memory at once
    unpacked_bytes_max: int = 256 * MEBIBYTE  # of all archives together
    ratio_max: int = 250  # documents and logs stay below 100; deflate ends at 1032
    ratio_from_bytes: int = 64 * MEBIBYTE  # of all archives; below it, a ratio harms nobody
