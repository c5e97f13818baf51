"""Does a DSN keep to the grammar of its fields?

Pure. A strict reader of ``message/delivery-status``, written from the grammar and sharing nothing
with what writes it: an unknown field, one too many or too few, a line that is folded, or a value
that its field does not allow is an error.

Source: RFC 3464 sections 2.1 to 2.3, RFC 6533 section 4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_BOUNDARY = re.compile(rb'boundary="([^"]+)"')
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]*): (.*\S.*)")
_ATOM = r"[A-Za-z0-9-]+"
_TYPED = re.compile(rf"{_ATOM}; ?[\x20-\x7e]+")
_MTA = re.compile(r"dns; (?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Za-z.:]+\])")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_TEXT = re.compile(r"[\x20-\x7e]+")

_OF_MESSAGE = {"Original-Envelope-Id": _TEXT, "Reporting-MTA": _MTA, "Arrival-Date": None}
_OF_RECIPIENT = {
    "Original-Recipient": _TYPED,
    "Final-Recipient": _TYPED,
    "Action": re.compile("failed|delayed|delivered|relayed|expanded"),
    "Status": _STATUS,
    "Remote-MTA": re.compile(r"dns; [\x20-\x7e]+"),
    "Diagnostic-Code": _TYPED,
    "Last-Attempt-Date": None,
    "Will-Retry-Until": None,
}


class NotByTheGrammar(AssertionError):
    """What was read is no delivery status."""


@dataclass(frozen=True, slots=True)
class Status:
    """The fields of a DSN: those of the message, and those of each recipient."""

    message: dict[str, str]
    recipients: list[dict[str, str]]


def read_status(dsn: bytes) -> Status:
    """Return the fields of a DSN.

    Raises:
        NotByTheGrammar: it is none, or one of its fields is not what it must be.
    """
    groups = [_fields(group) for group in _content(dsn).split("\r\n\r\n")]
    message, *recipients = groups
    _check(message, _OF_MESSAGE, required={"Reporting-MTA"})
    if not recipients:
        raise NotByTheGrammar("no recipient")
    for fields in recipients:
        _check(fields, _OF_RECIPIENT, required={"Final-Recipient", "Action", "Status"})
        if "Will-Retry-Until" in fields and fields["Action"] != "delayed":
            raise NotByTheGrammar("Will-Retry-Until of what is not delayed")
        if fields["Action"] == "delayed" and not fields["Status"].startswith("4."):
            raise NotByTheGrammar("a delay that is not temporary")
    return Status(message, recipients)


def _content(dsn: bytes) -> str:
    boundary = _BOUNDARY.search(dsn)
    if boundary is None:
        raise NotByTheGrammar("no boundary")
    parts = dsn.split(b"\r\n--" + boundary[1])
    # The third part may be missing: RFC 3464 section 2, RFC 6522 section 3.
    if len(parts) not in (4, 5) or not parts[-1].startswith(b"--\r\n"):
        raise NotByTheGrammar(f"{len(parts) - 2} parts")
    head, _, content = parts[2].partition(b"\r\n\r\n")
    if b"Content-Type: message/delivery-status" not in head:
        raise NotByTheGrammar("the second part is no delivery status")
    return content.decode("ascii").removesuffix("\r\n")


def _fields(group: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in group.split("\r\n"):
        match = _FIELD.fullmatch(line)
        if match is None:
            raise NotByTheGrammar(f"no field: {line!r}")
        if match[1] in found:
            raise NotByTheGrammar(f"{match[1]} twice")
        found[match[1]] = match[2]
    return found


def _check(
    fields: dict[str, str], known: dict[str, re.Pattern[str] | None], *, required: set[str]
) -> None:
    if missing := required - fields.keys():
        raise NotByTheGrammar(f"{missing} missing")
    for name, value in fields.items():
        if name not in known:
            raise NotByTheGrammar(f"{name} is no field of this group")
        pattern = known[name]
        if pattern is None:
            parsedate_to_datetime(value)
        elif not pattern.fullmatch(value):
            raise NotByTheGrammar(f"{name}: {value!r}")
