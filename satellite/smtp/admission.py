"""Which MAIL and RCPT commands are accepted: addresses, parameters, relaying?

Pure. The relay decision is made here and nowhere else: a recipient is taken when its domain, as an
A-label, is exactly one that the preferences route, and never because of anything that a path could
be read as (source routes, ``%``, ``!``, a quoted ``@``). The recipient is passed on as it came.

Source: RFC 5321 sections 3.3, 3.6, 4.1.1 and 4.5.1; RFC 1870; RFC 6152; RFC 6531 section 3.4;
RFC 3461 section 4; RFC 2505 section 2.1 (no relaying).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from common.address import Address, AddressError, Domain, parse_address
from common.envelope import NO_DSN_PARAMETERS, DsnParameters
from common.preferences import Preferences
from satellite.smtp import replies
from satellite.smtp.commands import read_path
from satellite.smtp.dsn_parameters import (
    MAIL_KEYWORDS,
    NO_MESSAGE_DSN_PARAMETERS,
    RCPT_KEYWORDS,
    MessageDsnParameters,
    message_parameters,
    recipient_parameters,
)
from satellite.smtp.replies import Reply

HELLO_NAME_LENGTH_MAX = 255  # RFC 5321 section 4.5.3.1.2
POSTMASTER = "postmaster"

_MAIL_KEYWORDS = frozenset({"SIZE", "BODY", "SMTPUTF8"}) | MAIL_KEYWORDS
_SIZE = re.compile(r"[0-9]{1,20}")  # RFC 1870 section 3
_HELLO_NAME = re.compile(r"[\x21-\x7e]{1,255}")
# Dots anywhere: some providers give out such mailboxes, against RFC 5321 section 4.1.2.
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\u0080-\U0010ffff]+")
_QUOTED = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*"')
# user%host.tld, user@host.tld and host.tld!user: a mailbox that is a route in disguise.
_ROUTED = re.compile(r"[%@][^%@!]*\.[^%@!]+$|^[^!]*\.[^!]*!")
# A command group may hold more behind any command, except behind these: RFC 2920 section 3.1.
_ENDS_A_GROUP = frozenset({"EHLO", "HELO", "DATA"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedSender:
    """What MAIL said. ``address`` is empty for the null reverse-path."""

    address: str
    smtputf8: bool = False
    eight_bit: bool = False
    dsn: MessageDsnParameters = NO_MESSAGE_DSN_PARAMETERS


@dataclass(frozen=True, slots=True)
class AdmittedRecipient:
    """What RCPT said: a mailbox of ours, and what its sender wants to be told of it."""

    address: Address
    dsn: DsnParameters = NO_DSN_PARAMETERS


def hello_name(argument: str) -> str | None:
    """Return the name that a client gives itself, or None when it cannot be one.

    Anything printable without blanks passes: RFC 5321 section 4.1.4 forbids to refuse mail because
    of what the name says.
    """
    return argument if _HELLO_NAME.fullmatch(argument) else None


def may_have_followers(verb: str, *, extended: bool) -> bool:
    """Say whether octets may wait behind this command before we have answered it.

    Behind STARTTLS they are thrown away instead (RFC 3207 section 4.2). Without EHLO no pipelining
    was agreed on at all.
    """
    if verb == "STARTTLS":
        return True
    return extended and verb not in _ENDS_A_GROUP


def sender(argument: str, *, extended: bool, message_bytes_max: int) -> AdmittedSender | Reply:
    """Return what the argument of MAIL says, or why it is refused."""
    given = read_path(argument, "FROM:")
    if given is None or (given.parameters and not extended):
        return replies.BAD_ARGUMENT
    wanted = _mail_parameters(given.parameters)
    if isinstance(wanted, Reply):
        return wanted
    if wanted.declared_bytes > message_bytes_max:
        return replies.TOO_BIG
    address = _sender_address(given.path, smtputf8=wanted.smtputf8)
    if isinstance(address, Reply):
        return address
    return AdmittedSender(
        address=address,
        smtputf8=wanted.smtputf8,
        eight_bit=wanted.eight_bit,
        dsn=wanted.dsn,
    )


@dataclass(frozen=True, slots=True)
class _MailParameters:
    declared_bytes: int
    eight_bit: bool
    smtputf8: bool
    dsn: MessageDsnParameters


def _mail_parameters(given: dict[str, str | None]) -> _MailParameters | Reply:
    if given.keys() - _MAIL_KEYWORDS:
        return replies.UNKNOWN_PARAMETER
    size = given.get("SIZE", "0") or ""
    body = (given.get("BODY", "7BIT") or "").upper()
    if not _SIZE.fullmatch(size) or body not in ("7BIT", "8BITMIME"):
        return replies.BAD_ARGUMENT
    if given.get("SMTPUTF8") is not None:  # it takes no value
        return replies.BAD_ARGUMENT
    dsn = message_parameters(given)
    if dsn is None:
        return replies.BAD_ARGUMENT
    return _MailParameters(int(size), body == "8BITMIME", "SMTPUTF8" in given, dsn)


def _sender_address(path: str, *, smtputf8: bool) -> str | Reply:
    if not path:
        return ""
    if not path.isascii() and not smtputf8:
        return replies.NEEDS_SMTPUTF8
    address = _mailbox(path)
    return replies.BAD_SENDER if address is None else str(address)


def recipient(
    argument: str, *, extended: bool, smtputf8: bool, preferences: Preferences, mail_domain: str
) -> AdmittedRecipient | Reply:
    """Return the mailbox that the argument of RCPT names, if it is one of ours, or the refusal.

    Args:
        argument: what stands behind the verb.
        extended: whether the client said EHLO.
        smtputf8: whether MAIL said SMTPUTF8.
        preferences: which domains and mailboxes are ours.
        mail_domain: the domain of our own mail; only its postmaster is a mailbox.
    """
    given = read_path(argument, "TO:")
    if given is None or (given.parameters and not extended):
        return replies.BAD_ARGUMENT
    if given.parameters.keys() - RCPT_KEYWORDS:
        return replies.UNKNOWN_PARAMETER
    dsn = recipient_parameters(given.parameters)
    if dsn is None:
        return replies.BAD_ARGUMENT
    address = _recipient_address(
        given.path, smtputf8=smtputf8, preferences=preferences, mail_domain=mail_domain
    )
    return address if isinstance(address, Reply) else AdmittedRecipient(address, dsn)


def _recipient_address(
    path: str, *, smtputf8: bool, preferences: Preferences, mail_domain: str
) -> Address | Reply:
    if not path.isascii() and not smtputf8:
        return replies.NEEDS_SMTPUTF8
    if path.casefold() == POSTMASTER:
        return Address(path, Domain(mail_domain))  # RFC 5321 section 4.5.1: without a domain
    address = _mailbox(path)
    if address is None:
        return replies.RELAY_DENIED if _looks_routed(path) else replies.BAD_RECIPIENT
    return _of_ours(address, preferences, mail_domain)


def _of_ours(address: Address, preferences: Preferences, mail_domain: str) -> Address | Reply:
    route = preferences.route(address.domain)
    is_postmaster = address.local.casefold() == POSTMASTER
    if is_postmaster and (route is not None or address.domain == mail_domain):
        return address  # RFC 5321 section 4.5.1: whether or not it is listed
    if route is None:
        return replies.RELAY_DENIED
    if route.lists_recipients:
        known = preferences.accepts(str(address))
        return address if known else replies.UNKNOWN_RECIPIENT
    # We interpret no route, but the customer's server trusts us and might.
    if _ROUTED.search(_unquoted(address.local)):
        return replies.RELAY_DENIED
    return address


def _mailbox(path: str) -> Address | None:
    try:
        address = parse_address(path)
    except AddressError:
        return None
    local = address.local
    if not _ATOM.fullmatch(local) and not _QUOTED.fullmatch(local):
        return None
    # Bidirectional overrides, C1 controls and line separators have no business in a log or header.
    return address if local.isprintable() else None


def _unquoted(local: str) -> str:
    if not local.startswith('"'):
        return local
    return re.sub(r"\\(.)", r"\1", local[1:-1])


def _looks_routed(path: str) -> bool:
    """Say whether a path that is no mailbox asks us to relay, rather than being a slip."""
    local, _, domain = path.rpartition("@")
    return bool(
        path.startswith("@") or domain.startswith("[") or "@" in local or re.search(r"[%!]", path)
    )
