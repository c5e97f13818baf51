"""Which addresses are passed to the next hop, and as what?

Pure. The mail server before us has decided whom it takes mail for, and the one behind us will: a
path goes on as it came, whatever mailbox it names. It is bounded, has no control character and
nothing that moves a cursor, and cannot end the command that it stands in.

Source: RFC 5321 sections 4.1.2 and 4.5.3.1.3, RFC 6531 section 3.4.
"""

from __future__ import annotations

from common.envelope import DsnParameters
from common.frozen import dataclass
from satellite.smtp import replies
from satellite.smtp.commands import read_path
from satellite.smtp.dsn_parameters import RCPT_KEYWORDS, recipient_parameters
from satellite.smtp.replies import Reply


@dataclass(frozen=True, slots=True)
class PassedRecipient:
    """What RCPT said."""

    address: str
    dsn: DsnParameters


def passed_path(path: str, *, smtputf8: bool) -> str | Reply:
    """Return a path as it came, or why it is refused."""
    if not path.isascii() and not smtputf8:
        return replies.NEEDS_SMTPUTF8
    return path if path.isprintable() else replies.BAD_RECIPIENT


def passed_recipient(argument: str, *, extended: bool, smtputf8: bool) -> PassedRecipient | Reply:
    """Return whom the argument of RCPT names, or why that is refused.

    Args:
        argument: what stands behind the verb.
        extended: the client said EHLO or LHLO.
        smtputf8: MAIL said SMTPUTF8.
    """
    given = read_path(argument, "TO:")
    if given is None or not given.path or (given.parameters and not extended):
        return replies.BAD_ARGUMENT
    if given.parameters.keys() - RCPT_KEYWORDS:
        return replies.UNKNOWN_PARAMETER
    dsn, _ = recipient_parameters(given.parameters)
    address = passed_path(given.path, smtputf8=smtputf8)
    return address if isinstance(address, Reply) else PassedRecipient(address, dsn)
