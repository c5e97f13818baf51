"""What is known of one message before its data comes?

Pure: what MAIL and RCPT said, collected.

Source: RFC 5321 section 4.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from common.envelope import NO_WISH, Envelope
from satellite.smtp.admission import Recipient, Sender


@dataclass(slots=True)
class Transaction:
    """One message's envelope as it grows."""

    sender: Sender
    # folded → as it came first
    recipients: dict[str, Recipient] = field(default_factory=dict)

    def envelope(self, *, client_address: str, helo: str, tls: str) -> Envelope:
        """Return the envelope as it is stored.

        Args:
            client_address: IPv4 or IPv6 in canonical text.
            helo: the name that the client gave itself.
            tls: protocol and cipher, or empty.
        """
        sender, recipients = self.sender, self.recipients.values()
        has_wishes = any(recipient.wish is not NO_WISH for recipient in recipients)
        return Envelope(
            client_address=client_address,
            helo=helo,
            sender=sender.address,
            recipients=tuple(str(recipient.address) for recipient in recipients),
            smtputf8=sender.smtputf8,
            eight_bit=sender.eight_bit,
            tls=tls,
            wishes=tuple(recipient.wish for recipient in recipients) if has_wishes else (),
            returned=sender.wish.returned,
            envelope_id=sender.wish.envelope_id,
        )
