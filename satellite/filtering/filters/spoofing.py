"""Does mail from outside pretend to be from a customer's own people?

Pure. It is off until an enabled filter document of kind ``spoofing`` applies to a recipient. What
the customer's own domains are say the routes; who its people are says the document. Mail whose
From is of an own domain is not looked at: whether that is true is what DMARC is for.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pydantic import Field, field_validator

from common.address import AddressError, domain_of, fold, parse_domain
from common.errors import SettingsError
from common.frozen import dataclass
from common.kinds import NoOptions, Options, options_of, takes
from common.preferences import Preferences
from common.preferences.bodies import FilterBody
from common.preferences.scopes import Scope
from common.records.bounds import TESTS_MAX
from common.settings.satellite import FilterSettings
from common.verdict import Outcome, Test, Verdict, printable
from satellite.filtering.filter import Filter, FilterContext, Mail
from satellite.filtering.look_alike import Likeness, OwnDomains
from satellite.filtering.named_people import NamedPeople, parse_people
from satellite.headers import HeaderBlock
from satellite.headers.mailboxes import ShownMailbox, mailboxes

KIND = "spoofing"
FIELDS_MAX = 3  # of one name
MAILBOXES_MAX = 10  # of one message
FAILURES_MAX = 8  # documents that nobody can go by, told of one message

_ADDRESS = re.compile(r"[^\s@<>\"'(),;:]{1,64}@([a-z0-9.-]{3,253})", re.IGNORECASE)


class SpoofingOptions(Options):
    """What the document may say in its ``options``."""

    scope: str = "cluster"
    """Whose mail it is applied to."""
    people: str = ""
    """NAME or NAME <ADDRESS>, between semicolons or one a line: who is imitated, and an address
    outside that is that person's own."""
    own: str = ""
    """Domains, separated by commas: others' that write in the customer's name, and look like it."""
    person: float = Field(default=3.0, ge=-100, le=100)
    """Points of a display name of one of the people, from outside."""
    address: float = Field(default=3.0, ge=-100, le=100)
    """Points of an own address in a display name, from outside."""
    confusable: float = Field(default=4.0, ge=-100, le=100)
    """Points of a domain in which a reader sees an own one."""
    embedded: float = Field(default=2.0, ge=-100, le=100)
    """Points of a domain that begins with an own one."""
    cousin: float = Field(default=1.5, ge=-100, le=100)
    """Points of a domain that is nearly an own one."""

    @field_validator("scope")
    @classmethod
    def _scope(cls, text: str) -> str:
        try:
            return str(Scope.parse(text))
        except AddressError as error:
            raise ValueError(error.what) from None

    @field_validator("own")
    @classmethod
    def _own(cls, text: str) -> str:
        try:
            return ",".join(parse_domain(name.strip()) for name in text.split(",") if name.strip())
        except AddressError as error:
            raise ValueError(error.what) from None


@dataclass(frozen=True, slots=True)
class _Guarded:
    """What one document says."""

    options: SpoofingOptions
    people: NamedPeople


@dataclass(frozen=True, slots=True)
class _Broken:
    """A document that nobody can go by.

    Args:
        name: its key.
        scope: whose it is; None: it does not say.
        complaint: what is wrong.
    """

    name: str
    scope: str | None
    complaint: str

    def verdict(self) -> Verdict:
        detail = printable(f"{self.name}: {self.complaint}")
        return Verdict(by=f"{KIND}.{self.name}"[:64], outcome=Outcome.ERROR, detail=detail)


def _scope_in(body: FilterBody) -> str | None:
    try:
        return str(Scope.parse(str(body.options.get("scope", "cluster"))))
    except AddressError:
        return None


class _Revision:
    """What was made of one revision of the preferences."""

    def __init__(self, preferences: Preferences) -> None:
        self.preferences = preferences
        self.guarded: list[_Guarded] = []
        self.broken: list[_Broken] = []
        for name, body in preferences.filters(KIND).items():
            try:
                options = options_of(body, SpoofingOptions)
            except SettingsError as error:
                self.broken.append(_Broken(name, _scope_in(body), "; ".join(error.complaints)))
                continue
            people = NamedPeople(parse_people(options.people))
            self.guarded.append(_Guarded(options, people))
        self.own = functools.lru_cache(maxsize=1_000)(self._own)

    def _own(self, customer: str, more: str) -> OwnDomains:
        return OwnDomains([*self.preferences.domains(customer), *filter(None, more.split(","))])


