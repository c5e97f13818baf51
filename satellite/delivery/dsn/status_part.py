"""Which fields stand in the message/delivery-status part of a DSN?

Pure. The fields of ``message/delivery-status``: first those of the message, then a group for each
recipient. Whatever comes from outside is printable ASCII of a bounded length before it is a field.

Source: RFC 3464 sections 2.2 and 2.3, RFC 3461 section 6.3, RFC 6533 section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import ip_address

from common import xtext
from common.verdict import printable
from satellite.delivery.decisions.outcome import DIAGNOSTIC_LENGTH_MAX, DsnAction, Fate
from satellite.spool.model.messages import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Who makes the report."""

    hostname: str
    mail_domain: str


def status_groups(
    message: Stored, fates: Sequence[Fate], reporter: Reporter, *, now_us: int, wide: bool
) -> bytes:
    """Return the groups of fields, each ending in CR LF, with an empty line between them.

    Args:
        message: the message.
        fates: what became of its recipients.
        reporter: who we are.
        now_us: microseconds since the epoch, UTC.
        wide: addresses may stand as UTF-8.
    """
    groups = [_of_message(message, reporter)]
    groups += [_of_recipient(fate, now_us=now_us, wide=wide) for fate in fates]
    return "\r\n".join(groups).encode()


def field_date(time_us: int) -> str:
    """Return a time as RFC 5322 section 3.3 writes it."""
    return format_datetime(datetime.fromtimestamp(time_us / 1_000_000, UTC))


def lines(*texts: str) -> str:
    """Return lines, each with its CR LF."""
    return "".join(f"{text}\r\n" for text in texts)


def _of_message(message: Stored, reporter: Reporter) -> str:
    fields = []
    envelope_id = xtext.decoded(message.envelope.envelope_id)
    if envelope_id is not None:
        fields.append(f"Original-Envelope-Id: {envelope_id}")
    fields.append(f"Reporting-MTA: dns; {reporter.hostname}")
    fields.append(f"Arrival-Date: {field_date(message.received_us)}")
    return lines(*fields)


def _of_recipient(fate: Fate, *, now_us: int, wide: bool) -> str:
    fields = []
    original = _original(fate.recipient.dsn.original)
    if original:
        fields.append(f"Original-Recipient: {original}")
    fields += [
        f"Final-Recipient: {_final(fate.recipient.address, wide=wide)}",
        f"Action: {fate.action}",
        f"Status: {fate.status}",
    ]
    if fate.remote_host:
        fields.append(f"Remote-MTA: dns; {_mta_name(fate.remote_host)}")
    if fate.diagnostic:
        diagnostic = printable(fate.diagnostic, length_max=DIAGNOSTIC_LENGTH_MAX)
        fields.append(f"Diagnostic-Code: {diagnostic}")
    fields.append(f"Last-Attempt-Date: {field_date(now_us)}")
    if fate.action is DsnAction.DELAYED and fate.retry_until_us:
        fields.append(f"Will-Retry-Until: {field_date(fate.retry_until_us)}")
    return lines(*fields)


def _original(orcpt: str) -> str:
    """Return ORCPT as a field has it, or an empty string when there is none to show."""
    kind, _, address = orcpt.partition(";")
    shown = address if kind.lower() == "utf-8" else xtext.decoded(address)
    return f"{kind}; {shown}" if shown is not None else ""


def _final(address: str, *, wide: bool) -> str:
    if address.isascii():
        return f"rfc822; {address}"
    return f"utf-8; {address if wide else xtext.embedded(address)}"


def _mta_name(host: str) -> str:
    name = printable(host)
    try:
        ip = ip_address(host)
    except ValueError:
        return name
    return f"[IPv6:{ip}]" if ip.version == 6 else f"[{ip}]"
