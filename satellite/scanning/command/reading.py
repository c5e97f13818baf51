"""Which verdict does the end of a scanner mean?

Pure. What is found counts before all else, by its name or by the exit code. Clean is only what the
exit code calls so, and the words with it; an unknown code, a signal and silence are errors.

A sender chooses the names of files, and a scanner prints them. So words may make a message worse
than its exit code says and never better, and that the scanner cannot work is believed only
where its exit code is an error as well.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from common.preferences.patterns import compile_pattern
from common.verdict import DETAIL_LENGTH_MAX, Outcome, printable
from satellite.scanning.command.dsa_report import NAMELESS, meaning_of_report
from satellite.scanning.command.ended import Ended
from satellite.scanning.command.profile import Code, CommandProfile, ReportForm
from satellite.scanning.meaning import Meaning

THREATS_MAX = 32
MATCHES_MAX = 8 * THREATS_MAX  # the same names again and again; by then it is infected anyway
SAID_LENGTH_MAX = 300  # characters of its words in a detail

_WORD = re.compile(r"[A-Za-z0-9_]+")

# What ends a program at the bounds that we set it (setrlimit(2)): the message is to blame.
_BEYOND_BOUNDS = frozenset({-signal.SIGXCPU, -signal.SIGXFSZ})


class Reading:
    """Reads what one scanner says, by its profile."""

    def __init__(self, profile: CommandProfile) -> None:
        self._codes = {code: said for said, codes in profile.exit_codes.items() for code in codes}
        self._report = profile.report
        self._threats = _compiled(profile.threats)
        self._no_threats = compile_pattern(profile.no_threats)
        self._encrypted = _compiled(profile.encrypted)
        self._limits = _compiled(profile.limits)
        self._unavailable = _compiled(profile.unavailable)
        self._clean = compile_pattern(profile.clean)
        self._log = None if profile.log is None else compile_pattern(profile.log)
        self._names = None if profile.names is None else compile_pattern(profile.names.says)

    def meaning(self, ended: Ended) -> Meaning:
        """Return the verdict."""
        text = _text(ended)
        code = self._codes.get(ended.code)
        reported = self._reported(ended)
        unseen = self._unseen(text)
        threats = _unique(chain(reported.threats, self._named(text)))
        if threats or code is Code.INFECTED or (code is Code.FOUND and not unseen):
            return Meaning(Outcome.INFECTED, threats or (NAMELESS,))
        if ended.is_cut:
            return Meaning(Outcome.LIMITS, detail="it printed more than we read")
        if ended.code in _BEYOND_BOUNDS:
            return Meaning(Outcome.LIMITS, detail=_ending(ended))
        if code is None:
            outcome = Outcome.UNAVAILABLE if self.is_unavailable(ended) else Outcome.ERROR
            return Meaning(outcome, detail=_ending(ended), died=ended.code < 0)
        if reported.outcome is Outcome.ERROR:
            return reported
        outcomes = unseen | {reported.outcome} | ({code.outcome} - {Outcome.INFECTED})
        return self._weightiest(outcomes, reported.detail, text)

    def is_unavailable(self, ended: Ended) -> bool:
        """Return whether it says that it cannot scan anything now."""
        return _any(self._unavailable, _text(ended))

    @staticmethod
    def refusal(ended: Ended) -> str:
        """Return in words how a program ended that did not say what it must."""
        return _ending(ended)

    def log_of(self, ended: Ended) -> str:
        """Return the name of the log of the scan; empty: there is none."""
        match = None if self._log is None else self._log.search(_text(ended))
        # It becomes an argument of a program.
        return match.group(1) if match is not None and _WORD.fullmatch(match.group(1)) else ""

    def names_in_log(self, ended: Ended, *, sample: str) -> tuple[str, ...]:
        """Return the names that a log has for one file, or for what lies in it."""
        if self._names is None:
            return ()
        found = (match.groups() for match in self._names.finditer(_text(ended)))
        return _unique(printable(name.strip()) for place, name in found if sample in place)

    def _named(self, text: str) -> Iterator[str]:
        for pattern in self._threats:
            for match in pattern.finditer(text):
                name = printable(match.group(1).strip())
                if not self._no_threats.search(name):
                    yield name

    def _reported(self, ended: Ended) -> Meaning:
        if self._report is ReportForm.DSA_JSON:
            return meaning_of_report(ended.output.decode("utf-8", "replace"))
        return Meaning(Outcome.CLEAN)

    def _unseen(self, text: str) -> frozenset[Outcome]:
        """Return what its words say of parts that it did not scan."""
        limits = {Outcome.LIMITS} if _any(self._limits, text) else set()
        encrypted = {Outcome.ENCRYPTED} if _any(self._encrypted, text) else set()
        return frozenset(limits | encrypted)

    def _weightiest(self, outcomes: frozenset[Outcome], detail: str, text: str) -> Meaning:
        """Return what is unknown before what is known, where nothing was found."""
        for outcome in (Outcome.LIMITS, Outcome.ENCRYPTED, Outcome.MACRO):
            if outcome in outcomes:
                return Meaning(outcome, detail=detail or _start(text))
        if self._clean.search(text) is None:
            return Meaning(Outcome.ERROR, detail=f"it does not say clean: {_start(text)}")
        return Meaning(Outcome.CLEAN)


def told(pattern: str, ended: Ended) -> str | None:
    """Return what a question's answer says, empty where no group is wanted; None: not so."""
    match = compile_pattern(pattern).search(_text(ended)) if ended.code >= 0 else None
    if match is None:
        return None
    return printable(match.group(1)) if match.groups() else ""


def _compiled(patterns: Iterable[str]) -> tuple[Any, ...]:
    return tuple(compile_pattern(pattern) for pattern in patterns)


def _any(patterns: Iterable[Any], text: str) -> bool:
    return any(pattern.search(text) is not None for pattern in patterns)


def _text(ended: Ended) -> str:
    """Return all that was printed; each octet is a character, so that nothing can be invalid."""
    return (ended.output + b"\n" + ended.complaints).decode("latin-1")


def _start(text: str) -> str:
    said = printable(" ".join(text.split()), length_max=SAID_LENGTH_MAX)
    return said or "it printed nothing"


def _ending(ended: Ended) -> str:
    how = f"ended by signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
    return printable(f"{how}: {_start(_text(ended))}", length_max=DETAIL_LENGTH_MAX)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(islice(names, MATCHES_MAX)))[:THREATS_MAX]
