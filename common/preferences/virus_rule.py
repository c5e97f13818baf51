"""Whose word makes a threat of what an engine names: any engine's, most engines', or whose?

Pure. The rule of a recipient is the policy key ``virus.rule``; it is weighed by
``satellite.judging.votes``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ENGINES_MAX = 16  # that one rule names; nobody has as many
_PREFIX = "engines:"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class VirusRule(str):
    """``any``, ``majority`` or ``engines:NAME,NAME``: a text that was read and is canonical."""

    __slots__ = ()

    @property
    def engines(self) -> frozenset[str]:
        """The engines that decide; empty when all of them do."""
        if not self.startswith(_PREFIX):
            return frozenset()
        return frozenset(self.removeprefix(_PREFIX).split(","))


ANY = VirusRule("any")
MAJORITY = VirusRule("majority")


@dataclass(frozen=True, slots=True)
class VirusRuleForm:
    """What the policy key ``virus.rule`` may hold; see ``forms.Form``."""

    def parse(self, name: str, value: object) -> VirusRule:
        if value in (ANY, MAJORITY):
            return VirusRule(value)
        if isinstance(value, str) and value.startswith(_PREFIX):
            named = sorted(set(value.removeprefix(_PREFIX).split(",")))
            if len(named) <= ENGINES_MAX and all(_NAME.fullmatch(each) for each in named):
                return VirusRule(_PREFIX + ",".join(named))
        raise ValueError(
            f"{name} is any, majority or engines:NAME,NAME with at most {ENGINES_MAX} names of"
            f" engines, not {str(value)[:80]!r}"
        )

    def read(self, name: str, text: str) -> str:
        return str(self.parse(name, text))

    @property
    def described(self) -> str:
        return "`any`, `majority`, or `engines:NAME,NAME`"
