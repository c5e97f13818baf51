"""Who sends what to whom, as SMTP said it?

Pure. Source: RFC 5321 section 2.3.1 (envelope), RFC 6531 (SMTPUTF8), RFC 6152 (8BITMIME),
RFC 3461 section 4 (what the sender wants to be told).
"""

from __future__ import annotations

from enum import StrEnum

from common.frozen import dataclass


class Notify(StrEnum):
    """When a sender wants a DSN for one recipient: RFC 3461 section 4.1."""

    NEVER = "NEVER"  # stands alone
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


class Return(StrEnum):
    """How much of the message a DSN of failure brings back: RFC 3461 section 4.3."""

    FULL = "FULL"
    HEADERS = "HDRS"


@dataclass(frozen=True, slots=True, kw_only=True)
class DsnParameters:
    """What the sender wants to be told of one recipient.

    Args:
        notify: when; empty when NOTIFY was not given, which means on failure and perhaps on delay.
        original: ORCPT as it came, ``rfc822;x@acme.example`` in xtext (RFC 3461 section 4.2), at
            most 500 octets of printable ASCII; empty when it was not given.
    """

    notify: frozenset[Notify] = frozenset()
    original: str = ""


NO_DSN_PARAMETERS = DsnParameters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The envelope of one message, as the front end accepted it.

    Local parts stand as they came; domains are A-labels in lower case. The null reverse-path is
    the empty string, never ``<>``.
    """

    client_address: str  # IPv4 or IPv6 in canonical text; empty for a message that we made
    helo: str  # as given; at most 255 printable ASCII characters
    sender: str
    recipients: tuple[str, ...]
    smtputf8: bool = False
    eight_bit: bool = False  # BODY=8BITMIME was said
    tls: str = ""  # protocol and cipher, for example "TLSv1.3 TLS_AES_256_GCM_SHA384"
    dsn_parameters: tuple[DsnParameters, ...] = ()  # one for each recipient, or none at all
    returned: Return | None = None  # RET; None: not given, and we return the header
    envelope_id: str = ""  # ENVID in xtext as it came, at most 100 octets; empty: not given

    def dsn(self, number: int) -> DsnParameters:
        """Return what the sender wants to be told of the recipient with this number."""
        return self.dsn_parameters[number] if self.dsn_parameters else NO_DSN_PARAMETERS
