"""Which sender and recipients does an SMTP transaction have so far?

Pure: what MAIL and RCPT said, collected.

Source: RFC 5321 section 4.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from common.envelope import NO_DSN_PARAMETERS, Envelope
from satellite.smtp.admission import AdmittedRecipient, AdmittedSender


@dataclass(slots=True)
class MailTransaction:
    """One message's envelope as it grows."""

    sender: AdmittedSender
    # folded → as it came first
    recipients: dict[str, AdmittedRecipient] = field(default_factory=dict)

    def envelope(self, *, client_address: str, helo: str, tls: str) -> Envelope:
        """Return the envelope as it is stored.

        Args:
            client_address: IPv4 or IPv6 in canonical text.
            helo: the name that the client gave itself.
            tls: protocol and cipher, or empty.
        """
        sender, recipients = self.sender, self.recipients.values()
        has_dsn_parameters = any(recipient.dsn is not NO_DSN_PARAMETERS for recipient in recipients)
        return Envelope(
            client_address=client_address,
            helo=helo,
            sender=sender.address,
            recipients=tuple(str(recipient.address) for recipient in recipients),
            smtputf8=sender.smtputf8,
            eight_bit=sender.eight_bit,
            tls=tls,
            dsn_parameters=tuple(recipient.dsn for recipient in recipients)
            if has_dsn_parameters
            else (),
            returned=sender.dsn.returned,
            envelope_id=sender.dsn.envelope_id,
        )
