"""What do the DNS lists of the preferences say of a message?

Touches DNS through the resolver that it is given. Each enabled filter document of kind ``dnsbl`` is
one list with a verdict of its own; lists are asked in parallel, all within one budget. A list is
tested in the background, before the first message and each hour; what its answers mean is decided
in ``listing``, whether it may be asked in ``list_health`` and ``list_share``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from prometheus_client import Counter, Gauge

from common.kinds import NoOptions, takes
from common.preferences import Preferences
from common.preferences.bodies import FilterBody
from common.settings.satellite import FilterSettings
from common.verdict import Outcome, Test, Verdict, printable
from satellite.filtering.asked_list import AskedList, ListSays
from satellite.filtering.asked_names import AskedName, asked_names
from satellite.filtering.filter import Filter, FilterContext, Mail, name_of_test
from satellite.filtering.inside import NoInside
from satellite.filtering.list_terms import OF_CONTENT, DnsListOptions
from satellite.filtering.lookups import SharedLookups
from satellite.filtering.registered import public_suffixes
from satellite.filtering.url_hosts import UrlHosts, hosts_of

BUDGET_S = 5.0  # for one message, a self-test that it has to wait for included
URLS_AT_ONCE_MAX = 10  # of a message: more take too long to read in the event loop
WATCH_S = 5.0  # between looks at which list is due for its test
KIND = "dnsbl"
_NO_HOSTS = UrlHosts()


class Dnsbl:
    """The DNS lists of the preferences.

    Args:
        context: clock, resolver and metrics.
        budget_s: seconds for all lookups of one message.
    """

    def __init__(self, context: FilterContext, *, budget_s: float = BUDGET_S) -> None:
        self.name = KIND
        self._clock = context.clock
        self.budget_s = budget_s
        self._lookups = SharedLookups(context.resolver, context.clock, lookup_s=budget_s)
        self._lists: dict[str, AskedList] = {}
        self._disabled = Gauge(
            "borderscout_dnsbl_disabled",
            "1 while a DNS list is left alone since it is broken, silent or out of hand, else 0",
            ["list"],
            registry=context.metrics,
        )
        self._answers = Counter(
            "borderscout_dnsbl_answers_total",
            "Messages by what a DNS list said of them: listed, not listed, no answer or broken",
            ["list", "answer"],
            registry=context.metrics,
        )
        # Looking a label up costs more than counting: each is looked up once.
        self._counts: dict[tuple[str, str], Counter] = {}
        self._shown: dict[str, bool] = {}

    async def watch(self, preferences: Callable[[], Preferences]) -> None:
        """Test the lists when they are due, until cancelled.

        Args:
            preferences: gives those in force.
        """
        await asyncio.to_thread(public_suffixes)  # it takes its time to be read
        while True:
            bodies = preferences().filters(KIND)
            self._forget_others(bodies)
            for name, body in bodies.items():
                one = self._list(name, body)
                one.test_when_due()
                self._show(name, one)
            await self._clock.sleep(WATCH_S)

    def problems(self) -> tuple[str, ...]:
        """Return which lists are left alone and why, a sentence each."""
        return tuple(
            f"the DNS list {name} is not asked: {printable(one.refusal.detail)}"
            for name, one in self._lists.items()
            if one.refusal is not None
        )

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict for each list."""
        return await self._examined(self._lists_of(mail), mail, budget_s=self.budget_s)

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Return the verdicts when all answers are known already."""
        return self._known(self._lists_of(mail), mail)

    async def examine_envelope(self, mail: Mail, *, budget_s: float) -> tuple[Verdict, ...]:
        """Return the verdicts of the lists that are asked at RCPT.

        Args:
            mail: of which no more is known than client, HELO and sender.
            budget_s: seconds that somebody waits for it.
        """
        return await self._examined(self._lists_at_rcpt(mail), mail, budget_s=budget_s)

    def examine_envelope_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Return the same when all answers are known already."""
        return self._known(self._lists_at_rcpt(mail), mail)

    async def examine_client(self, mail: Mail, *, budget_s: float) -> tuple[Verdict, ...]:
        """Return the verdicts of the lists that are asked as soon as a client connects.

        Args:
            mail: of which no more is known than the client.
            budget_s: seconds that somebody waits for it.
        """
        return await self._examined(self._lists_at_connect(mail), mail, budget_s=budget_s)

    def examine_client_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Return the same when all answers are known already."""
        return self._known(self._lists_at_connect(mail), mail)

    def of_all(self, preferences: Preferences) -> tuple[Verdict, ...] | None:
        """Return nothing, where there is no list."""
        return None if preferences.filters(KIND) else ()

    async def close(self) -> None:
        """Ask no more."""
        for one in self._lists.values():
            one.close()
        await self._lookups.close()

    def _known(self, lists: Mapping[str, AskedList], mail: Mail) -> tuple[Verdict, ...] | None:
        """Return what lists say, or None: at least one has to be asked."""
        hosts = _NO_HOSTS
        if any(map(_is_of_content, lists.values())):
            content = mail.inside.content_at_hand()
            if content is None or len(content.urls) > URLS_AT_ONCE_MAX:
                return None
            hosts = hosts_of(content.urls)
        # All names first: a list must not be asked twice because another one has to be.
        names = {name: _names(one, mail, hosts) for name, one in lists.items()}
        if not all(one.is_at_hand(names[name]) for name, one in lists.items()):
            return None
        return tuple(
            self._verdict(name, one, one.refusal or one.says_at_once(names[name]))
            for name, one in lists.items()
        )

    async def _examined(
        self, lists: Mapping[str, AskedList], mail: Mail, *, budget_s: float
    ) -> tuple[Verdict, ...]:
        ends_s = asyncio.get_running_loop().time() + budget_s
        content: asyncio.Task[UrlHosts | NoInside] | None = None
        async with asyncio.TaskGroup() as group:
            if any(map(_is_of_content, lists.values())):
                content = group.create_task(_url_hosts(mail, timeout_s=budget_s / 2))
            tasks = [
                group.create_task(
                    self._asked(name, one, mail, content, ends_s), name=f"dnsbl {name}"
                )
                for name, one in lists.items()
            ]
        return tuple(task.result() for task in tasks)

    async def _asked(
        self,
        name: str,
        one: AskedList,
        mail: Mail,
        content: asyncio.Task[UrlHosts | NoInside] | None,
        ends_s: float,
    ) -> Verdict:
        began_s = self._clock.monotonic_s()
        says = one.refusal or await _says(one, mail, content, ends_s)
        return self._verdict(name, one, says, took_s=self._clock.monotonic_s() - began_s)

    def _verdict(
        self, name: str, one: AskedList, says: ListSays, *, took_s: float = 0.0
    ) -> Verdict:
        if says.counted:
            self._count(name, says.counted)
        self._show(name, one)
        # A failure counts nothing and stands among the tests, so that nobody takes it for a pass.
        is_told = says.points != 0 or says.outcome not in (Outcome.SCORED, Outcome.SKIPPED)
        detail = printable(says.detail)
        test = Test(name=name_of_test("DNSBL", name), score=says.points, detail=detail)
        return Verdict(
            by=name,
            outcome=says.outcome,
            ms=int(took_s * 1000),
            detail=detail,
            tests=(test,) if is_told else (),
        )

    def _lists_of(self, mail: Mail) -> dict[str, AskedList]:
        bodies = mail.preferences.filters(KIND)
        self._forget_others(bodies)
        return {name: self._list(name, body) for name, body in bodies.items()}

    def _lists_at_rcpt(self, mail: Mail) -> dict[str, AskedList]:
        return {
            name: one
            for name, one in self._lists_of(mail).items()
            if one.terms is not None and one.terms.is_at_rcpt
        }

    def _lists_at_connect(self, mail: Mail) -> dict[str, AskedList]:
        return {
            name: one
            for name, one in self._lists_of(mail).items()
            if one.terms is not None and one.terms.is_at_connect
        }

    def _list(self, name: str, body: FilterBody) -> AskedList:
        known = self._lists.get(name)
        if known is not None and known.is_of(body):
            return known
        if known is not None:
            known.close()
        made = self._lists[name] = AskedList(name, body, self._lookups, self._clock)
        self._show(name, made)
        return made

    def _count(self, name: str, counted: str) -> None:
        child = self._counts.get((name, counted))
        if child is None:
            child = self._counts[name, counted] = self._answers.labels(name, counted)
        child.inc()

    def _show(self, name: str, one: AskedList) -> None:
        is_refused = one.refusal is not None
        if self._shown.get(name) is not is_refused:
            self._shown[name] = is_refused
            self._disabled.labels(name).set(float(is_refused))

    def _forget_others(self, bodies: Mapping[str, FilterBody]) -> None:
        """Drop what is known of lists that the preferences no longer have."""
        if self._lists.keys() <= bodies.keys():
            return
        for name in self._lists.keys() - bodies.keys():
            self._lists.pop(name).close()
            self._disabled.remove(name)
            del self._shown[name]


def _is_of_content(one: AskedList) -> bool:
    return one.terms is not None and bool(one.terms.asks & OF_CONTENT)


def _names(one: AskedList, mail: Mail, hosts: UrlHosts) -> tuple[AskedName, ...]:
    return () if one.terms is None else asked_names(mail, one.terms, hosts)


async def _says(
    one: AskedList,
    mail: Mail,
    content: asyncio.Task[UrlHosts | NoInside] | None,
    ends_s: float,
) -> ListSays:
    """Return what a list says of a message until a time of the event loop."""
    time = asyncio.get_running_loop().time
    hosts, missing = _NO_HOSTS, ""
    if content is not None and _is_of_content(one):
        read = await content
        if isinstance(read, NoInside):
            missing = f"its URLs are not known: {read.what}"
        else:
            hosts = read
    says = await one.says(_names(one, mail, hosts), seconds_left=lambda: ends_s - time())
    if missing and not says.points:
        return replace(says, outcome=Outcome.UNAVAILABLE, detail=missing)
    return says


async def _url_hosts(mail: Mail, *, timeout_s: float) -> UrlHosts | NoInside:
    """Return where the URLs of a message lead, or why nobody could find out in time."""
    try:
        async with asyncio.timeout(timeout_s):
            content = await mail.inside.content()
    except NoInside as error:
        return error
    except TimeoutError:
        return NoInside(f"they were not read within {timeout_s:g} s")
    if len(content.urls) > URLS_AT_ONCE_MAX:
        return await asyncio.to_thread(hosts_of, content.urls)
    return hosts_of(content.urls)


@takes(NoOptions, of_document=DnsListOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; ``timeout_s`` of its settings is the budget of one message."""
    return Dnsbl(context, budget_s=BUDGET_S if settings is None else settings.timeout_s)
