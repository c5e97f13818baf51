"""Which pattern rules match the subject, a header or the sender?

Pure, but for the expression engine. RE2 takes time linear in the text whatever the pattern is, and
memory below a bound: a pattern from a user cannot stall a site.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from itertools import islice

from common.address import fold
from common.kinds import NoOptions, takes
from common.preferences.bodies import RuleBody
from common.preferences.patterns import compile_pattern
from common.settings.satellite import FilterSettings
from common.verdict import Outcome, Test, Verdict, printable
from satellite.filtering.filter import TESTS_MAX, Filter, FilterContext, Mail, name_of_test

COMPILED_MAX = 1_000  # patterns kept ready
VALUES_MAX = 20  # fields of one name that are looked at
EVIDENCE_LENGTH_MAX = 80  # characters of what matched


class Rules:
    """The pattern rules of the preferences."""

    def __init__(self) -> None:
        self.name = "rules"
        self._compiled = functools.lru_cache(maxsize=COMPILED_MAX)(compile_pattern)

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict with a test for each rule that matches.

        A rule of a narrower scope than the cluster counts for the recipients in that scope.
        """
        return self.examine_at_once(mail)

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...]:
        """Do the same: nothing here waits."""
        rules = mail.preferences.rules()
        if not rules:
            return ()
        scopes = _Scopes(mail)
        texts = _Texts(mail)
        tests = (
            test for name, rule in rules.items() for test in self._tests(name, rule, texts, scopes)
        )
        # One more than a verdict may have is a fault that is seen; a million would be work.
        found = tuple(islice(tests, TESTS_MAX + 1))
        return (Verdict(by=self.name, outcome=Outcome.SCORED, tests=found),)

    async def close(self) -> None:
        """Forget the compiled patterns."""
        self._compiled.cache_clear()

    def _tests(self, name: str, rule: RuleBody, texts: _Texts, scopes: _Scopes) -> Iterator[Test]:
        recipients = scopes.recipients(rule.scope)
        if not recipients:
            return
        found = self._search(rule, texts)
        if found is None:
            return
        detail = f"rule {name} ({rule.scope}): {rule.field} has {found[:EVIDENCE_LENGTH_MAX]!r}"
        for recipient in recipients:
            yield Test(
                name=name_of_test("RULE", name),
                score=rule.score,
                detail=printable(detail),
                recipient=recipient,
            )

    def _search(self, rule: RuleBody, texts: _Texts) -> str | None:
        """Return what the pattern matches first, or None."""
        pattern = self._compiled(rule.pattern)
        for text in texts.of(rule.field):
            match = pattern.search(text)
            if match is not None:
                return str(match.group())
        return None


class _Texts:
    """The texts that rules look at, each decoded once."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self._known: dict[str, Sequence[str]] = {}

    def of(self, field: str) -> Sequence[str]:
        if field not in self._known:
            self._known[field] = self._read(field)
        return self._known[field]

    def _read(self, field: str) -> Sequence[str]:
        headers = self._mail.headers
        match field:
            case "subject":
                return (headers.subject,)
            case "sender":
                # The engine takes no half of a surrogate pair, and must not be stopped by one.
                return (self._mail.envelope.sender.encode("utf-8", "replace").decode(),)
            case _:
                return headers.get_all(field.removeprefix("header:"), limit=VALUES_MAX)


class _Scopes:
    """Which recipients of a message stand in which scope."""

    def __init__(self, mail: Mail) -> None:
        self._found: dict[str, list[str | None]] = {"cluster": [None]}
        # Two that fold to the same are one to the preferences, and a test that named it twice
        # would count twice.
        recipients = dict.fromkeys(map(fold, mail.envelope.recipients))
        for recipient in recipients:
            for scope in mail.preferences.scopes(recipient)[1:]:
                self._found.setdefault(str(scope), []).append(recipient)
        for name, found in self._found.items():
            if len(found) == len(recipients):
                self._found[name] = [None]  # all of them: said once

    def recipients(self, scope: str) -> Sequence[str | None]:
        return self._found.get(scope, ())


@takes(NoOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; it is the same everywhere."""
    return Rules()
