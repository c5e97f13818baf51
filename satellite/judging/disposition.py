"""Which disposition does each recipient get by policy and score, and which rule decided?

Pure. The causes that apply to a message each ask for an action (``CAUSES``: from which policy key);
the strongest action wins, and among equals the cause that stands first:

========================== ======================================================================
drop                       final: nothing an engine may still say can change it
reject                     only before ``250``; later it acts as quarantine
quarantine by a scan       ``virus`` or ``unscannable``: an answer that is missing cannot soften it
wait                       a silent engine may still name a threat, or open what others cannot, and
                           so may one with later definitions: everything below has to wait
quarantine                 black list, DMARC, archive.unreadable, virus.outvoted, encrypted, macro,
                           stale, score, postmaster, or waited too long
mark                       deliver, with the marks on
deliver
========================== ======================================================================

While no engine at all has answered, nothing is delivered for want of one: there ``mark`` waits.

A white list switches off the score's thresholds, DMARC and black lists of wider scopes. It never
touches what a scan found: a virus is not delivered because somebody likes its sender.
Source: promises P5, P12; docs/filters.md, *What is done*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import assert_never

from common.frozen import dataclass
from common.preferences.policy import Action, OwnersWish, Policy, policy_key
from common.verdict import Effect, Test, points, printable
from satellite.spool.model.messages import Disposition

REASON_LENGTH_MAX = 500  # characters; it stands in records and on screens
TESTS_IN_REASON_MAX = 5  # the heaviest ones explain a score; the record has them all


class FindingKind(StrEnum):
    """What a scan can find that a policy key answers to; each is the name of its key."""

    VIRUS = "virus"
    VIRUS_OUTVOTED = "virus.outvoted"
    ENCRYPTED = "encrypted"
    MACRO = "macro"
    UNSCANNABLE = "unscannable"
    ARCHIVE_UNREADABLE = "archive.unreadable"
    UNAVAILABLE = "unavailable"
    UNAVAILABLE_ERROR = "unavailable.error"
    UNAVAILABLE_TIMEOUT = "unavailable.timeout"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that scanning found.

    Args:
        kind: which policy key weighs it.
        by: the engine, by its name in the settings, or the part of scanning that found it.
        detail: the threat's name or the reason; data from outside.
        is_of_all: no engine at all has answered; only where the kind is a silence.
    """

    kind: FindingKind
    by: str
    detail: str
    is_of_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What the filters' tests come to for one recipient.

    Args:
        total: the sum of the points, rounded to a thousandth.
        tests: those that count for this recipient, in the order of the verdicts.
        allowed: the test that lets the recipient's mail pass the spam thresholds, if any.
        blocked: the test to which the policy key ``blacklist`` applies, if any; never with
            ``allowed``.
        asked: the test that says what the author's domain asks for, to which the policy key
            ``dmarc`` applies, if any; never with ``allowed``.
    """

    total: float = 0.0
    tests: tuple[Test, ...] = ()
    allowed: Test | None = None
    blocked: Test | None = None
    asked: Test | None = None


NO_TESTS = Scoring()


class Cause(StrEnum):
    """What can decide, in the order that breaks a tie between equal actions."""

    VIRUS = "virus"
    UNSCANNABLE = "unscannable"
    ARCHIVE_UNREADABLE = "archive.unreadable"
    UNAVAILABLE = "unavailable"
    UNAVAILABLE_ERROR = "unavailable.error"
    UNAVAILABLE_TIMEOUT = "unavailable.timeout"
    WAITED = "waited"
    BLACKLIST = "blacklist"
    DMARC = "dmarc"
    VIRUS_OUTVOTED = "virus.outvoted"
    ENCRYPTED = "encrypted"
    MACRO = "macro"
    STALE = "stale"
    SCORE = "score"
    POSTMASTER = "postmaster"
    WHITELIST = "whitelist"  # nothing else applied, and the score was not weighed
    ZERO_HOUR = "zero_hour"  # nothing applied but that later definitions may know more
    CLEAN = "clean"  # nothing applied


_RANKS = {cause: rank for rank, cause in enumerate(Cause)}


class Done(StrEnum):
    """What is done for one recipient now. ``wait`` is no disposition: it asks for another scan."""

    DELIVER = "deliver"
    QUARANTINE = "quarantine"
    DROP = "drop"
    REJECT = "reject"
    WAIT = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposed:
    """The answer for one recipient.

    Args:
        disposition: what to do; a message waits as a whole while one of its recipients must.
        marked: the copy carries the marks (the subject tag).
        cause: what decided.
        reason: the very rule, threat or list entry that decided, and the scope of the policy.
        spam: the score reached ``score.mark`` and was weighed, or a black list entry matched.
        score: the recipient's points.
        required: the points from which mail is marked.
    """

    disposition: Done
    marked: bool
    cause: Cause
    reason: str
    spam: bool
    score: float
    required: float

    @property
    def settled(self) -> Disposition | None:
        """The disposition as the spool knows it; None while the message waits."""
        return _SETTLED.get(self.disposition)

    @property
    def quarantine_reason(self) -> str:
        """The class under which the quarantine files it; empty when it does not go there."""
        if self.disposition is not Done.QUARANTINE:
            return ""
        return _QUARANTINE_REASONS.get(self.cause, "policy")


_SETTLED: Mapping[Done, Disposition] = {
    done: Disposition(done) for done in Done if done is not Done.WAIT
}

_QUARANTINE_REASONS = {
    Cause.VIRUS: "virus",
    Cause.VIRUS_OUTVOTED: "virus",
    Cause.UNSCANNABLE: "unscannable",
    Cause.ARCHIVE_UNREADABLE: "unscannable",
    Cause.WAITED: "waited",
    Cause.BLACKLIST: "blacklist",
    Cause.SCORE: "spam",
    Cause.POSTMASTER: "postmaster",
}


class _Strength(IntEnum):
    DELIVER = 0
    MARK = 1
    QUARANTINE = 2
    WAIT = 3
    QUARANTINE_BY_SCAN = 4
    REJECT = 5
    DROP = 6


@dataclass(frozen=True, slots=True)
class _Claim:
    """One cause that applies, what it asks for, and why."""

    cause: Cause
    action: Action
    reason: str

    @property
    def strength(self) -> _Strength:
        match self.action:
            case Action.QUARANTINE if self.cause in (Cause.VIRUS, Cause.UNSCANNABLE):
                return _Strength.QUARANTINE_BY_SCAN
            case Action.REJECT if self.cause in (Cause.VIRUS, Cause.UNSCANNABLE):
                return _Strength.REJECT
            case action:
                return _Strength[action.name]


def dispose(
    *,
    findings: Sequence[Finding],
    scoring: Scoring,
    policy: Policy,
    waited_out: bool = False,
    can_reject: bool = False,
    homeless_postmaster: bool = False,
) -> Disposed:
    """Return what is done for one recipient.

    Args:
        findings: what scanning found, as it is for the recipient.
        scoring: the recipient's own points and list entry.
        policy: the recipient's own policy.
        waited_out: the message has waited for the hold days; it does not wait any longer.
        can_reject: ``250`` was not said yet, and all recipients could be rejected.
        homeless_postmaster: the recipient is our own postmaster, and the cluster names nobody who
            reads that mail.
    """
    claims = list(_claims(findings, scoring, policy, waited_out))
    if homeless_postmaster:
        reason = "postmaster: the cluster names no mailbox for its postmaster"
        claims.append(_Claim(Cause.POSTMASTER, Action.QUARANTINE, reason))
    if not can_reject:
        claims = [_without_reject(claim) for claim in claims]
    decided = max(claims, key=lambda claim: (claim.strength, -_RANKS[claim.cause]), default=None)
    if decided is None or decided.strength is _Strength.DELIVER:
        decided = _nothing(scoring, policy, decided)
    return Disposed(
        disposition=_done(decided.action),
        marked=any(claim.strength >= _Strength.MARK for claim in claims),
        cause=decided.cause,
        reason=printable(decided.reason, length_max=REASON_LENGTH_MAX),
        spam=_is_spam(scoring, policy),
        score=scoring.total,
        required=policy.score_mark,
    )


def _done(action: Action) -> Done:
    match action:
        case Action.DELIVER | Action.MARK:
            return Done.DELIVER
        case Action.QUARANTINE:
            return Done.QUARANTINE
        case Action.DROP:
            return Done.DROP
        case Action.REJECT:
            return Done.REJECT
        case Action.WAIT:
            return Done.WAIT
        case _:
            assert_never(action)


def _claims(
    findings: Sequence[Finding], scoring: Scoring, policy: Policy, waited_out: bool
) -> Iterator[_Claim]:
    for finding in findings:
        yield _of_finding(finding, policy, waited_out)
    if scoring.blocked is not None:
        why = f"blacklist: {scoring.blocked.detail or scoring.blocked.name}"
        yield _Claim(Cause.BLACKLIST, policy.blacklist, f"{why}; {said(policy, 'blacklist')}")
    if scoring.asked is not None and policy.dmarc is not OwnersWish.IGNORE:
        yield _of_wish(scoring.asked, policy)
    if scoring.allowed is None:
        yield from _of_score(scoring, policy)


def _of_finding(finding: Finding, policy: Policy, waited_out: bool) -> _Claim:
    key, action = _weighed_by(finding.kind, policy)
    what = f"{finding.by} {finding.detail}".strip()
    why = said(policy, key)
    if finding.is_of_all and action is Action.MARK:
        # A mark tells the reader that one engine was missing, never that nobody looked.
        action, why = Action.WAIT, f"{why}, which waits while no engine answers"
    if action is Action.WAIT and waited_out:
        reason = f"waited: {what} for all the hold days; {why}"
        return _Claim(Cause.WAITED, Action.QUARANTINE, reason)
    return _Claim(Cause(key), action, f"{key}: {what}; {why}")


def _weighed_by(kind: FindingKind, policy: Policy) -> tuple[str, Action]:
    """Return the policy key that decides about a finding, and what it asks for."""
    key = policy_key(kind)  # of the same name
    action = key.value_in(policy)
    if action is None:
        return "unavailable", policy.unavailable
    assert isinstance(action, Action)
    return key.name, action


def _of_score(scoring: Scoring, policy: Policy) -> Iterator[_Claim]:
    """Yield the claim of the highest threshold that was reached."""
    for action, threshold in (
        (Action.DROP, policy.score_drop),
        (Action.REJECT, policy.score_reject),
        (Action.QUARANTINE, policy.score_quarantine),
        (Action.MARK, policy.score_mark),
    ):
        if threshold is not None and scoring.total >= threshold:
            whose = said(policy, f"score.{action}")
            reason = f"score: {points(scoring.total)} by {heaviest(scoring)}; {whose}"
            yield _Claim(Cause.SCORE, action, reason)
            return


def _of_wish(asked: Test, policy: Policy) -> _Claim:
    """Return the claim of the author's domain, as far as the policy follows it."""
    action = Action(policy.dmarc)
    if action is Action.REJECT and asked.effect is Effect.ASK_QUARANTINE:
        action = Action.QUARANTINE
    reason = f"dmarc: {asked.detail or asked.name}; {said(policy, 'dmarc')}"
    return _Claim(Cause.DMARC, action, reason)


