"""Which MAIL and RCPT commands are accepted: addresses, parameters, relaying?

Pure. The relay decision is made here and nowhere else: a recipient is taken when its domain, as an
A-label, is exactly one that the preferences route, and never because of anything that a path could
be read as (``%``, ``!``, a quoted ``@``). A source route is taken away before anything is decided.
The recipient is passed on as it came.

Source: RFC 5321 sections 3.3, 3.6, 4.1.1 and 4.5.1; RFC 1870; RFC 6152; RFC 6531 section 3.4;
RFC 3461 section 4; RFC 2505 section 2.1 (no relaying).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from common.address import (
    Address,
    AddressError,
    Domain,
    literal_address,
    parse_address,
    without_route,
)
from common.envelope import NO_DSN_PARAMETERS, DsnParameters
from common.frozen import dataclass
from common.preferences import Preferences
from common.settings.values import split_endpoint
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
# Whom somebody writes to who has trouble with us (RFC 2142 sections 2 and 4, RFC 5321 section
# 4.5.1), and whom our own DSNs come from.
ROLES = frozenset({POSTMASTER, "abuse", "mailer-daemon"})

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
    """What MAIL said.

    Args:
        address: empty for the null reverse-path.
        declared_bytes: SIZE; 0: none was declared.
        unused: keywords of DSN parameters that cannot be used.
    """

    address: str
    smtputf8: bool = False
    eight_bit: bool = False
    dsn: MessageDsnParameters = NO_MESSAGE_DSN_PARAMETERS
    declared_bytes: int = 0
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AdmittedRecipient:
    """What RCPT said: a mailbox of ours, and what its sender wants to be told of it."""

    address: Address
    dsn: DsnParameters = NO_DSN_PARAMETERS
    unused: tuple[str, ...] = ()


class ReadsAddress(Protocol):
    """What makes an address of a path, or a refusal."""

    def __call__(self, path: str, *, smtputf8: bool) -> str | Reply: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNames:
    """What this node itself is called, beside the domains that it takes mail for.

    Args:
        mail_domain: the domain of our own mail, as in the preferences.
        hostname: our own name.
        addresses: where it listens, IP addresses in canonical text.
    """

    mail_domain: Domain
    hostname: str
    addresses: frozenset[str]

    def is_ours(self, domain: str, *, local_address: str) -> bool:
        """Say whether a domain or an address literal means this node.

        Args:
            domain: of a recipient.
            local_address: the one that the client talks to.
        """
        if domain in (self.mail_domain, self.hostname):
            return True
        address = literal_address(domain)
        return address is not None and (address == local_address or address in self.addresses)


def own_names(*, mail_domain: str, hostname: str, listen: Iterable[str]) -> OwnNames:
    """Return what a node is called whose settings say so; ``listen`` has HOST:PORT."""
    hosts = [split_endpoint(endpoint)[0] for endpoint in listen]
    literals = (f"[IPv6:{host}]" if ":" in host else f"[{host}]" for host in hosts)
    addresses = filter(None, map(literal_address, literals))  # in canonical text; no names
    return OwnNames(
        mail_domain=Domain(mail_domain.lower()),
        hostname=hostname.lower(),
        addresses=frozenset(addresses),
    )


def hello_name(argument: str) -> str | None:
    """Return the name that a client gives itself, or None when it cannot be one.

    Anything printable without blanks passes: RFC 5321 section 4.1.4 forbids to refuse mail because
    of what the name says.
    """
    return argument if _HELLO_NAME.fullmatch(argument) else None


def may_have_followers(verb: str, *, extended: bool, are_harmless: bool) -> bool:
    """Say whether octets may wait behind this command before we have answered it.

    Behind STARTTLS they are thrown away instead (RFC 3207 section 4.2). Without EHLO no pipelining
    was agreed on at all, but who takes leave in a hurry does no harm; behind DATA it would be data.
    """
    if verb == "STARTTLS" or (are_harmless and verb != "DATA"):
        return True
    return extended and verb not in _ENDS_A_GROUP


def sender(
    argument: str,
    *,
    extended: bool,
    message_bytes_max: int,
    read_address: ReadsAddress | None = None,
) -> AdmittedSender | Reply:
    """Return what the argument of MAIL says, or why it is refused.

    Args:
        argument: what stands behind the verb.
        extended: whether the client said EHLO.
        message_bytes_max: the limit for SIZE.
        read_address: reads the path; None: it must be a mailbox, or empty.
    """
    given = read_path(argument, "FROM:")
    if given is None or (given.parameters and not extended):
        return replies.BAD_ARGUMENT
    if given.repeated - MAIL_KEYWORDS:
        return replies.BAD_ARGUMENT
    wanted = _mail_parameters(given.parameters)
    if isinstance(wanted, Reply):
        return wanted
    if wanted.declared_bytes > message_bytes_max:
        return replies.TOO_BIG
    address = (read_address or _sender_address)(given.path, smtputf8=wanted.smtputf8)
    if isinstance(address, Reply):
        return address
    return AdmittedSender(
        address=address,
        smtputf8=wanted.smtputf8,
        eight_bit=wanted.eight_bit,
        dsn=wanted.dsn,
        declared_bytes=wanted.declared_bytes,
        unused=wanted.unused + tuple(given.repeated),
    )


@dataclass(frozen=True, slots=True)
class _MailParameters:
    declared_bytes: int
    eight_bit: bool
    smtputf8: bool
    dsn: MessageDsnParameters
    unused: tuple[str, ...]


def _mail_parameters(given: dict[str, str | None]) -> _MailParameters | Reply:
    if given.keys() - _MAIL_KEYWORDS:
        return replies.UNKNOWN_PARAMETER
    size = given.get("SIZE", "0") or ""
    body = (given.get("BODY", "7BIT") or "").upper()
    if not _SIZE.fullmatch(size) or body not in ("7BIT", "8BITMIME"):
        return replies.BAD_ARGUMENT
    if given.get("SMTPUTF8") is not None:  # it takes no value
        return replies.BAD_ARGUMENT
    dsn, unused = message_parameters(given)
    return _MailParameters(int(size), body == "8BITMIME", "SMTPUTF8" in given, dsn, unused)


def _sender_address(path: str, *, smtputf8: bool) -> str | Reply:
    if not path:
        return ""
    if not path.isascii() and not smtputf8:
        return replies.NEEDS_SMTPUTF8
    address = _mailbox(without_route(path))
    return replies.BAD_SENDER if address is None else str(address)


def recipient(
    argument: str,
    *,
    extended: bool,
    smtputf8: bool,
    preferences: Preferences,
    own: OwnNames,
    local_address: str,
) -> AdmittedRecipient | Reply:
    """Return the mailbox that the argument of RCPT names, if it is one of ours, or the refusal.

    Args:
        argument: what stands behind the verb.
        extended: whether the client said EHLO.
        smtputf8: whether MAIL said SMTPUTF8.
        preferences: which domains and mailboxes are ours.
        own: what we are called; only postmaster and what leads to it are mailboxes there.
        local_address: the address of ours that the client talks to.
    """
    given = read_path(argument, "TO:")
    if given is None or (given.parameters and not extended):
        return replies.BAD_ARGUMENT
    if given.parameters.keys() - RCPT_KEYWORDS:
        return replies.UNKNOWN_PARAMETER
    dsn, unused = recipient_parameters(given.parameters)
    address = _recipient_address(
        given.path,
        smtputf8=smtputf8,
        preferences=preferences,
        own=own,
        local_address=local_address,
    )
    if isinstance(address, Reply):
        return address
    return AdmittedRecipient(address, dsn, unused + tuple(given.repeated))


def _recipient_address(
    path: str, *, smtputf8: bool, preferences: Preferences, own: OwnNames, local_address: str
) -> Address | Reply:
    if not path.isascii() and not smtputf8:
        return replies.NEEDS_SMTPUTF8
    mailbox = without_route(path)
    if mailbox.casefold() == POSTMASTER:
        return Address(mailbox, own.mail_domain)  # RFC 5321 section 4.5.1: without a domain
    address = _mailbox(mailbox)
    if address is None:
        return replies.RELAY_DENIED if _looks_routed(path) else replies.BAD_RECIPIENT
    return _of_ours(address, preferences, own, local_address=local_address)


def _of_ours(
    address: Address, preferences: Preferences, own: OwnNames, *, local_address: str
) -> Address | Reply:
    found = _known_of_ours(address, preferences, own, local_address=local_address)
    if isinstance(found, Reply) and preferences.unreadable.hides(address.domain):
        return replies.CANNOT_TELL  # it may well be ours
    return found


def _known_of_ours(
    address: Address, preferences: Preferences, own: OwnNames, *, local_address: str
) -> Address | Reply:
    route = preferences.route(address.domain)
    folded = address.local.casefold()
    if folded == POSTMASTER and route is not None:
        return address  # RFC 5321 section 4.5.1: whether or not it is listed
    if route is None:
        if folded not in ROLES or not own.is_ours(address.domain, local_address=local_address):
            return replies.RELAY_DENIED
        # One mailbox, however it is called: what becomes of its mail is decided by this name.
        return Address(address.local if folded == POSTMASTER else POSTMASTER, own.mail_domain)
    if route.lists_recipients:
        known = preferences.accepts(str(address))
        return address if known else replies.UNKNOWN_RECIPIENT
    # We interpret no route, but the customer's server trusts us and might.
    if _ROUTED.search(_unquoted(address.local)):
        return replies.RELAY_DENIED
    return address


def _mailbox(mailbox: str) -> Address | None:
    """Return a path without its route as an address; None: it is none that we take."""
    try:
        address = parse_address(mailbox)
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
