"""Is a message one of many copies that came in lately, at any site?

Touches the tallies, and asks our own reader for the content. Each enabled filter document of kind
``checksums`` that sets a limit has a verdict of its own; all messages are counted while there is
one. Bulk is not spam: what is wanted is named in the documents, or on a white list, which wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from common.kinds import NoOptions, takes
from common.preferences import Preferences
from common.settings.satellite import FilterSettings
from common.verdict import Outcome, Test, Verdict, points, printable
from satellite.authentication.results import AuthResult
from satellite.filtering.checksum_keys import (
    KIND,
    TOLD_FROM,
    BulkLimit,
    BulkRules,
    Checksum,
    ChecksumsOptions,
    checksums_of,
    list_id,
    rules_of,
)
from satellite.filtering.counted_mail import CountedMail
from satellite.filtering.filter import Filter, FilterContext, Mail, name_of_test
from satellite.filtering.inside import MailContent, NoInside
from satellite.filtering.tallies import Total

WHAT_LENGTH_MAX = 60  # characters of a file's name in the evidence


class Checksums:
    """The cluster's own clearing house.

    Args:
        context: the tallies.
    """

    def __init__(self, context: FilterContext) -> None:
        self.name = KIND
        self._tallies = context.tallies
        self._counted = CountedMail()
        self._known: Preferences | None = None
        self._rules = BulkRules(limits=(), digests=frozenset(), near=(), lists={})

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict for each limit."""
        rules = self._rules_of(mail)
        if not rules.limits:
            return ()
        try:
            content = await mail.inside.content()
        except NoInside as error:
            return _unknown(rules, str(error))
        bulk = self._bulk(rules, mail, content)
        if bulk and await _is_of_known_list(rules, mail):
            return _nothing(rules, "of a list that is wanted")
        return tuple(_verdict(limit, bulk.get(limit.name, ())) for limit in rules.limits)

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Do the same for content that is at hand, unless it has to be asked who signed it."""
        rules = self._rules_of(mail)
        if not rules.limits:
            return ()
        content = mail.inside.content_at_hand()
        if content is None or (rules.lists and _list_of(rules, mail)):
            return None
        bulk = self._bulk(rules, mail, content)
        return tuple(_verdict(limit, bulk.get(limit.name, ())) for limit in rules.limits)

    def of_all(self, preferences: Preferences) -> tuple[Verdict, ...] | None:
        """Return nothing, where there is no limit."""
        return None if preferences.filters(KIND) else ()

    async def close(self) -> None:
        """Nothing is held open."""

    def _rules_of(self, mail: Mail) -> BulkRules:
        if mail.preferences is not self._known:
            self._known, self._rules = mail.preferences, rules_of(mail.preferences)
        return self._rules

    def _bulk(
        self, rules: BulkRules, mail: Mail, content: MailContent
    ) -> dict[str, tuple[_Seen, ...]]:
        """Count a message, and return for each limit that it passes by which checksums."""
        limits = [one for one in rules.limits if one.options is not None]
        if not limits:
            return {}
        widest = max((one.options.parts for one in limits if one.options), key=_WIDTH.index)
        checksums = tuple(checksums_of(content, parts=widest))
        if self._counted.is_new(mail.id):
            # What a message has several times is one copy still.
            for kind, key in {(one.kind, key) for one in checksums for key in one.keys}:
                self._tallies.add(kind, key, told_from=TOLD_FROM)
        wanted = {one.of for one in checksums if rules.knows(one)}
        unknown = [one for one in checksums if one.of not in wanted]
        found = {one.name: tuple(self._passing(one.options, unknown)) for one in limits}
        return {name: seen for name, seen in found.items() if seen}

    def _passing(
        self, options: ChecksumsOptions | None, checksums: Sequence[Checksum]
    ) -> Iterator[_Seen]:
        assert options is not None and options.limit is not None
        for one in checksums:
            if one.kind.endswith((".file", ".like")) and options.parts == "text":
                continue
            copies = max(
                (self._tallies.total(one.kind, key, window_s=options.window_s) for key in one.keys),
                key=lambda total: total.amount,
            )
            if copies.amount > options.limit:
                yield _Seen(one, copies)


_WIDTH = ("text", "files", "all")


class _Seen:
    """A checksum of which there were too many copies."""

    __slots__ = ("checksum", "copies")

    def __init__(self, checksum: Checksum, copies: Total) -> None:
        self.checksum = checksum
        self.copies = copies


def _verdict(limit: BulkLimit, seen: Sequence[_Seen]) -> Verdict:
    options = limit.options
    if options is None:
        return Verdict(by=limit.name, outcome=Outcome.ERROR, detail=printable(limit.reason))
    if not seen:
        return Verdict(by=limit.name, outcome=Outcome.SCORED)
    # One test: an exact one is near too, and the text that repeats itself is one fact.
    first = min(seen, key=lambda one: (one.checksum.is_near, -one.copies.amount))
    near = first.checksum.is_near
    scope = "all sites" if first.copies.is_of_all_sites else "this worker alone"
    assert options.limit is not None
    detail = (
        f"{first.checksum.what[:WHAT_LENGTH_MAX]}: {first.copies.amount} copies in"
        f" {options.window_s:g} s ({scope}), limit {points(options.limit)}; {first.checksum.digest}"
    )
    test = Test(
        name=name_of_test("CHECKSUMS", limit.name, *(["NEAR"] if near else [])),
        score=options.near_score if near else options.score,
        detail=printable(detail, length_max=400),
    )
    return Verdict(by=limit.name, outcome=Outcome.SCORED, tests=(test,))


def _unknown(rules: BulkRules, reason: str) -> tuple[Verdict, ...]:
    """Return that nothing is known: neither bulk nor not."""
    detail = printable(f"nobody knows what it holds: {reason}")
    return tuple(
        Verdict(by=one.name, outcome=Outcome.UNAVAILABLE, detail=detail) for one in rules.limits
    )


def _nothing(rules: BulkRules, why: str) -> tuple[Verdict, ...]:
    return tuple(Verdict(by=one.name, outcome=Outcome.SCORED, detail=why) for one in rules.limits)


def _list_of(rules: BulkRules, mail: Mail) -> str:
    """Return the identifier of the known list that a message says it is of, or nothing."""
    identifier = list_id(mail.headers.get("List-Id"))
    return identifier if identifier in rules.lists else ""


async def _is_of_known_list(rules: BulkRules, mail: Mail) -> bool:
    """Say whether a message is of a list that is wanted: signed by who may speak for it."""
    identifier = _list_of(rules, mail)
    if not identifier:
        return False
    known = rules.lists[identifier]
    signatures = (await mail.inside.authentication()).dkim
    return any(
        one.result is AuthResult.PASS and known.is_signed_by(one.domain.lower())
        for one in signatures
    )


@takes(NoOptions, of_document=ChecksumsOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; it is the same everywhere."""
    return Checksums(context)
