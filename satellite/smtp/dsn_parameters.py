"""Which DSN parameters (RET, ENVID, NOTIFY, ORCPT) does a client give?

Pure. The values of ENVID and ORCPT are kept as they came, but for letters beyond ASCII, which are
written in their ASCII form. What they stand for must be printable, since a DSN shows it. One that
cannot be used is left out and named, and never a reason to refuse the mail: the sender's server
would bounce it for what it or somebody before it wrote into a wish to be told.

Source: RFC 3461 sections 4.1 to 4.4, RFC 6533 section 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from common import xtext
from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Notify, Return
from common.frozen import dataclass

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

Unused = tuple[str, ...]  # keywords


def message_parameters(given: Parameters) -> tuple[MessageDsnParameters, Unused]:
    """Return what the parameters of MAIL ask for, and those that cannot be used."""
    if not given.keys() & MAIL_KEYWORDS:
        return NO_MESSAGE_DSN_PARAMETERS, ()
    returned = _return(given.get("RET") or "")
    envelope_id = _envelope_id(given.get("ENVID") or "")
    used = {"RET": returned is not None, "ENVID": bool(envelope_id)}
    return MessageDsnParameters(returned, envelope_id), _unused(given, used)


def recipient_parameters(given: Parameters) -> tuple[DsnParameters, Unused]:
    """Return what the parameters of RCPT ask for, and those that cannot be used."""
    if not given.keys() & RCPT_KEYWORDS:
        return NO_DSN_PARAMETERS, ()
    notify = _notify(given.get("NOTIFY") or "")
    original = _original(given.get("ORCPT") or "")
    unused = _unused(given, {"NOTIFY": bool(notify), "ORCPT": bool(original)})
    if not (notify or original):
        return NO_DSN_PARAMETERS, unused
    return DsnParameters(notify=notify, original=original), unused


def failure_only(asked: DsnParameters) -> DsnParameters:
    """Return what is left of a wish where success is not told.

    Who wanted to hear of nothing else hears nothing, as he asked for: RFC 3461 section 4.1.
    """
    if Notify.SUCCESS not in asked.notify:
        return asked
    notify = (asked.notify - {Notify.SUCCESS}) or frozenset({Notify.NEVER})
    return DsnParameters(notify=notify, original=asked.original)


def _unused(given: Parameters, used: Mapping[str, bool]) -> Unused:
    return tuple(keyword for keyword, is_used in used.items() if keyword in given and not is_used)


def _return(value: str) -> Return | None:
    try:
        return Return(value.upper())
    except ValueError:
        return None


def _envelope_id(value: str) -> str:
    is_usable = len(value) <= ENVELOPE_ID_LENGTH_MAX and xtext.decoded(value) is not None
    return value if is_usable else ""


def _notify(value: str) -> frozenset[Notify]:
    """Return when to tell; nothing when it says none of that, or contradicts itself."""
    try:
        notify = frozenset(Notify(word) for word in value.upper().split(","))
    except ValueError:
        return frozenset()
    return frozenset() if Notify.NEVER in notify and len(notify) > 1 else notify


def _original(value: str) -> str:
    """Return ORCPT in ASCII, or an empty string when it is none."""
    kind, _, address = value.partition(";")
    if not _ADDRESS_TYPE.fullmatch(kind):
        return ""
    if kind.lower() == "rfc822" and xtext.decoded(address) is None:
        # Postfix writes an address beyond ASCII in xtext of its UTF-8; the type for that is another
        # one (RFC 6533 section 3). Others forget that a plus is to be encoded.
        meant = xtext.loosely_decoded(address)
        if meant.isascii():
            address = xtext.encoded(meant)
        else:
            kind, address = "utf-8", xtext.embedded(meant)
    if kind.lower() == "utf-8":
        address = _BEYOND_ASCII.sub(lambda found: xtext.embedded(found[0]), address)
        is_address = bool(address) and xtext.is_embedded(address)
    else:
        is_address = xtext.decoded(address) is not None
    original = f"{kind};{address}"
    return original if is_address and len(original) <= ORIGINAL_LENGTH_MAX else ""
