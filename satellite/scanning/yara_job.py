"""Which rules match a message, or anything inside it?

Runs in the helper process. Rules are compiled once; each unit of a message is matched with two
facts that rules may use as globals: ``in_archive`` and ``member_name``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yara_x

from common.errors import LocalError
from common.verdict import DETAIL_LENGTH_MAX, Outcome, printable
from satellite.scanning.limits import Limits
from satellite.scanning.unpack import Unit, Unpacking

THREATS_MAX = 16  # names in one verdict; more explain nothing
UNIT_S = 5  # for the rules on one unit; the shipped ones need 5 ms for 50 MB
MATCHES_MAX = 16  # of one pattern; a rule needs to know that, not how often
RULE_OUTCOMES = frozenset({Outcome.INFECTED, Outcome.MACRO, Outcome.ENCRYPTED})


def prepare(options: Mapping[str, Any]) -> Callable[[bytes], dict[str, Any]]:
    """Return what scans one message.

    Args:
        options: ``sources``: the rules, a list of pairs of a file's name and its text.

    Raises:
        LocalError: a rule does not compile.
    """
    scanner = yara_x.Scanner(compiled(options["sources"]))
    scanner.set_timeout(UNIT_S)
    scanner.max_matches_per_pattern(MATCHES_MAX)
    limits = Limits()

    def scan(message: bytes) -> dict[str, Any]:
        return _Scan(scanner, limits).result(message)

    scan(b"")  # what a first scan reserves counts as the process's own
    return scan


def compiled(sources: list[tuple[str, str]]) -> yara_x.Rules:
    """Return the rules of all files, each file a namespace of its own.

    Raises:
        LocalError: a rule does not compile.
    """
    compiler = yara_x.Compiler(includes_enabled=False)
    compiler.define_global("in_archive", False)
    compiler.define_global("member_name", "")
    for number, (name, text) in enumerate(sources):
        compiler.new_namespace(f"file{number}")
        try:
            compiler.add_source(text, origin=name)
        except yara_x.CompileError as error:
            what = printable(" ".join(str(error).split()), length_max=DETAIL_LENGTH_MAX)
            raise LocalError(f"{name}: {what}", hint="correct the rule") from None
    return compiler.build()


class _Scan:
    """The scan of one message."""

    def __init__(self, scanner: yara_x.Scanner, limits: Limits) -> None:
        self._scanner = scanner
        self._unpacking = Unpacking(limits)
        self._found: dict[Outcome, list[str]] = {outcome: [] for outcome in RULE_OUTCOMES}
        self._late = False

    def result(self, message: bytes) -> dict[str, Any]:
        for unit in self._unpacking.units(message):
            self._match(unit)
        incomplete = list(self._unpacking.limits_met)
        if self._late:
            incomplete.append("the rules took too long")
        return {
            "found": {str(outcome): names for outcome, names in self._found.items()},
            "incomplete": incomplete,
            "locked": self._unpacking.encrypted,
        }

    def _match(self, unit: Unit) -> None:
        self._scanner.set_global("in_archive", unit.in_archive)
        self._scanner.set_global("member_name", unit.name)
        try:
            results = self._scanner.scan(unit.content)
        except yara_x.TimeoutError:
            self._late = True
            return
        for rule in results.matching_rules:
            outcome, threat = _meaning(rule)
            names = self._found[outcome]
            if threat not in names and len(names) < THREATS_MAX:
                names.append(threat)


def _meaning(rule: yara_x.Rule) -> tuple[Outcome, str]:
    """Return what a match means; a rule that does not say it names a threat."""
    meta = dict(rule.metadata)
    said = meta.get("outcome")
    outcome = next((item for item in RULE_OUTCOMES if item.value == said), Outcome.INFECTED)
    threat = meta.get("threat", rule.identifier)
    if isinstance(threat, bytes):  # text with control characters in it
        threat = threat.decode("latin-1")
    return outcome, printable(str(threat))
