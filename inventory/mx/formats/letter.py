"""What do customers read who edit their own DNS?

Pure. A letter to each customer, of plain text: the records to publish for each of his domains, in
which order, what becomes of the old ones, and how he sees that it is right.

Source: RFC 5321 section 5.1, RFC 8461 section 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from common.counted import counted
from inventory.mx.formats.rendered_files import RenderedFiles, zone_value
from inventory.mx.names import Naming
from inventory.mx.records import DnsZone, MxRecords, Whose

WIDTH = 76


def render(records: MxRecords, /, *, whose: Whose) -> RenderedFiles:
    """Return a letter to each customer; our own zone needs none.

    Args:
        whose: does not matter: a letter is about what is the customer's.
    """
    by_customer: dict[str, list[DnsZone]] = {}
    for zone in records.customers:
        by_customer.setdefault(zone.customer, []).append(zone)
    return RenderedFiles(
        {
            f"{customer}.txt": "\n".join(_letter(records, customer, zones)) + "\n"
            for customer, zones in sorted(by_customer.items())
        }
    )


def _letter(records: MxRecords, customer: str, zones: Sequence[DnsZone]) -> Iterator[str]:
    yield f"To: {customer}"
    yield f"About: DNS records for {counted(len(zones), 'domain')}"
    yield ""
    yield from _paragraph(
        "So that mail for your domains comes to us first, please publish the records below where "
        "your DNS is kept."
        + (
            " You do this once: whatever changes at our sites later changes in our own DNS."
            if records.naming is Naming.FIXED
            else " We write again when one of them changes."
        )
    )
    for zone in zones:
        yield f"Domain {zone.name}"
        yield ""
        for one in zone.sets:
            for value in one.values:
                yield f"    {one.name}. {one.ttl_s} {one.kind} {zone_value(one.kind, value)}"
        yield ""
    yield from _steps(records, zones)


def _steps(records: MxRecords, zones: Sequence[DnsZone]) -> Iterator[str]:
    kinds = {one.kind for zone in zones for one in zone.sets}
    steps = [
        "Let mail from these addresses into your mail server, since our nodes deliver from them: "
        f"{', '.join(records.senders)}.",
    ]
    if kinds != {"MX"}:
        steps.append(
            "Publish the records other than MX. Senders that see them keep to TLS, or report on it."
        )
    steps += [
        "Publish the MX records beside those that you have, and send yourself a message.",
        "Remove all other MX records of the domain: what comes by them is not scanned, and much "
        "spam tries the last of them first. If the domain has an MTA-STS policy of your own, it "
        "must name the new hosts a day before.",
        "Leave your server as it is for five days: mail that is on its way by the old records may "
        "take that long.",
    ]
    for number, step in enumerate(steps, start=1):
        yield from _paragraph(step, first=f"{number}. ")
    yield from _paragraph("This shows what the world sees:")
    for zone in zones:
        yield f"    dig +short MX {zone.name}"
    yield ""


def _paragraph(text: str, *, first: str = "") -> list[str]:
    lines = wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [*lines, ""]
