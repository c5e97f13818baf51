"""Who sends what to whom, as SMTP said it?

Pure. Source: RFC 5321 section 2.3.1 (envelope), RFC 6531 (SMTPUTF8), RFC 6152 (8BITMIME).
"""

from __future__ import annotations

from dataclasses import dataclass


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
