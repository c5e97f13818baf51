"""Which DSN parameters (RET, ENVID, NOTIFY, ORCPT) does a client give?

Pure. The values of ENVID and ORCPT are kept as they came, but for letters beyond ASCII, which are
written in their ASCII form. What they stand for must be printable, since a DSN shows it.

Source: RFC 3461 sections 4.1 to 4.4, RFC 6533 section 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from common import xtext
from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Notify, Return

ENVELOPE_ID_LENGTH_MAX = 100  # RFC 3461 section 4.4
ORIGINAL_LENGTH_MAX = 500  # RFC 3461 section 4.2

MAIL_KEYWORDS = frozenset({"RET", "ENVID"})
RCPT_KEYWORDS = frozenset({"NOTIFY", "ORCPT"})

_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]{1,32}")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")

Parameters = Mapping[str, str | None]  # keyword in capitals → value, or None without one


@dataclass(frozen=True, slots=True)
class MessageDsnParameters:
    """What is asked for the message as a whole."""

    returned: Return | None = None
    envelope_id: str = ""


NO_MESSAGE_DSN_PARAMETERS = MessageDsnParameters()


def message_parameters(given: Parameters) -> MessageDsnParameters | None:
    """Return what the parameters of MAIL ask for, or None when they ask for it wrongly."""
    if not given.keys() & MAIL_KEYWORDS:
        return NO_MESSAGE_DSN_PARAMETERS
    returned = None
    if "RET" in given:
        returned = _return(given["RET"] or "")
        if returned is None:
            return None
    envelope_id = ""
    if "ENVID" in given:
        envelope_id = given["ENVID"] or ""
        if len(envelope_id) > ENVELOPE_ID_LENGTH_MAX or xtext.decoded(envelope_id) is None:
            return None
    return MessageDsnParameters(returned, envelope_id)


def recipient_parameters(given: Parameters) -> DsnParameters | None:
    """Return what the parameters of RCPT ask for, or None when they ask for it wrongly."""
    if not given.keys() & RCPT_KEYWORDS:
        return NO_DSN_PARAMETERS
    notify: frozenset[Notify] = frozenset()
    if "NOTIFY" in given:
        found = _notify(given["NOTIFY"] or "")
        if found is None:
            return None
        notify = found
    original = ""
    if "ORCPT" in given:
        original = _original(given["ORCPT"] or "")
        if not original:
            return None
    return DsnParameters(notify=notify, original=original)


def _return(value: str) -> Return | None:
    try:
        return Return(value.upper())
    except ValueError:
        return None


def _notify(value: str) -> frozenset[Notify] | None:
    words = value.upper().split(",")
    try:
        notify = frozenset(Notify(word) for word in words)
    except ValueError:
        return None
    if len(notify) < len(words) or (Notify.NEVER in notify and len(words) > 1):
        return None
    return notify


def _original(value: str) -> str:
    """Return ORCPT in ASCII, or an empty string when it is none."""
    kind, _, address = value.partition(";")
    if not _ADDRESS_TYPE.fullmatch(kind):
        return ""
    if kind.lower() == "utf-8":
        address = _BEYOND_ASCII.sub(lambda found: xtext.embedded(found[0]), address)
        is_address = bool(address) and xtext.is_embedded(address)
    else:
        is_address = xtext.decoded(address) is not None
    original = f"{kind};{address}"
    return original if is_address and len(original) <= ORIGINAL_LENGTH_MAX else ""
