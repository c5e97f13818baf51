"""Is what arrived what was sent, but for the lines that we may put on top?

Pure. The gateway may add its own fields above the message, take out lines that pretend to be its
own, and put a tag before a marked message's subject (or give one without a subject the tag alone).
Everything else is the sender's, octet by octet.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.smtp.anatomy import field_name, field_value
from tests.support.witnesses.history import Arrived
from tests.support.witnesses.ledger import Sending

OURS = ("received", "authentication-results", "return-path")
OUR_PREFIX = "x-borderscout"


def difference(sending: Sending, arrived: Arrived) -> str | None:
    """Return what differs without being allowed to, or None."""
    if arrived.stray:
        return "a bare CR, a bare LF or a NUL was passed on"
    if sending.sha256 in arrived.cuts:
        place = arrived.cuts.index(sending.sha256)
        is_below = place == len(arrived.cuts) - 1
        return _wrong_on_top(sending, arrived.header if is_below else arrived.header[:place])
    if sending.below_sha256 != arrived.below_sha256:
        return "the octets below the header differ"
    if not sending.header:
        return None  # too large a header for a line of the ledger
    return _header_difference(sending, arrived)


def _header_difference(sending: Sending, arrived: Arrived) -> str | None:
    """Compare upwards from the last field; what is left above the sender's first is on top."""
    above = len(arrived.header)
    for before in reversed(sending.header):
        after = arrived.header[above - 1] if above else ""
        if before == after or _is_tagged(before, after):
            above -= 1
        elif not _is_removable(before):
            return f"the header field {field_name(before)} differs or is missing"
    return _wrong_on_top(sending, arrived.header[:above])


def forged(sending: Sending, arrived: Arrived) -> str | None:
    """Return a line that pretends to be ours and was passed on, or None.

    Ours stand above the sender's first field; the load generator's mark is always that one.
    """
    mark = sending.header[0] if sending.header else ""
    if mark not in arrived.header:
        return None
    below = arrived.header[arrived.header.index(mark) :]
    return next((field_name(f) for f in below if field_name(f).startswith(OUR_PREFIX)), None)


def _wrong_on_top(sending: Sending, added: Sequence[str]) -> str | None:
    has_subject = any(field_name(field) == "subject" for field in sending.header)
    allowed = OURS if has_subject else (*OURS, "subject")  # the tag needs a place
    for field in added:
        name = field_name(field)
        if name not in allowed and not name.startswith(OUR_PREFIX):
            return f"the header field {name} was put on top"
    return None


def _is_removable(field: str) -> bool:
    name = field_name(field)
    return name.startswith(OUR_PREFIX) or name == "authentication-results"


def _is_tagged(before: str, after: str) -> bool:
    return field_name(before) == field_name(after) == "subject" and (
        field_value(after).endswith(field_value(before))
    )
