"""What would be done with a message that was judged, under other preferences?

Pure. What engines and filters said of it stands in its record; weighed anew are the policies,
weights, names of threats, and black and white lists as far as envelope and client tell; a white
entry that needs a proof has it from the record. What a rule or a DNS list would say that was not
asked then, nobody knows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from common.address import fold
from common.envelope import Envelope
from common.frozen import dataclass
from common.preferences import Preferences
from common.preferences.policy import ScanMoment
from common.records import ToldVerdict
from common.records.items import ToldTest
from common.verdict import Effect, Outcome, Test, Verdict
from satellite.filtering.filter import FILTER_OUTCOMES
from satellite.filtering.list_decision import ListDecision, decided, tests_of
from satellite.judging.disposition import Disposed, dispose
from satellite.judging.findings import findings
from satellite.judging.score import Scores
from satellite.judging.staleness import ages_max_us, with_stale
from satellite.judging.threats import SAID_BY, spared
from satellite.judging.told_proof import LISTS, NOT_TOLD, proof_by_record
from satellite.judging.votes import counted

FOUND_ANEW = frozenset({LISTS, SAID_BY})  # whose word depends on preferences and envelope alone


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMail:
    """A message that was judged, as its record tells it.

    Args:
        envelope: client, sender and the recipients that were judged.
        verdicts: of engines and filters.
        judged_us: when, microseconds since the epoch.
    """

    envelope: Envelope
    verdicts: tuple[ToldVerdict, ...]
    judged_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What would be done for one recipient.

    Args:
        disposed: the answer.
        is_proof_unknown: a white entry did not count since the record does not say who sent it.
    """

    disposed: Disposed
    is_proof_unknown: bool


def retried(
    past: PastMail, preferences: Preferences, *, engines: Collection[str]
) -> Mapping[str, Retried]:
    """Return what would be done for each recipient.

    Args:
        past: the message.
        preferences: those that it is tried by.
        engines: names of those that nodes have. Others are told by what only an engine says.
    """
    verdicts = [verdict for each in past.verdicts if (verdict := _verdict(each)) is not None]
    engines = {*engines, *(each.by for each in verdicts if each.outcome not in FILTER_OUTCOMES)}
    scanned = with_stale(
        [verdict for verdict in verdicts if verdict.by in engines],
        ages_max_us(preferences, list(engines)),
        now_us=past.judged_us,
    )
    none = spared(scanned, preferences.threats(), now_us=past.judged_us)
    required = {each.by: preferences.engine_is_required(each.by) for each in scanned}
    found = findings(scanned, required=required, spared=none.threats)
    filtered = [each for each in verdicts if each.by not in engines and each.by not in FOUND_ANEW]
    decisions = _listed(past, verdicts, preferences)
    scores = Scores((_said_by_lists(decisions), *filtered, *none.said), preferences.weights)
    done: dict[str, Retried] = {}
    for recipient in past.envelope.recipients:
        policy = preferences.policy(recipient)
        disposed = dispose(
            findings=counted(found, rule=policy.virus_rule, verdicts=scanned),
            scoring=scores.of(recipient),
            policy=policy,
            can_reject=policy.scan is ScanMoment.BEFORE,
        )
        done[recipient] = Retried(
            disposed=disposed,
            is_proof_unknown=decisions[fold(recipient)].want == NOT_TOLD.reason,
        )
    return done


def _listed(
    past: PastMail, verdicts: Iterable[Verdict], preferences: Preferences
) -> Mapping[str, ListDecision]:
    """Return what the lists say of the envelope now, recipient by recipient."""
    search = preferences.list_search(
        sender=past.envelope.sender,
        client_address=past.envelope.client_address,
        now_us=past.judged_us,
    )
    judge = proof_by_record(verdicts, sender=past.envelope.sender)
    recipients = dict.fromkeys(map(fold, past.envelope.recipients))
    return {each: decided(preferences, search, each, judge) for each in recipients}


def _said_by_lists(decisions: Mapping[str, ListDecision]) -> Verdict:
    tests = tuple(
        test for recipient, each in decisions.items() for test in tests_of(each, recipient)
    )
    return Verdict(by=LISTS, outcome=Outcome.SCORED, tests=tests)


def _verdict(told: ToldVerdict) -> Verdict | None:
    """Return a verdict as it was given; None: it is of another version's kind."""
    try:
        outcome = Outcome(told.outcome)
    except ValueError:
        return None
    return Verdict(
        by=told.by,
        outcome=outcome,
        version=told.version,
        definitions=told.definitions,
        definitions_us=told.definitions_us,
        detail=told.detail,
        threats=told.threats,
        tests=tuple(map(_test, told.tests)),
        unreadable=told.unreadable,
    )


def _test(told: ToldTest) -> Test:
    is_effect = told.effect in set(Effect)
    return Test(
        name=told.name,
        score=told.score if math.isfinite(told.score) else 0.0,
        detail=told.detail,
        recipient=told.recipient,
        effect=Effect(told.effect) if is_effect else Effect.SCORE,
    )
