"""Which YARA rules match an octet string, and what does a match mean?

Pure, but for the rule engine. Rules are compiled once; each unit of a message is matched with two
facts that rules may use as globals: ``in_archive`` and ``member_name``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import yara_x

from common.errors import LocalError
from common.verdict import DETAIL_LENGTH_MAX, Outcome, printable

THREATS_MAX = 16  # names in one verdict; more explain nothing
UNIT_S = 5  # for the rules on one unit; the shipped ones need 5 ms for 50 MB
MATCHES_MAX = 16  # of one pattern; a rule needs to know that, not how often
RULE_OUTCOMES = frozenset({Outcome.INFECTED, Outcome.MACRO, Outcome.ENCRYPTED})


def compiled(sources: Iterable[Sequence[str]]) -> yara_x.Rules:
    """Return the rules of all files, each file a namespace of its own.

    Args:
        sources: pairs of a file's name and its text.

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


class Matcher:
    """The compiled rules, ready for one octet string after the other."""

    def __init__(self, sources: Iterable[Sequence[str]]) -> None:
        self._scanner = yara_x.Scanner(compiled(sources))
        self._scanner.set_timeout(UNIT_S)
        self._scanner.max_matches_per_pattern(MATCHES_MAX)

    def match(
        self,
        content: bytes,
        found: Mapping[Outcome, list[str]],
        *,
        in_archive: bool = False,
        member_name: str = "",
    ) -> None:
        """Add what the rules find in ``content`` to the names found before.

        Args:
            content: the octets.
            found: the names of threats so far, a list for each of ``RULE_OUTCOMES``.
            in_archive, member_name: what rules may ask for.

        Raises:
            TimeoutError: the rules took too long.
        """
        self._scanner.set_global("in_archive", in_archive)
        self._scanner.set_global("member_name", member_name)
        try:
            results = self._scanner.scan(content)
        except yara_x.TimeoutError:
            raise TimeoutError from None
        for rule in results.matching_rules:
            outcome, threat = _meaning(rule)
            names = found[outcome]
            if threat not in names and len(names) < THREATS_MAX:
                names.append(threat)


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
