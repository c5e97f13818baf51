"""Which YARA rules match an octet string, and what does a match mean?

Pure, but for the rule engine. Rules are compiled once; each unit of a message is matched with two
facts that rules may use as globals: ``in_archive`` and ``member_name``.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence

import yara_x

from common.pushed_rules import CLUSTER
from common.verdict import Outcome, printable
from common.yara_compiling import compiled, namespace_of
from satellite.scanning.content_kind import MARKS
from satellite.scanning.cpu_budget import CpuBudget

THREATS_MAX = 16  # names in one verdict; more explain nothing
UNIT_S = 5  # for the rules on one unit; the shipped ones need 5 ms for 50 MB
PATIENCE = 8  # the engine's time-out is of wall time: a busy machine gives us a share of it
MATCHES_MAX = 16  # of one pattern; a rule needs to know that, not how often
RULE_OUTCOMES = frozenset({Outcome.INFECTED, Outcome.MACRO, Outcome.ENCRYPTED})

# By the name of the rules, their scope and what they say: the names of threats.
ScopedNames = dict[tuple[str, str, Outcome], list[str]]

_RULES_OF_MARKS = "\n".join(
    f"rule {name} {{ strings: $mark = {{ {mark.hex(' ')} }} condition: $mark }}"
    for name, mark in MARKS.items()
)

# The engine wants a scanner freed by the thread that made it, and a matcher may end in any one that
# collects garbage: scanners that are left stay here until their thread makes the next matcher.
_LEFT: list[tuple[int, yara_x.Scanner]] = []
_thread = threading.get_ident


class Matcher:
    """The compiled rules, ready for one octet string after the other.

    Args:
        sources: a file's name and its text each, and the scope of rules that do not concern
            everybody.
    """

    def __init__(self, sources: Iterable[Sequence[str]]) -> None:
        sources = list(sources)
        self._scoped = dict(_scoped(sources))
        _LEFT[:] = [(thread, scanner) for thread, scanner in _LEFT if thread != _thread()]
        self._scanner = self._scanner_of(compiled(sources))
        self._for_marks: yara_x.Scanner | None = None
        self._timeout_s = 0
        self._asked_for: tuple[bool, str] | None = None  # in_archive and member_name
        self._set_timeout(UNIT_S)
        self._scanner.max_matches_per_pattern(MATCHES_MAX)

    def match(
        self,
        content: bytes,
        found: Mapping[Outcome, list[str]],
        *,
        scoped: ScopedNames | None = None,
        budget: CpuBudget | None = None,
        in_archive: bool = False,
        member_name: str = "",
    ) -> None:
        """Add what the rules find in ``content`` to the names found before.

        Args:
            content: the octets.
            found: the names of threats so far, a list for each of ``RULE_OUTCOMES``.
            scoped: likewise, of rules that do not concern everybody; None: there are no such rules.
            budget: what is left for this message; None: ``UNIT_S`` of wall time.
            in_archive, member_name: what rules may ask for.

        Raises:
            LimitExceeded: the rules spent the budget.
            TimeoutError: the rules took too long.
        """
        if (in_archive, member_name) != self._asked_for:  # to set them costs what a scan does
            self._asked_for = None
            self._scanner.set_global("in_archive", in_archive)
            self._scanner.set_global("member_name", member_name)
            self._asked_for = in_archive, member_name
        results = self._results(content) if budget is None else self._within(budget, content)
        for rule in results.matching_rules:
            outcome, threat = _meaning(rule)
            names = self._names(rule, outcome, found, scoped)
            if threat not in names and len(names) < THREATS_MAX:
                names.append(threat)

    def marks_in(self, content: bytes) -> frozenset[str]:
        """Return which of ``MARKS`` stand anywhere in ``content``.

        All at once, in a tenth of the time that Python takes for one of them.
        """
        if self._for_marks is None:  # matched by few: mail that is plain has no archives
            self._for_marks = self._scanner_of(yara_x.compile(_RULES_OF_MARKS))
            self._for_marks.max_matches_per_pattern(1)
        return frozenset(rule.identifier for rule in self._for_marks.scan(content).matching_rules)

    def _names(
        self,
        rule: yara_x.Rule,
        outcome: Outcome,
        found: Mapping[Outcome, list[str]],
        scoped: ScopedNames | None,
    ) -> list[str]:
        """Return the list that a rule's name belongs to."""
        whose = self._scoped.get(rule.namespace) if self._scoped else None
        if whose is None:
            return found[outcome]
        assert scoped is not None
        return scoped.setdefault((*whose, outcome), [])

    def _scanner_of(self, rules: yara_x.Rules) -> yara_x.Scanner:
        scanner = yara_x.Scanner(rules)
        weakref.finalize(self, _LEFT.append, (_thread(), scanner)).atexit = False
        return scanner

    def _within(self, budget: CpuBudget, content: bytes) -> yara_x.ScanResults:
        """Return what matches; a scan that the machine kept waiting is done once more."""
        self._set_timeout(math.ceil(budget.left_s) + 1)
        try:
            return self._results(content)
        except TimeoutError:
            budget.check()
        self._set_timeout(math.ceil(budget.left_s) * PATIENCE)
        return self._results(content)

    def _results(self, content: bytes) -> yara_x.ScanResults:
        try:
            return self._scanner.scan(content)
        except yara_x.TimeoutError:
            raise TimeoutError from None

    def _set_timeout(self, seconds: int) -> None:
        if seconds != self._timeout_s:
            self._timeout_s = seconds
            self._scanner.set_timeout(seconds)


def _scoped(sources: Iterable[Sequence[str]]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield namespace, name and scope of the files whose rules do not concern everybody."""
    for number, (name, _text, *scope) in enumerate(sources):
        if scope and scope[0] != CLUSTER:
            yield namespace_of(number), (name, scope[0])


def nothing_found() -> dict[Outcome, list[str]]:
    """Return what ``Matcher.match`` adds to."""
    return {outcome: [] for outcome in RULE_OUTCOMES}


def _meaning(rule: yara_x.Rule) -> tuple[Outcome, str]:
    """Return what a match means; a rule that does not say it names a threat."""
    meta = dict(rule.metadata)
    said = meta.get("outcome")
    outcome = next((item for item in RULE_OUTCOMES if item.value == said), Outcome.INFECTED)
    threat = meta.get("threat", rule.identifier)
    if isinstance(threat, bytes):  # text with control characters in it
        threat = threat.decode("latin-1")
    return outcome, printable(str(threat))
