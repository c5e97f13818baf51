"""Which pattern rules match the subject, a header, the sender, or what is inside a message?

Pure, but for the expression engine. RE2 takes time linear in the text whatever the pattern is, and
memory below a bound: a pattern from a user cannot stall a site. What is inside is asked for when a
rule is about it, and where nobody can say, those rules are unknown and the others count.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from common.kinds import NoOptions, takes
from common.preferences import Preferences
from common.preferences.bodies import RuleBody
from common.preferences.patterns import compile_pattern
from common.records.bounds import TESTS_MAX
from common.settings.satellite import FilterSettings
from common.verdict import Outcome, Test, Verdict, printable
from satellite.filtering.filter import Filter, FilterContext, Mail, name_of_test
from satellite.filtering.inside import MailContent, NoInside
from satellite.filtering.scoped import ScopedRecipients

COMPILED_MAX = 1_000  # patterns kept ready
VALUES_MAX = 20  # fields of one name that are looked at
EVIDENCE_LENGTH_MAX = 80  # characters of what matched

_ATTACHMENT = "attachment"
_NOTHING = MailContent()


class Rules:
    """The pattern rules of the preferences."""

    def __init__(self) -> None:
        self.name = "rules"
        self._of_content = "rules.content"  # the verdict on rules that could not be tried
        self._of_many = "rules.many"  # and on those that matched for too many recipients
        self._compiled = functools.lru_cache(maxsize=COMPILED_MAX)(compile_pattern)

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict with a test for each rule that matches.

        A rule of a narrower scope than the cluster counts for the recipients in that scope. Where
        some rules could not be tried on all there is, a second verdict says so.
        """
        at_once = self.examine_at_once(mail)
        if at_once is not None:
            return at_once
        scopes = ScopedRecipients(mail)
        try:
            content = await mail.inside.content()
        except NoInside as error:
            return self._verdicts(mail, scopes, None, unknown=error.what)
        return self._verdicts(mail, scopes, content, unknown=self._unread(mail, scopes, content))

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Do the same, or return None: a rule is about what has to be asked for."""
        if not mail.preferences.rules():
            return ()
        scopes = ScopedRecipients(mail)
        if not any(rule.is_on_content for rule in self._applying(mail, scopes)):
            return self._verdicts(mail, scopes, _NOTHING)
        content = mail.inside.content_at_hand()
        if content is None:
            return None
        return self._verdicts(mail, scopes, content, unknown=self._unread(mail, scopes, content))

    def of_all(self, preferences: Preferences) -> tuple[Verdict, ...] | None:
        """Return nothing, where there is no rule."""
        return None if preferences.rules() else ()

    async def close(self) -> None:
        """Forget the compiled patterns."""
        self._compiled.cache_clear()

    def _verdicts(
        self, mail: Mail, scopes: ScopedRecipients, content: MailContent | None, unknown: str = ""
    ) -> tuple[Verdict, ...]:
        rules, texts = mail.preferences.rules(), _Texts(mail, content)
        found = self._first_tests(rules, texts, scopes)
        too_many: tuple[Verdict, ...] = ()
        if len(found) > TESTS_MAX:
            # Whoever writes to very many must not make all rules count nothing by that: those that
            # are said once for all come first, and of the others as many as there is room for.
            rules = dict(sorted(rules.items(), key=lambda each: len(scopes.of(each[1].scope)) > 1))
            found = self._first_tests(rules, texts, scopes)[:TESTS_MAX]
            detail = f"more than {TESTS_MAX} tests: some rules do not count for some recipients"
            too_many = (Verdict(by=self._of_many, outcome=Outcome.ERROR, detail=detail),)
        verdict = Verdict(by=self.name, outcome=Outcome.SCORED, tests=found)
        if not unknown:
            return verdict, *too_many
        detail = printable(f"rules on what is inside are not known to match: {unknown}")
        unread = Verdict(by=self._of_content, outcome=Outcome.UNAVAILABLE, detail=detail)
        return verdict, *too_many, unread

    def _first_tests(
        self, rules: Mapping[str, RuleBody], texts: _Texts, scopes: ScopedRecipients
    ) -> tuple[Test, ...]:
        """Return the tests of rules in their order, one more at most than a verdict may have."""
        tests = (
            test for name, rule in rules.items() for test in self._tests(name, rule, texts, scopes)
        )
        return tuple(islice(tests, TESTS_MAX + 1))

    def _unread(self, mail: Mail, scopes: ScopedRecipients, content: MailContent) -> str:
        """Return why a rule on attachments may match none that is told, empty when it cannot be."""
        is_asked = content.unread and any(
            rule.field.startswith(_ATTACHMENT) for rule in self._applying(mail, scopes)
        )
        return "; ".join(content.unread) if is_asked else ""

    @staticmethod
    def _applying(mail: Mail, scopes: ScopedRecipients) -> Iterable[RuleBody]:
        return (rule for rule in mail.preferences.rules().values() if scopes.of(rule.scope))

    def _tests(
        self, name: str, rule: RuleBody, texts: _Texts, scopes: ScopedRecipients
    ) -> Iterator[Test]:
        recipients = scopes.of(rule.scope)
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
    """The texts that rules look at, each decoded once.

    Args:
        mail: the message.
        content: what is inside; None: nobody knows.
    """

    def __init__(self, mail: Mail, content: MailContent | None) -> None:
        self._mail = mail
        self._content = content or _NOTHING
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
            case field if field in _INSIDE:
                return _INSIDE[field](self._content)
            case _:
                return headers.get_all(field.removeprefix("header:"), limit=VALUES_MAX)


# What a rule on each of these fields looks at.
_INSIDE: Mapping[str, Callable[[MailContent], Sequence[str]]] = {
    "body": lambda content: content.texts,
    "url": lambda content: content.urls,
    "attachment": lambda content: [part.name for part in content.parts if part.name],
    "attachment:kind": lambda content: [kind for part in content.parts for kind in part.kinds],
    "attachment:type": lambda content: [part.media_type for part in content.parts],
}


@takes(NoOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; it is the same everywhere."""
    return Rules()
