"""Does a DNS list have the entry that every list has, and no entry that none may have?

Touches DNS, through whoever asks for it. A list that has an entry for a name that was made up a
moment ago has one for everybody.

Source: RFC 5782 section 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from satellite.filtering.list_terms import ListTerms
from satellite.filtering.listing import Broken, read_answer
from satellite.filtering.resolver import DnsAnswer


async def list_fault(
    terms: ListTerms, ask: Callable[[str], Awaitable[DnsAnswer]], *, made_up: str
) -> str:
    """Return what is wrong with a list; empty: nothing.

    Args:
        terms: of the list.
        ask: looks a name up, now.
        made_up: a label that nobody has.

    Raises:
        NoDnsAnswer: DNS was silent; nothing is known.
    """
    entries = [(terms.unlisted, False), ((made_up, "a name that was made up"), False)]
    if terms.listed is not None:
        entries.insert(0, (terms.listed, True))
    asking = [ask(f"{label}.{terms.zone}") for (label, _), _ in entries]
    answers = await asyncio.gather(*asking)
    for ((_, words), must_list), answer in zip(entries, answers, strict=True):
        reading = read_answer(answer.addresses, terms.codes, terms.errors)
        if isinstance(reading, Broken):
            return f"{terms.zone} {reading.reason}"
        # Any answer will do: a list need not keep its test entry under a code that counts.
        if bool(answer.addresses) is not must_list:
            fault = "does not list" if must_list else "lists"
            return f"{terms.zone} {fault} {_entry(words)}"
    return ""


def _entry(words: str) -> str:
    return words if " " in words else f"the test entry {words}"