class Spoofing:
    """Imitations of customers' own people and domains."""

    def __init__(self) -> None:
        self.name = KIND
        self._revision: _Revision | None = None

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict with the tests of what pretends to be a customer's own."""
        return self.examine_at_once(mail)

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...]:
        """Do the same: nothing here waits."""
        revision = self._revision
        if revision is None or revision.preferences is not mail.preferences:
            revision = self._revision = _Revision(mail.preferences)
        said = tuple(_failures(mail, revision))
        if not revision.guarded:
            return said
        tests = tuple(_tests(mail, revision))[:TESTS_MAX]
        return (Verdict(by=KIND, outcome=Outcome.SCORED, tests=tests), *said)

    def of_all(self, preferences: Preferences) -> tuple[Verdict, ...] | None:
        """Return nothing, where there is no document."""
        return None if preferences.filters(KIND) else ()

    async def close(self) -> None:
        """Forget what was made of the preferences."""
        self._revision = None


def _failures(mail: Mail, revision: _Revision) -> Iterator[Verdict]:
    """Yield what is wrong, for mail to somebody whose document it is; status tells of all."""
    if not revision.broken:
        return
    recipients = dict.fromkeys(map(fold, mail.envelope.recipients))
    scopes = {str(scope) for each in recipients for scope in mail.preferences.scopes(each)}
    broken = [each for each in revision.broken if each.scope in scopes]
    yield from (each.verdict() for each in broken[:FAILURES_MAX])


def _tests(mail: Mail, revision: _Revision) -> Iterator[Test]:
    """Yield the tests of each group of recipients for whom the same is looked for."""
    groups: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    recipients = list(dict.fromkeys(map(fold, mail.envelope.recipients)))
    for recipient in recipients:
        scopes = set(map(str, mail.preferences.scopes(recipient)))
        numbers = tuple(
            number for number, each in enumerate(revision.guarded) if each.options.scope in scopes
        )
        route = mail.preferences.route(domain_of(recipient))
        if numbers and route is not None:
            groups.setdefault((route.customer, numbers), []).append(recipient)
    seen = _Seen(mail)
    for (customer, numbers), members in groups.items():
        found = list(_of_group(seen, revision, customer, numbers))
        whose: list[str | None] = [None] if len(members) == len(recipients) else [*members]
        for one in whose:
            yield from (replace(test, recipient=one) for test in found)


class _Seen:
    """Who a message says it is from."""

    def __init__(self, mail: Mail) -> None:
        self.authors = list(_mailboxes(mail.headers, "from"))
        others = [*self.authors, *_mailboxes(mail.headers, "reply-to")]
        texts = [*(each.domain for each in others), domain_of(mail.envelope.sender)]
        self.domains = list(dict.fromkeys(filter(None, map(_domain, texts))))


def _mailboxes(headers: HeaderBlock, name: str) -> Iterable[ShownMailbox]:
    spans = headers.by_key.get(name.encode(), ())[:FIELDS_MAX]
    found = [each for span in spans for each in mailboxes(span.value)]
    return found[:MAILBOXES_MAX]


def _domain(text: str) -> str:
    try:
        return parse_domain(text)
    except AddressError:
        return ""


def _of_group(
    seen: _Seen, revision: _Revision, customer: str, numbers: tuple[int, ...]
) -> Iterator[Test]:
    """Yield the tests for recipients of one customer; of several documents the first counts."""
    done: set[str] = set()
    for number in numbers:
        guarded = revision.guarded[number]
        own = revision.own(customer, guarded.options.own)
        for test in (*_of_authors(seen, guarded, own), *_of_domains(seen, guarded.options, own)):
            if test.name not in done:
                done.add(test.name)
                yield test


def _of_authors(seen: _Seen, guarded: _Guarded, own: OwnDomains) -> Iterator[Test]:
    for author in seen.authors:
        if not author.display_name or own.has(_domain(author.domain)):
            continue
        person = guarded.people.pretended(author.display_name, author.address)
        if person is not None:
            detail = f"{person.name} does not write from {author.address}"
            yield _test("SPOOF_PERSON", guarded.options.person, detail)
        for match in _ADDRESS.finditer(author.display_name):
            if own.has(match[1].lower().rstrip(".")):
                detail = f"{match[0]} is shown for {author.address}"
                yield _test("SPOOF_ADDRESS", guarded.options.address, detail)


def _of_domains(seen: _Seen, options: SpoofingOptions, own: OwnDomains) -> Iterator[Test]:
    for domain in seen.domains:
        found = own.resemblance(domain)
        if found is None:
            continue
        points = {
            Likeness.CONFUSABLE: options.confusable,
            Likeness.EMBEDDED: options.embedded,
            Likeness.COUSIN: options.cousin,
        }[found.likeness]
        name = f"SPOOF_{found.likeness.upper()}"
        yield _test(name, points, f"{domain} looks like {found.own}")


def _test(name: str, score: float, detail: str) -> Test:
    return Test(name=name, score=score, detail=printable(detail))


@takes(NoOptions, of_document=SpoofingOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; it is the same everywhere."""
    return Spoofing()
