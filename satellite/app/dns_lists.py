"""What does each DNS list of the preferences say of an address or a domain, and why?

Touches DNS. For an operator who asks: each list is tested too, and what it says is told although it
failed, beside its fault.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from common.frozen import dataclass
from common.preferences import Preferences
from common.preferences.bodies import FilterBody
from satellite.filtering.asked_list import MADE_UP_BYTES
from satellite.filtering.asked_names import AskedName, names_of_subject
from satellite.filtering.filters.dnsbl import KIND
from satellite.filtering.known_codes import meaning_of
from satellite.filtering.list_terms import ListMistake, ListTerms, terms_of
from satellite.filtering.listing import Broken, Listed, read_answer
from satellite.filtering.reserved_entries import list_fault
from satellite.filtering.resolver import DnsAnswer, DnsResolver, NoDnsAnswer

ANSWER_S = 5.0  # for one lookup

LISTED, NOT_LISTED, NO_ANSWER, BROKEN = "listed", "not listed", "no answer", "broken"
NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSaid:
    """What one list says of one name.

    Args:
        name: of the list.
        zone: its own.
        subject: the address or domain; empty: it is not asked about such.
        says: ``listed``, ``not listed``, ``no answer``, ``broken`` or ``not asked``.
        points: what it gives now; 0 when the list is broken.
        answers: each address that it answered, and what that means in words, or nothing.
        texts: what it says in words itself.
        fault: what is wrong with the list, its self-test or its document; empty: nothing.
    """

    name: str
    zone: str
    subject: str
    says: str
    points: float = 0.0
    answers: Mapping[str, str]
    texts: Sequence[str] = ()
    fault: str = ""


async def dns_lists_say(
    subject: str, preferences: Preferences, *, resolver: str
) -> tuple[ListSaid, ...]:
    """Return what all enabled lists say, in the order of their names.

    Args:
        subject: an address or a domain.
        preferences: which lists there are.
        resolver: ``ADDRESS:PORT``; empty: the system's.
    """
    asking = _Asking(resolver)
    bodies = preferences.filters(KIND)
    said = await asyncio.gather(
        *(asking.of_list(name, body, subject) for name, body in bodies.items())
    )
    return tuple(one for each in said for one in each)


class _Asking:
    def __init__(self, resolver: str) -> None:
        self._resolver = DnsResolver(resolver)

    async def of_list(self, name: str, body: FilterBody, subject: str) -> list[ListSaid]:
        try:
            terms = terms_of(body)
        except ListMistake as error:
            return [_not_asked(name, body.zone, says=BROKEN, fault=str(error))]
        names = names_of_subject(subject, terms)
        if not names:
            return [_not_asked(name, body.zone)]
        testing = asyncio.create_task(self._fault(terms))
        said = await asyncio.gather(*(self._of_name(name, terms, one) for one in names))
        fault = await testing
        return [_with_fault(one, fault) for one in said]

    async def _fault(self, terms: ListTerms) -> str:
        try:
            made_up = secrets.token_hex(MADE_UP_BYTES)
            return await list_fault(terms, self._ask, made_up=made_up)
        except NoDnsAnswer:
            return "its self-test has no answer"

    async def _ask(self, name: str) -> DnsAnswer:
        return await self._resolver.addresses(name, timeout_s=ANSWER_S)

    async def _of_name(self, name: str, terms: ListTerms, asked: AskedName) -> ListSaid:
        query = f"{asked.label}.{terms.zone}"
        try:
            answer = await self._ask(query)
        except NoDnsAnswer as error:
            return ListSaid(
                name=name,
                zone=terms.zone,
                subject=asked.subject,
                says=NO_ANSWER,
                answers={},
                fault=error.what,
            )
        reading = read_answer(answer.addresses, terms.codes, terms.errors)
        is_listed, is_broken = isinstance(reading, Listed), isinstance(reading, Broken)
        return ListSaid(
            name=name,
            zone=terms.zone,
            subject=asked.subject,
            says=LISTED if is_listed else BROKEN if is_broken else NOT_LISTED,
            points=reading.points if isinstance(reading, Listed) else 0.0,
            answers={one: meaning_of(terms.zone, one) for one in answer.addresses},
            texts=(
                await self._resolver.texts(query, timeout_s=ANSWER_S) if answer.addresses else ()
            ),
            fault=f"{terms.zone} {reading.reason}" if isinstance(reading, Broken) else "",
        )


def _not_asked(name: str, zone: str, *, says: str = NOT_ASKED, fault: str = "") -> ListSaid:
    return ListSaid(name=name, zone=zone, subject="", says=says, answers={}, fault=fault)


def _with_fault(said: ListSaid, fault: str) -> ListSaid:
    """Return what a list said beside what its self-test found: then nothing of it counts."""
    if not fault or said.fault:
        return said
    return replace(said, points=0.0, fault=fault)
