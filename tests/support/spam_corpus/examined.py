"""What do the filters make of the corpus, each letter in its turn?

Touches the helper process, as a node does; DNS is the corpus's own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.envelope import Envelope
from common.ids import MessageId, ulid
from common.preferences import Preferences
from common.preferences.documents import NOTHING, new_document
from common.verdict import Effect, Verdict
from satellite.authentication.authenticator import Authenticator
from satellite.authentication.dns_questions import DnsQuestions
from satellite.filtering.catalogue import build_filters
from satellite.filtering.filter import FilterContext, Mail
from satellite.filtering.run import Filters
from satellite.headers import HeaderBlock
from satellite.judging.content_reader import ContentReader
from satellite.judging.disposition import Done, dispose
from satellite.judging.inside import LooksInside, MessageInside
from satellite.judging.score import Scores
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from satellite.tallies.shared_tallies import SharedTallies
from tests.support.clock import FakeClock
from tests.support.network.given_dns import GivenDns
from tests.support.spam_corpus.letters import CorpusLetter
from tests.support.spam_corpus.world import RECORDS, URLS, ZEN, dns_lists

BETWEEN_S = 5.0  # letters

# What docs/filters.md says to type, and nothing made for the corpus.
DOCUMENTS: Mapping[str, Mapping[str, object]] = {
    "zen": {"kind": "dnsbl", "zone": ZEN, "codes": {"127.0.0.2": 5.0, "127.0.0.10": 1.5}},
    "urls": {
        "kind": "dnsbl",
        "zone": URLS,
        "codes": {"127.0.0.2": 5.0},
        "options": {"asks": "url, from-domain", "names": "registered"},
    },
    "authentication": {"kind": "authentication"},
    "attachments": {"kind": "content"},
    "bulk": {"kind": "checksums", "options": {"limit": 20, "score": 5, "near_score": 5}},
    "wanted": {"kind": "checksums", "options": {"known": "list:news.shop.example"}},
    "backscatter": {
        "kind": "volume",
        "options": {"of": "bounces", "per": "recipient", "limit": 20, "score": 6},
    },
    "bomb": {
        "kind": "volume",
        "options": {
            "of": "strangers",
            "per": "recipient",
            "window_s": 600,
            "limit": 30,
            "action": "quarantine",
        },
    },
}


@dataclass(slots=True)
class Kind:
    """What became of one class.

    Attributes:
        letters: how many there are.
        caught: those that are not delivered as if nothing were.
        by: of each filter, to how many it alone gave points or more.
    """

    is_spam: bool
    letters: int = 0
    caught: int = 0
    by: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # reasons, of ham that was caught


def preferences() -> Preferences:
    """Return the default policy with the documents."""
    documents = [new_document("filter", name, dict(body)) for name, body in DOCUMENTS.items()]
    route = {"customer": "acme", "deliver_to": ["mail.acme.example:25"]}
    return Preferences.from_documents(
        [new_document("route", "acme.example", route), *documents], position=NOTHING
    )


@asynccontextmanager
async def _rooms(clock: FakeClock) -> AsyncIterator[tuple[Filters, LooksInside]]:
    metrics = CollectorRegistry()
    helper = Helper(clock=SystemClock())
    looks = LooksInside(
        reader=ContentReader(helper),
        authenticator=Authenticator(DnsQuestions(GivenDns(RECORDS), clock), clock),
    )
    context = FilterContext(
        clock=clock,
        resolver=dns_lists(),
        metrics=metrics,
        tallies=SharedTallies("", clock=clock, salt=1, life="corpus"),
    )
    filters = Filters(build_filters([], context), clock=clock, metrics=metrics)
    try:
        yield filters, looks
    finally:
        await filters.close()
        await helper.close()


async def examined(letters: Iterable[CorpusLetter]) -> dict[str, Kind]:
    """Return what became of each class, in the order of the letters."""
    clock, by = FakeClock(), preferences()
    kinds: dict[str, Kind] = {}
    async with _rooms(clock) as (filters, looks):
        for number, letter in enumerate(letters):
            await clock.advance(BETWEEN_S)
            verdicts = await _verdicts(letter, number, filters, looks, by, clock)
            _count(kinds.setdefault(letter.kind, Kind(letter.is_spam)), letter, verdicts, by)
    return kinds


async def _verdicts(
    letter: CorpusLetter,
    number: int,
    filters: Filters,
    looks: LooksInside,
    by: Preferences,
    clock: FakeClock,
) -> tuple[Verdict, ...]:
    identifier = MessageId(ulid(now_us=clock.now_us(), randomness=number.to_bytes(10, "big")))
    envelope = Envelope(
        client_address=letter.host.address,
        helo=letter.host.helo,
        sender=letter.sender,
        recipients=(letter.recipient,),
    )
    sample = Sample(
        id=identifier,
        size=len(letter.octets),
        sha256=hashlib.sha256(letter.octets).digest(),
        data=letter.octets,
    )
    inside = MessageInside(sample, envelope, looks)
    mail = Mail(
        envelope=envelope,
        headers=HeaderBlock.parse(letter.octets),
        size=sample.size,
        preferences=by,
        now_us=clock.now_us(),
        inside=inside,
        id=identifier,
    )
    at_once = filters.at_once(mail)
    try:
        return at_once if at_once is not None else await filters.examine(mail)
    finally:
        inside.close()


def _count(kind: Kind, letter: CorpusLetter, verdicts: Iterable[Verdict], by: Preferences) -> None:
    verdicts = tuple(verdicts)
    disposed = dispose(
        findings=(),
        scoring=Scores(verdicts, by.weights).of(letter.recipient),
        policy=by.policy(letter.recipient),
    )
    kind.letters += 1
    if disposed.disposition is not Done.DELIVER or disposed.marked:
        kind.caught += 1
        if not letter.is_spam:
            kind.wrong.append(disposed.reason)
    for verdict in verdicts:
        asks = any(test.score > 0 or test.effect not in _NO_HARM for test in verdict.tests)
        if asks:
            kind.by[verdict.by] += 1


_NO_HARM = frozenset({Effect.SCORE, Effect.ALLOW, Effect.TELL})
