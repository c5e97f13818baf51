"""Which SMTP replies does the front end give, with which codes and texts?

Pure. Every reply of the front end stands here, with its enhanced status code; no text repeats what
the client sent, so nothing from outside ends up in a reply. What aiosmtpd says by itself is given
its code by ``completed``.

Source: RFC 5321 section 4.2, RFC 2034, RFC 3463 with the registry of RFC 5248.
"""

from __future__ import annotations

import functools
import re
from dataclasses import field

from common.frozen import dataclass
from common.ids import MessageId
from common.verdict import printable
from satellite.overload.pressure import OF_ROOM, SHUTS, Refusal

PROTOCOL_ERROR = 10  # weight of what a correct client never does
_WHY_LENGTH_MAX = 400  # characters; a reply line has 512 octets (RFC 5321 section 4.5.3.1.5)
_LISTED = "on_block_list"
REFUSED_RECIPIENT = 1  # old addresses in a long list are no attack; guessing a thousand is


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.

    Args:
        code: three digits.
        status: the enhanced status code, of the same class; empty only where RFC 2034 says that
            there is none (greeting, HELO, EHLO) and for 354.
        text: for people; printable ASCII.
        closes: the connection ends after it.
        weight: what it adds to the client's errors, in tenths of one.
        more: further lines, EHLO's keywords.
        reason: what it is called in records, where it is none of those below.
    """

    code: int
    status: str
    text: str
    closes: bool = False
    weight: int = 0
    more: tuple[str, ...] = ()
    reason: str = ""
    octets: bytes = field(init=False, repr=False, compare=False)  # as they are sent

    def __post_init__(self) -> None:
        object.__setattr__(self, "octets", str(self).encode("ascii"))

    def __str__(self) -> str:
        first = f"{self.status} {self.text}" if self.status else self.text
        *before, last = (first, *self.more)
        return "".join(f"{self.code}-{line}\r\n" for line in before) + f"{self.code} {last}\r\n"


@functools.lru_cache(maxsize=8)
def greeting(hostname: str) -> Reply:
    """Return the first line of a session. The word ESMTP invites EHLO (RFC 5321 section 3.1)."""
    return Reply(220, "", f"{hostname} ESMTP Border Scout")


def listed(why: str) -> Reply:
    """Return what a client hears before the greeting that is on a list.

    Args:
        why: which list, and what that says in words.
    """
    return Reply(
        554, "5.7.1", f"Refused: {printable(why, length_max=_WHY_LENGTH_MAX)}", reason=_LISTED
    )


@functools.lru_cache(maxsize=8)
def hello(hostname: str) -> Reply:
    """Return the answer to HELO."""
    return Reply(250, "", hostname)


@functools.lru_cache(maxsize=8)
def capabilities(hostname: str, *, message_bytes_max: int, offers_tls: bool) -> Reply:
    """Return the answer to EHLO. AUTH is never among them: nobody logs in on port 25 here."""
    keywords = [
        "PIPELINING",
        f"SIZE {message_bytes_max}",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        "DSN",
    ]
    if offers_tls:
        keywords.append("STARTTLS")
    return Reply(250, "", hostname, more=tuple(keywords))


def queued(message: MessageId) -> Reply:
    """Return the reply that makes a message ours: RFC 5321 section 6.1."""
    return Reply(250, "2.0.0", f"Ok: queued as {message}")


def rejected(why: str) -> Reply:
    """Return the reply to a message that is not taken; ``why`` is a cause of a disposition.

    The text is one of ours: a threat's name comes from outside, and stays in the records.
    """
    return _REJECTED.get(why, REJECTED_BY_POLICY)


def refused(refusal: Refusal) -> Reply:
    """Return what a client hears while no mail may come in; the details stay with us."""
    if refusal.cause in SHUTS:
        return NOT_ACCEPTING
    return NO_ROOM if refusal.cause in OF_ROOM else TOO_BUSY


SENDER_OK = Reply(250, "2.1.0", "Sender ok")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient ok")
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")
SEND_DATA = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
GOODBYE = Reply(221, "2.0.0", "Bye", closes=True)
HELP = Reply(214, "2.0.0", "This is the mail gateway of the domains that it serves")
# The same whether or not the mailbox exists: RFC 5321 section 3.5.3.
CANNOT_VERIFY = Reply(252, "2.0.0", "Cannot verify; send some mail, and it will be tried")

# The connection as a whole.
TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections; try again later", closes=True)
SHUTTING_DOWN = Reply(421, "4.3.2", "Shutting down; try again later", closes=True)
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors; goodbye", closes=True)
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands; goodbye", closes=True)
SESSION_TOO_LONG = Reply(421, "4.7.0", "Session lasted too long; goodbye", closes=True)
TIMED_OUT = Reply(421, "4.4.2", "Timed out waiting for a command", closes=True)
TOO_SLOW = Reply(421, "4.4.2", "Message data came too slowly", closes=True)
UNAUTHORISED_PIPELINING = Reply(
    554, "5.5.0", "Commands sent before they were allowed", closes=True, weight=PROTOCOL_ERROR
)

# Our own trouble is always temporary, and its cause stays with us.
INTERNAL_ERROR = Reply(451, "4.3.0", "Local error; try again later")
NO_ROOM = Reply(452, "4.3.1", "Insufficient system storage; try again later")
NO_ROOM_FOR_HELD = Reply(452, "4.3.1", "No room for more mail that has to wait; try again later")
TOO_BUSY = Reply(451, "4.3.2", "Too busy to take mail now; try again later")
NOT_ACCEPTING = Reply(421, "4.3.2", "Not taking mail now; try again later", closes=True)

# To whatever a client says that was refused at the door (RFC 5321 section 3.1).
REFUSED_BEFORE = Reply(
    503, "5.5.1", "Refused before; nothing is left but QUIT", weight=PROTOCOL_ERROR
)

# Command lines.
LINE_TOO_LONG = Reply(500, "5.5.2", "Command line too long", weight=PROTOCOL_ERROR)
CONTROL_CHARACTERS = Reply(
    500, "5.5.2", "Control characters or a bare CR or LF in a command", weight=PROTOCOL_ERROR
)
NOT_ASCII = Reply(501, "5.5.2", "Only ASCII or valid UTF-8 here", weight=PROTOCOL_ERROR)
UNRECOGNISED = Reply(500, "5.5.2", "Command not recognised", weight=PROTOCOL_ERROR)
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented", weight=PROTOCOL_ERROR)
BAD_ARGUMENT = Reply(501, "5.5.4", "Syntax error in arguments", weight=PROTOCOL_ERROR)
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "Parameter not recognised", weight=PROTOCOL_ERROR)
HELLO_FIRST = Reply(503, "5.5.1", "Send EHLO first", weight=PROTOCOL_ERROR)
NESTED_MAIL = Reply(503, "5.5.1", "A transaction is open; RSET first", weight=PROTOCOL_ERROR)
MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL first", weight=PROTOCOL_ERROR)
# Without weight: a pipelined DATA behind refused recipients is correct (RFC 2920 section 3.1).
RECIPIENT_FIRST = Reply(503, "5.5.1", "No valid recipients")
TLS_ACTIVE = Reply(503, "5.5.1", "TLS is active already", weight=PROTOCOL_ERROR)
TLS_UNAVAILABLE = Reply(502, "5.5.1", "TLS is not offered", weight=PROTOCOL_ERROR)

# Addresses.
BAD_SENDER = Reply(553, "5.1.7", "Sender is no valid address", weight=PROTOCOL_ERROR)
BAD_RECIPIENT = Reply(553, "5.1.3", "Recipient is no valid address", weight=REFUSED_RECIPIENT)
NEEDS_SMTPUTF8 = Reply(553, "5.6.7", "Address needs SMTPUTF8", weight=REFUSED_RECIPIENT)
# Its next hop said so when it was last talked to.
TOO_BIG_FOR_NEXT_HOP = Reply(552, "5.3.4", "Message exceeds the size limit of that recipient")
NEXT_HOP_LACKS_SMTPUTF8 = Reply(550, "5.6.7", "That recipient takes no SMTPUTF8")
RELAY_DENIED = Reply(550, "5.7.1", "Relaying denied", weight=REFUSED_RECIPIENT)
UNKNOWN_RECIPIENT = Reply(550, "5.1.1", "No such mailbox here", weight=REFUSED_RECIPIENT)
# What says so was stored, and cannot be read by this version (RFC 3463: system not configured).
CANNOT_TELL = Reply(451, "4.3.5", "Cannot tell now whether that mailbox is here; try again later")
# RFC 6647 section 5, RFC 5248: nothing is wrong with it but that it comes for the first time.
GREYLISTED = Reply(451, "4.7.1", "Greylisted; try again in some minutes")
TOO_MUCH_MAIL = Reply(451, "4.7.1", "Too much mail of your kind; try again later")
# Which list stays with us: the sender is told whom to ask, and mail to them is always taken.
ON_BLOCK_LIST = Reply(
    550, "5.7.1", "Refused: on a block list; ask postmaster here", weight=REFUSED_RECIPIENT
)
CANNOT_VERIFY_NOW = Reply(450, "4.1.1", "Cannot verify that mailbox now; try again later")
# Without weight: the first thousand go their way, the client brings the rest in another message.
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients; send the rest separately")

# Message data.
TOO_BIG = Reply(552, "5.3.4", "Message exceeds the size limit")
TOO_BIG_BY_FAR = Reply(552, "5.3.4", "Message exceeds the size limit by far", closes=True)
BARE_NEWLINE = Reply(550, "5.5.2", "Bare CR, bare LF or NUL in the message")
TEXT_LINE_TOO_LONG = Reply(554, "5.6.0", "A line of the message is too long")
REJECTED_VIRUS = Reply(550, "5.7.1", "Message refused: a virus was found in it")
REJECTED_MACRO = Reply(550, "5.7.1", "Message refused: it holds macros")
REJECTED_ENCRYPTED = Reply(550, "5.7.1", "Message refused: a part of it is encrypted")
REJECTED_UNSCANNABLE = Reply(550, "5.7.1", "Message refused: it cannot be scanned")
REJECTED_UNAUTHENTICATED = Reply(  # RFC 7372 section 3.3: neither SPF nor DKIM speaks for it
    550, "5.7.26", "Message refused: nobody answers for the domain in its From (DMARC)"
)
REJECTED_BY_POLICY = Reply(550, "5.7.1", "Message refused by policy")
MAIL_LOOP = Reply(554, "5.4.6", "Too many hops; mail is looping")

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Reply))

_REJECTED = {
    "virus": REJECTED_VIRUS,
    "macro": REJECTED_MACRO,
    "encrypted": REJECTED_ENCRYPTED,
    "unscannable": REJECTED_UNSCANNABLE,
    "archive.unreadable": REJECTED_UNSCANNABLE,
    "dmarc": REJECTED_UNAUTHENTICATED,
}

# For what aiosmtpd says: its code decides.
_STATUS_OF = {
    250: "2.0.0",
    421: "4.7.0",
    451: "4.3.0",
    452: "4.3.1",
    454: "4.7.0",
    500: "5.5.2",
    501: "5.5.4",
    502: "5.5.1",
    503: "5.5.1",
    504: "5.5.4",
    530: "5.7.0",
    552: "5.3.4",
    553: "5.1.3",
    555: "5.5.4",
}
_HAS_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3}) (.*)", re.DOTALL)


def completed(line: str) -> Reply:
    """Return a single-line reply of aiosmtpd's with the enhanced status code that it lacks.

    Args:
        line: code, space, text; without the line's end.
    """
    code = int(line[:3])
    text = line[4:]
    weight = PROTOCOL_ERROR if code >= 500 else 0
    if code // 100 == 3:
        return Reply(code, "", text)
    found = _HAS_STATUS.fullmatch(text)
    if found is not None:
        return Reply(code, found.group(1), found.group(2), weight=weight)
    return Reply(code, _STATUS_OF.get(code, f"{code // 100}.0.0"), text, weight=weight)
