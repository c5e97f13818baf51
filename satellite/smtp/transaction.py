"""Which sender and recipients does an SMTP transaction have so far?

Pure: what MAIL and RCPT said, collected.

Source: RFC 5321 section 4.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Envelope, Notify, Return
from common.preferences import Preferences
from common.preferences.policy import DsnPolicy
from satellite.next_hop import NextHopOffer
from satellite.smtp import replies
from satellite.smtp.admission import AdmittedSender
from satellite.smtp.dsn_parameters import failure_only
from satellite.smtp.replies import Reply


class NamedRecipient(NamedTuple):
    """A recipient that may be taken.

    Attributes:
        address: as it came.
        dsn: what its sender wants to be told of it.
        offer: what is known of its next hop.
    """

    address: str
    dsn: DsnParameters
    offer: NextHopOffer | None


@dataclass(slots=True)
class MailTransaction:
    """One message's envelope as it grows.

    Attributes:
        recipients: by the address as it came, since whose mailbox a local part is is known to the
            next hop alone: ``straße`` and ``strasse`` may be two people's. No object for each: a
            thousand sessions may name a thousand.
    """

    sender: AdmittedSender
    recipients: dict[str, DsnParameters] = field(default_factory=dict)
    _bytes_max: int = 0
    _takes_wide: bool = False  # some recipient's next hop takes internationalised mail, or may

    def unfit(self, named: NamedRecipient) -> Reply | None:
        """Return why the message could only come back from a recipient's next hop, or None.

        That MAIL said SMTPUTF8 is not enough: clients say so whenever it is offered, and plain mail
        of theirs goes on as such.
        """
        offer = named.offer
        if offer is None:
            return None
        if offer.size_bytes_max and self.sender.declared_bytes > offer.size_bytes_max:
            return replies.TOO_BIG_FOR_NEXT_HOP
        if offer.smtputf8 or (named.address.isascii() and self.sender.address.isascii()):
            return None
        return replies.NEXT_HOP_LACKS_SMTPUTF8

    def add(self, named: NamedRecipient, *, preferences: Preferences) -> None:
        """Take one more recipient.

        Args:
            named: whom.
            preferences: say how much of what its sender wants to be told is told.
        """
        dsn, offer = named.dsn, named.offer
        if Notify.SUCCESS in dsn.notify and not _tells_all(preferences, named.address):
            dsn = failure_only(dsn)
        most = offer.size_bytes_max if offer is not None else 0
        is_first, known = not self.recipients, self._bytes_max
        self._bytes_max = most if is_first else max(most, known) if most and known else 0
        self._takes_wide = self._takes_wide or offer is None or offer.smtputf8
        self.recipients[named.address] = dsn

    def bytes_max(self, ours: int) -> int:
        """Return how large the message may be: what we take, or less if no next hop takes that."""
        return min(ours, self._bytes_max or ours)

    @property
    def takes_wide_header(self) -> bool:
        """Whether the header may be beyond ASCII: not if no next hop takes that as SMTPUTF8."""
        return self._takes_wide or not self.sender.smtputf8

    def envelope(
        self, *, client_address: str, helo: str, tls: str, preferences: Preferences
    ) -> Envelope:
        """Return the envelope as it is stored.

        Args:
            client_address: IPv4 or IPv6 in canonical text.
            helo: the name that the client gave itself.
            tls: protocol and cipher, or empty.
            preferences: say of which recipients all of the message may go back.
        """
        sender, dsn_parameters = self.sender, tuple(self.recipients.values())
        has_dsn_parameters = bool([one for one in dsn_parameters if one is not NO_DSN_PARAMETERS])
        return Envelope(
            client_address=client_address,
            helo=helo,
            sender=sender.address,
            recipients=tuple(self.recipients),
            smtputf8=sender.smtputf8,
            eight_bit=sender.eight_bit,
            tls=tls,
            dsn_parameters=dsn_parameters if has_dsn_parameters else (),
            returned=self._returned(preferences),
            envelope_id=sender.dsn.envelope_id,
        )

    def _returned(self, preferences: Preferences) -> Return | None:
        wanted = self.sender.dsn.returned
        if wanted is not Return.FULL:
            return wanted
        tells_all = any(_tells_all(preferences, recipient) for recipient in self.recipients)
        return wanted if tells_all else Return.HEADERS


def _tells_all(preferences: Preferences, recipient: str) -> bool:
    return preferences.policy(recipient).dsn is DsnPolicy.OFFER
