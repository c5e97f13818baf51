"""Does a black or white list entry decide for a recipient?

Touches the expression engine, and who is asked for a proof; what decides is in ``list_decision``.
Who sent the mail is asked only when that decides: mail that no such entry is about waits for
nothing.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable

from common.address import fold
from common.kinds import NoOptions, takes
from common.preferences import ListHit, Preferences
from common.preferences.patterns import compile_pattern
from common.settings.satellite import FilterSettings
from common.strangers import outcome_of
from common.verdict import Outcome, Verdict, printable
from satellite.authentication.results import Authenticity
from satellite.filtering.filter import Filter, FilterContext, Mail
from satellite.filtering.inside import NoInside
from satellite.filtering.list_decision import Judge, ListDecision, decided, tests_of
from satellite.filtering.list_proof import ListProof, ProofState, proof_of

COMPILED_MAX = 1_000  # expressions of header patterns that are kept ready
VALUES_MAX = 20  # fields of one name that are looked at
PROOF_S = 8.0  # below a filter's budget: without an answer the black entries still count


class _NeedsProof(Exception):
    """Somebody has to be asked who sent the mail."""


class Lists:
    """The lists of cluster, customers, domains and recipients.

    Args:
        proof_s: seconds for which it waits to hear who sent a message.
    """

    def __init__(self, *, proof_s: float = PROOF_S) -> None:
        self.name = "lists"
        self._proof_s = proof_s
        self._compiled = functools.lru_cache(maxsize=COMPILED_MAX)(compile_pattern)

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict with the tests of each recipient that an entry applies to.

        A second one, ``lists.proof``, tells when nobody could say who sent the mail.
        """
        answer = self.examine_at_once(mail)
        return answer if answer is not None else await self._examine_with_proof(mail)

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Return the same, or None: it matters who sent the mail."""
        try:
            decisions = self._decisions(mail, _ask)
        except _NeedsProof:
            return None
        return (self._verdict(decisions),)

    def of_all(self, preferences: Preferences) -> tuple[Verdict, ...] | None:
        """Return that no entry decides, where there is none."""
        return None if preferences.has_lists() else (self._verdict({}),)

    async def close(self) -> None:
        """Forget the compiled expressions."""
        self._compiled.cache_clear()

    # ---- inside

    async def _examine_with_proof(self, mail: Mail) -> tuple[Verdict, ...]:
        found = await outcome_of(self._authenticity(mail))
        if isinstance(found, Authenticity):
            known = found
            judge = functools.partial(proof_of, sender=mail.envelope.sender, found=known)
            return (self._verdict(self._decisions(mail, judge)),)
        failure = self._without_proof(found)
        reason = f"who sent it could not be found out: {failure.detail}"
        unknown = ListProof(state=ProofState.UNKNOWN, reason=reason)
        return (self._verdict(self._decisions(mail, lambda _hit: unknown)), failure)

    async def _authenticity(self, mail: Mail) -> Authenticity:
        async with asyncio.timeout(self._proof_s):
            return await mail.inside.authentication()

    def _without_proof(self, failure: Exception) -> Verdict:
        match failure:
            case TimeoutError():
                outcome, detail = Outcome.TIMEOUT, f"no answer within {self._proof_s:g} s"
            case NoInside():
                outcome, detail = Outcome.UNAVAILABLE, failure.what
            case _:  # a defect of who was asked; the black entries count all the same
                outcome, detail = Outcome.ERROR, f"{type(failure).__name__}: {failure}"
        return Verdict(by=f"{self.name}.proof", outcome=outcome, detail=printable(detail))

    def _decisions(self, mail: Mail, judge: Judge) -> dict[str, ListDecision]:
        search = mail.preferences.list_search(
            sender=mail.envelope.sender,
            client_address=mail.envelope.client_address,
            now_us=mail.now_us,
            matches_header=_Header(mail, self._compiled).matches,
        )
        # Two that fold to the same are one to the preferences.
        recipients = dict.fromkeys(map(fold, mail.envelope.recipients))
        return {each: decided(mail.preferences, search, each, judge) for each in recipients}

    def _verdict(self, decisions: dict[str, ListDecision]) -> Verdict:
        told: Iterable[tuple[str | None, ListDecision]] = decisions.items()
        if len(set(decisions.values())) == 1:
            # All the same, as an entry of the cluster is: said once, for all of them.
            told = ((None, decision) for decision in set(decisions.values()))
        tests = tuple(test for recipient, each in told for test in tests_of(each, recipient))
        return Verdict(by=self.name, outcome=Outcome.SCORED, tests=tests)


class _Header:
    """The header of one message, each pattern tried once."""

    def __init__(self, mail: Mail, compiled: Callable[[str], object]) -> None:
        self._mail = mail
        self._compiled = compiled
        self._texts: dict[str, list[str]] = {}

    def matches(self, name: str, expression: str) -> bool:
        texts = self._texts.get(name)
        if texts is None:
            texts = self._texts[name] = self._mail.headers.get_all(name, limit=VALUES_MAX)
        pattern = self._compiled(expression)
        return any(pattern.search(text) is not None for text in texts)  # type: ignore[attr-defined]


def _ask(_hit: ListHit) -> ListProof:
    raise _NeedsProof


@takes(NoOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; it is the same everywhere."""
    return Lists()
