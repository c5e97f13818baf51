"""When is STARTTLS used with a next hop, and whose certificate is checked?

Touches certificate files, once. *Opportunistic* is protection against listeners, not against
impostors: the address came from the inventory or from DNS without proof, and refusing an unknown
certificate would only make the mail go in the clear. *Required* never goes in the clear. *Verified*
also wants a certificate of a known authority for the host that was asked for.

Source: RFC 3207, RFC 7435 (opportunistic security), RFC 6125 (names), RFC 8996 (TLS versions).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.errors import SettingsError
from common.preferences.policy import TlsPolicy

STATUS_NOT_OFFERED = "4.7.4"  # RFC 3463: security features not supported
STATUS_TLS_FAILED = "4.7.5"  # cryptographic failure


Check = Callable[[Sequence[bytes]], str]


@dataclass(frozen=True, slots=True)
class Tls:
    """How STARTTLS is done with one host."""

    policy: TlsPolicy
    context: ssl.SSLContext
    reason: str = ""  # why it is required, when that is no policy of ours
    check: Check | None = None  # returns why the chain in DER is not the host's; empty: it is

    @property
    def is_required(self) -> bool:
        """Whether mail waits rather than going in the clear."""
        return self.policy not in (TlsPolicy.OPPORTUNISTIC, TlsPolicy.AUTO)

    @property
    def is_verified(self) -> bool:
        """Whether the host must prove who it is."""
        return self.policy is TlsPolicy.VERIFIED or self.check is not None

    @property
    def demanded_by(self) -> str:
        """Who wants TLS, for a reason that people read."""
        return f"{self.reason} demand it" if self.reason else f"the policy is tls={self.policy}"


class Protection:
    """What each policy needs, made once.

    Args:
        authorities: a PEM file of authorities that are trusted beside the system's; empty: none.

    Raises:
        SettingsError: that file is none.
    """

    def __init__(self, authorities: str = "") -> None:
        self._authorities = authorities
        self._unverified = _context()
        self._unverified.check_hostname = False
        self._unverified.verify_mode = ssl.CERT_NONE
        # The system's authorities take memory and time, so they are read when a policy asks.
        self._verified = self._verifying() if authorities else None

    def tls(self, policy: TlsPolicy) -> Tls:
        """Return how STARTTLS is done under a policy."""
        if policy is not TlsPolicy.VERIFIED:
            return Tls(policy, self._unverified)
        if self._verified is None:
            self._verified = self._verifying()
        return Tls(policy, self._verified)

    def demanded(self, reason: str, check: Check | None) -> Tls:
        """Return how STARTTLS is done where something other than authorities proves the host."""
        return Tls(TlsPolicy.REQUIRED, self._unverified, reason, check)

    def authorities(self) -> ssl.SSLContext:
        """Return a context that trusts the known authorities, for whatever is not SMTP too."""
        return self.tls(TlsPolicy.VERIFIED).context

    def _verifying(self) -> ssl.SSLContext:
        context = _context()
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if self._authorities:
            try:
                context.load_verify_locations(self._authorities)
            except OSError as error:
                raise SettingsError(
                    [
                        f"delivery.authorities: {self._authorities}: {error.strerror or error};"
                        " name a file of certificates in PEM"
                    ]
                ) from None
        return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