def _without_reject(claim: _Claim) -> _Claim:
    if claim.action is not Action.REJECT:
        return claim
    # The sender's server was told 250 already: a bounce now would go to a forged sender.
    return _Claim(
        claim.cause, Action.QUARANTINE, f"{claim.reason}, which after 250 acts as quarantine"
    )


def _nothing(scoring: Scoring, policy: Policy, claim: _Claim | None) -> _Claim:
    """Return why a message is simply delivered."""
    if claim is not None:
        return claim  # a policy says deliver of something that was found
    total = points(scoring.total)
    if scoring.allowed is not None:
        entry = scoring.allowed.detail or scoring.allowed.name
        reason = f"whitelist: {entry}; score {total} not weighed"
        return _Claim(Cause.WHITELIST, Action.DELIVER, reason)
    reason = f"clean: score {total}; {said(policy, 'score.mark')}"
    return _Claim(Cause.CLEAN, Action.DELIVER, reason)


def _is_spam(scoring: Scoring, policy: Policy) -> bool:
    if scoring.blocked is not None:
        return True
    return scoring.allowed is None and scoring.total >= policy.score_mark


def said(policy: Policy, name: str) -> str:
    """Return a policy key with its value and the scope that set it."""
    key = policy_key(name)
    value = key.value_in(policy)
    shown = points(float(value)) if isinstance(value, int | float) else str(value)
    return f"policy {name}={shown} ({key.source_in(policy)})"


def heaviest(scoring: Scoring) -> str:
    """Return the tests that weigh most, as ``NAME:points``."""
    found = sorted((test for test in scoring.tests if test.score), key=lambda test: -test.score)
    shown = [f"{test.name}:{points(test.score)}" for test in found[:TESTS_IN_REASON_MAX]]
    if len(found) > TESTS_IN_REASON_MAX:
        shown.append(f"and {len(found) - TESTS_IN_REASON_MAX} more")
    return ", ".join(shown) or "no test"
