"""Which findings do the engines' verdicts amount to: virus, encrypted, macro, unavailable, stale?

Pure. Fail closed (P5): a required engine without an answer is a finding, and so is one without a
record at all. What an engine *found* counts whether it is required or not. When no engine at all
has answered, none may be missing: then each silence is a finding, and where all were skipped, each
skip.

=============================== ============================ ===========================
outcome                         of a required engine         of another one
=============================== ============================ ===========================
clean                           nothing                      nothing
infected                        virus                        virus
encrypted                       encrypted                    encrypted
macro                           macro                        macro
limits                          unscannable                  unscannable
unreadable                      archive.unreadable           archive.unreadable
skipped                         unscannable                  nothing
skipped, since barred           nothing                      nothing
error                           unavailable.error            nothing
timeout                         unavailable.timeout          nothing
unavailable                     unavailable                  nothing
no record                       unavailable                  nothing
=============================== ============================ ===========================

Old definitions are a finding, ``stale``, when an engine that must answer read the message with
them, or when all that read it did.

Barred is an engine that the policy of a recipient keeps from the mail (``engine.cloud``): it need
not answer then.

An archive that an engine could not open is a finding of its own, beside whatever else its verdict
says. Nothing does not mean unseen: each verdict stands in the header, the record and the metrics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from common.verdict import Outcome, Verdict
from satellite.judging.disposition import Finding, FindingKind
from satellite.judging.staleness import described
from satellite.scanning.engine import BARRED

_FOUND = {
    Outcome.INFECTED: FindingKind.VIRUS,
    Outcome.ENCRYPTED: FindingKind.ENCRYPTED,
    Outcome.MACRO: FindingKind.MACRO,
    Outcome.LIMITS: FindingKind.UNSCANNABLE,
    Outcome.UNREADABLE: FindingKind.ARCHIVE_UNREADABLE,
}
_NO_ANSWER = {
    Outcome.SKIPPED: FindingKind.UNSCANNABLE,
    Outcome.ERROR: FindingKind.UNAVAILABLE_ERROR,
    Outcome.TIMEOUT: FindingKind.UNAVAILABLE_TIMEOUT,
    Outcome.UNAVAILABLE: FindingKind.UNAVAILABLE,
    Outcome.SCORED: FindingKind.UNAVAILABLE,  # a filter's word; from an engine it is no answer
}
_SILENCES = frozenset(_NO_ANSWER.values()) - {FindingKind.UNSCANNABLE}


def findings(
    verdicts: Sequence[Verdict],
    *,
    required: Mapping[str, bool],
    spared: Collection[tuple[str, str]] = frozenset(),
) -> tuple[Finding, ...]:
    """Return what has to be weighed, in the order of the verdicts, silent engines last.

    Args:
        verdicts: of engines, on one message.
        required: every configured engine, and whether it must answer.
        spared: threats that are none, each with the engine that named it.
    """
    if _is_plain(verdicts, required):
        return ()
    required = {**required, **dict.fromkeys(_barred(verdicts), False)}
    if any(verdict.outcome not in _NO_ANSWER for verdict in verdicts):
        return tuple(_found(verdicts, required, spared))
    needed = dict.fromkeys(_last_hope(verdicts, required), True)
    return tuple(
        replace(finding, is_of_all=finding.kind in _SILENCES)
        for finding in _found(verdicts, {**required, **needed}, spared)
    )


def _is_plain(verdicts: Sequence[Verdict], required: Mapping[str, bool]) -> bool:
    """Say whether all engines called it clean: nearly all mail is done with here."""
    for verdict in verdicts:
        if verdict.outcome is not Outcome.CLEAN or verdict.unreadable or verdict.is_stale:
            return False
    return required.keys() <= {verdict.by for verdict in verdicts}


def _barred(verdicts: Sequence[Verdict]) -> set[str]:
    """Return the engines that were kept from the message."""
    return {
        verdict.by
        for verdict in verdicts
        if verdict.outcome is Outcome.SKIPPED and verdict.detail == BARRED
    }


def _last_hope(verdicts: Sequence[Verdict], required: Mapping[str, bool]) -> set[str]:
    """Return the engines that may still answer, when none has; all of them when none will."""
    engines = {*required, *(verdict.by for verdict in verdicts)}
    skipped = {verdict.by for verdict in verdicts if verdict.outcome is Outcome.SKIPPED}
    return engines - skipped or engines


def _found(
    verdicts: Sequence[Verdict],
    required: Mapping[str, bool],
    spared: Collection[tuple[str, str]],
) -> Iterator[Finding]:
    for verdict in verdicts:
        must_answer = required.get(verdict.by, True)
        yield from _of_verdict(verdict, must_answer=must_answer, spared=spared)
    yield from _stale(verdicts, required)
    heard = {verdict.by for verdict in verdicts}
    for name, must_answer in required.items():
        if must_answer and name not in heard:
            yield Finding(FindingKind.UNAVAILABLE, name, "no record")


def _stale(verdicts: Sequence[Verdict], required: Mapping[str, bool]) -> Iterator[Finding]:
    readers = [verdict for verdict in verdicts if verdict.outcome not in _NO_ANSWER]
    is_of_all = all(verdict.is_stale for verdict in readers)
    for verdict in readers:
        if verdict.is_stale and (is_of_all or required.get(verdict.by, True)):
            yield Finding(FindingKind.STALE, verdict.by, f"definitions {described(verdict)}")


def _of_verdict(
    verdict: Verdict, *, must_answer: bool, spared: Collection[tuple[str, str]]
) -> Iterator[Finding]:
    kind = _kind(verdict.outcome, must_answer=must_answer)
    threats = verdict.threats
    if kind is FindingKind.VIRUS and threats and spared:
        threats = tuple(threat for threat in threats if (verdict.by, threat) not in spared)
        kind = kind if threats else None  # a virus without a name cannot be spared
    if kind is not None:
        named = ", ".join(threats) or verdict.detail or str(verdict.outcome)
        yield Finding(kind, verdict.by, named)
    if verdict.unreadable and kind is not FindingKind.ARCHIVE_UNREADABLE:
        kinds = ", ".join(verdict.unreadable)
        yield Finding(FindingKind.ARCHIVE_UNREADABLE, verdict.by, f"cannot open: {kinds}")


def _kind(outcome: Outcome, *, must_answer: bool) -> FindingKind | None:
    match outcome:
        case Outcome.CLEAN:
            return None
        case (
            Outcome.INFECTED
            | Outcome.ENCRYPTED
            | Outcome.MACRO
            | Outcome.LIMITS
            | Outcome.UNREADABLE
        ):
            return _FOUND[outcome]
        case (
            Outcome.SKIPPED | Outcome.ERROR | Outcome.TIMEOUT | Outcome.UNAVAILABLE | Outcome.SCORED
        ):
            return _NO_ANSWER[outcome] if must_answer else None
        case _:
            assert_never(outcome)
