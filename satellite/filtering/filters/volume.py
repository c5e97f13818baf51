"""Does more mail come of one network, sender or domain, or to one mailbox, than there may?

Touches the tallies that it is given. Each enabled filter document of kind ``volume`` is one limit
with a verdict of its own. Every message is counted once, whatever becomes of it; what is counted is
of all sites while the core is heard, and the verdict says when it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import pairwise

from common.address import domain_of
from common.kinds import NoOptions, takes
from common.preferences import Preferences
from common.records.bounds import TESTS_MAX
from common.settings.satellite import FilterSettings
from common.verdict import Effect, Outcome, Test, Verdict, points, printable
from satellite.filtering.counted_mail import CountedMail
from satellite.filtering.filter import Filter, FilterContext, Mail, name_of_test
from satellite.filtering.volume_limits import (
    KIND,
    OCTETS,
    PAIR_KIND,
    BrokenLimit,
    Thing,
    VolumeLimit,
    VolumeOptions,
    limits_of,
)

WEEK_S = 7 * 86_400.0
DAY_S = 86_400.0
DAYS = 7
THINGS_AT_ONCE_MAX = 1_000  # limits times recipients: more take too long in the event loop
THING_LENGTH_MAX = 80  # characters in the evidence


class Volume:
    """The limits of the preferences.

    Args:
        context: the tallies.
    """

    def __init__(self, context: FilterContext) -> None:
        self.name = KIND
        self._tallies = context.tallies
        self._counted = CountedMail()
        self._known: Preferences | None = None
        self._limits: Sequence[VolumeLimit | BrokenLimit] = ()

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict for each limit."""
        verdicts: list[Verdict] = []
        for verdict in self._examined(mail):
            verdicts.append(verdict)
            await asyncio.sleep(0)  # others' turn: of many recipients each limit takes its time
        return tuple(verdicts)

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Do the same: nothing here waits. None: it is too much to do at once."""
        if len(self._limits_in(mail)) * len(mail.envelope.recipients) > THINGS_AT_ONCE_MAX:
            return None
        return tuple(self._examined(mail))

    def _limits_in(self, mail: Mail) -> Sequence[VolumeLimit | BrokenLimit]:
        if mail.preferences is not self._known:
            self._known, self._limits = mail.preferences, limits_of(mail.preferences)
        return self._limits

    def _examined(self, mail: Mail) -> Iterator[Verdict]:
        every = self._limits_in(mail)
        limits = [one for one in every if isinstance(one, VolumeLimit)]
        strangers = self._strangers(mail) if any(_of_strangers(one) for one in limits) else {}
        if self._counted.is_new(mail.id):
            self._count(mail, limits, strangers)
        for one in every:
            yield self._verdict(one, mail, strangers)

    def of_all(self, preferences: Preferences) -> tuple[Verdict, ...] | None:
        """Return nothing, where there is no limit."""
        return None if preferences.filters(KIND) else ()

    async def close(self) -> None:
        """Nothing is held open."""

    def _count(
        self, mail: Mail, limits: Sequence[VolumeLimit], strangers: dict[str, _Stranger]
    ) -> None:
        """Count a message once for all limits that count the same."""
        seen: dict[tuple[str, str], tuple[int, int]] = {}
        for limit in limits:
            if not limit.concerns(mail.envelope):
                continue
            amount = limit.amount(size=mail.size, recipients=len(mail.envelope.recipients))
            for thing in limit.things(mail.envelope):
                if _of_strangers(limit) and not strangers[thing.name].is_first:
                    continue
                key = (limit.tally_kind, thing.name)
                told_from = min(limit.told_from, seen.get(key, (0, limit.told_from))[1])
                seen[key] = (amount, told_from)
        for (kind, name), (amount, told_from) in seen.items():
            self._tallies.add(kind, name.encode(*OCTETS), amount, told_from=told_from)
        for stranger in strangers.values():
            self._tallies.add(PAIR_KIND, stranger.key, told_from=2)

    def _strangers(self, mail: Mail) -> dict[str, _Stranger]:
        """Return for each recipient how well the sender's domain is known there."""
        domain = domain_of(mail.envelope.sender)
        limits = [one for one in self._limits if isinstance(one, VolumeLimit)]
        window_s = max(one.options.window_s for one in limits if _of_strangers(one))
        found: dict[str, _Stranger] = {}
        for limit in limits:
            if not _of_strangers(limit):
                continue
            for thing in limit.things(mail.envelope):
                key = f"{thing.name}\0{domain}".encode(*OCTETS)
                week, day, lately = (
                    self._tallies.total(PAIR_KIND, key, window_s=each).amount
                    for each in (WEEK_S, DAY_S, window_s)
                )
                found[thing.name] = _Stranger(key, is_first=not lately, is_known=week > day)
            break  # all of them are per recipient
        return found

    def _verdict(
        self, limit: VolumeLimit | BrokenLimit, mail: Mail, strangers: dict[str, _Stranger]
    ) -> Verdict:
        if isinstance(limit, BrokenLimit):
            return Verdict(by=limit.name, outcome=Outcome.ERROR, detail=printable(limit.reason))
        if not limit.concerns(mail.envelope):
            return Verdict(by=limit.name, outcome=Outcome.SCORED)
        tests: list[Test] = []
        for thing in limit.things(mail.envelope):
            if _of_strangers(limit) and strangers[thing.name].is_known:
                continue
            tests += self._tests(limit, thing)
            if len(tests) >= TESTS_MAX - 1:
                break
        return Verdict(by=limit.name, outcome=Outcome.SCORED, tests=tuple(tests))

    def _tests(self, limit: VolumeLimit, thing: Thing) -> Iterator[Test]:
        options = limit.options
        key = thing.key
        seen = self._tallies.total(limit.tally_kind, key, window_s=options.window_s)
        scope = "all sites" if seen.is_of_all_sites else "this worker alone"
        what = (
            f"{thing.name[:THING_LENGTH_MAX]}: {seen.amount} {options.counts}"
            f" in {options.window_s:g} s ({scope})"
        )
        if options.limit is not None and seen.amount > options.limit:
            is_block = options.action == "quarantine"
            yield Test(
                name=name_of_test("VOLUME", limit.name),
                score=options.score,
                detail=printable(f"{what}, limit {points(options.limit)}"),
                recipient=thing.recipient,
                effect=Effect.BLOCK if is_block else Effect.SCORE,
            )
        if options.rise is not None and seen.amount >= options.rise_from:
            busiest = self._busiest_day(limit, key)
            if busiest and seen.amount >= options.rise * busiest:
                yield Test(
                    name=name_of_test("VOLUME", limit.name, "RISE"),
                    score=options.score,
                    detail=printable(f"{what}, {busiest} on its busiest day before"),
                    recipient=thing.recipient,
                )

    def _busiest_day(self, limit: VolumeLimit, key: bytes) -> int:
        """Return the most of one day of the last week, but for the window; 0: nothing is known."""
        edges = [limit.options.window_s, *(day * DAY_S for day in range(1, DAYS + 1))]
        totals = [
            self._tallies.total(limit.tally_kind, key, window_s=edge).amount for edge in edges
        ]
        days = [older - newer for newer, older in pairwise(totals)]
        return max(days)


class _Stranger:
    """How well a sender's domain is known to one recipient."""

    __slots__ = ("is_first", "is_known", "key")

    def __init__(self, key: bytes, *, is_first: bool, is_known: bool) -> None:
        self.key = key  # of the pair
        self.is_first = is_first  # within the window
        self.is_known = is_known  # from before the last day


def _of_strangers(limit: VolumeLimit) -> bool:
    return limit.options.of == "strangers"


@takes(NoOptions, of_document=VolumeOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; it is the same everywhere."""
    return Volume(context)
