"""How is mail given to the lab's sender?

Touches the sender's own network: its Postfix takes mail from itself alone. What it does with it is
what any sender does.
"""

from __future__ import annotations

import secrets
import smtplib
import socket
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from itertools import cycle, islice

from common.errors import EnvironmentFailure
from inventory.addressing import SMTP_PORT
from inventory.lab.entering import connected
from inventory.lab.sender import USER
from inventory.lab.standing_lab import StandingLab
from inventory.lab.topology import SENDER_DOMAIN, LabRole

TIMEOUT_S = 30.0


class InsideSmtp(smtplib.SMTP):
    """A client whose connection is made in another network."""

    def __init__(
        self, holder: int, *, host: str = "127.0.0.1", local_hostname: str = "localhost"
    ) -> None:
        self._holder = holder
        super().__init__(host, SMTP_PORT, local_hostname=local_hostname, timeout=TIMEOUT_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return connected(self._holder, host, port, timeout_s=timeout)


def send_mail(lab: StandingLab, *, count: int, to: str | None) -> list[str]:
    """Give messages to the sender, and return their Message-IDs.

    Args:
        to: whom; None: somebody at each of the customers' domains, in turn.

    Raises:
        EnvironmentFailure: the sender does not take them.
    """
    whom = [to] if to else [f"somebody@{domain}" for domain in lab.state.domains]
    sent = []
    try:
        with InsideSmtp(lab.holder(lab.of(LabRole.SENDER)[0])) as client:
            for number, recipient in enumerate(islice(cycle(whom), count), start=1):
                message = _message(recipient, number)
                client.send_message(message)
                sent.append(message["Message-ID"])
    except (OSError, smtplib.SMTPException) as error:
        raise EnvironmentFailure(
            f"the lab's sender does not take mail: {error}", hint="see borderscout lab status"
        ) from None
    return sent


def try_mail(holder: int, host: str, *, to: str, mark: str) -> str:
    """Give one message to a node, and return why it does not take it; empty: it has.

    Args:
        holder: the process that holds the namespaces of whoever gives it.
        mark: with what its Message-ID begins.
    """
    try:
        with InsideSmtp(holder, host=host, local_hostname=f"mail.{SENDER_DOMAIN}") as client:
            client.send_message(_message(to, 1, mark=mark))
    except (OSError, smtplib.SMTPException) as error:
        return str(error) or type(error).__name__
    return ""


def _message(recipient: str, number: int, *, mark: str = "lab") -> EmailMessage:
    message = EmailMessage()
    message["From"] = f"{USER}@{SENDER_DOMAIN}"
    message["To"] = recipient
    message["Subject"] = f"Lab mail {number}"
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = f"<{mark}-{secrets.token_hex(8)}@{SENDER_DOMAIN}>"
    message.set_content("This message goes through the lab.\n")
    return message
