"""What does a log record tell a person, in few words?

Pure. The fields are data from outside; whoever prints them makes them printable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from common.counted import counted
from common.records import (
    AcceptedRecord,
    AcceptingRecord,
    AnyRecord,
    AnyVerdict,
    ArrivedRecord,
    AttemptedRecord,
    BounceMadeRecord,
    BounceWithheldRecord,
    CondemnedRecord,
    DamagedRecord,
    DeferredRecord,
    EndedRecord,
    FrozenRecord,
    GapRecord,
    HeldRecord,
    JudgedRecord,
    MovedRecord,
    NotAcceptingRecord,
    OtherRecord,
    PossiblyDeliveredRecord,
    PreferencesAppliedRecord,
    PreferencesDamagedRecord,
    PreferencesRefusedRecord,
    RefusedRecord,
    RejectedRecord,
    ReleasedRecord,
    ResumedRecord,
    ScannedRecord,
    SpoolDamagedRecord,
    StartedRecord,
    StoppedRecord,
    TlsResultsRecord,
    ToldMatch,
    WaitingRecord,
)
from common.verdict import ScopedMatch


def facts(record: AnyRecord) -> list[str]:  # noqa: PLR0911, PLR0912 - a branch for each record
    """Return what a record tells, a few words for each fact."""
    match record:
        case AcceptedRecord():
            count = len(record.recipients)
            return [*_came(record), counted(count, "recipient")]
        case RejectedRecord():
            return [*_came(record), *record.recipients]
        case ScannedRecord():
            said = [f"score {record.score}", f"revision {record.revision}"]
            return [*_verdicts(record.verdicts), *said]
        case WaitingRecord():
            return [
                *_verdicts(record.verdicts),
                *_said(("because", record.reason)),
                *record.recipients,
            ]
        case JudgedRecord():
            told = [_words(one.address, one.disposition, one.reason) for one in record.recipients]
            return [*_said(("quarantined as", record.quarantine_reason)), *told]
        case AttemptedRecord():
            session = (("with", record.tls), ("to", record.destination), ("at", record.host))
            told = [_words(one.address, one.reply) for one in record.recipients]
            return [*_said(*session), *told]
        case DeferredRecord() | HeldRecord() | FrozenRecord() | ResumedRecord() | DamagedRecord():
            return _moved(record)
        case PossiblyDeliveredRecord():
            return [*record.recipients]
        case EndedRecord():
            return [
                _words(one.address, one.outcome, one.reason, one.reply) for one in record.recipients
            ]
        case BounceMadeRecord():
            return _said(("as", record.bounce_id))
        case CondemnedRecord():
            told = [] if not record.late else ["it was delivered before that was known"]
            return [*_said(("by", record.engine), ("as", record.threat)), *told]
        case BounceWithheldRecord():
            return [*_said(("because", record.reason)), *record.recipients]
        case ReleasedRecord():
            return _said(("release", record.release_id), ("of", record.released_from))
        case SpoolDamagedRecord() | NotAcceptingRecord() | AcceptingRecord() | GapRecord():
            return _said(("because", record.reason))
        case PreferencesRefusedRecord() | PreferencesDamagedRecord():
            return [f"revision {record.revision}", *_said(("because", record.reason))]
        case RefusedRecord():
            return _refused(record)
        case PreferencesAppliedRecord():
            return [f"revision {record.revision}"]
        case StartedRecord() | StoppedRecord():
            return []
        case TlsResultsRecord():
            whose = (("of", record.domain), ("at", record.host), ("under", record.policy))
            return [f"{record.sessions} {record.result}", *_said(*whose)]
        case OtherRecord():
            return _as_it_came(record)
        case _:
            assert_never(record)


def _said(*facts_: tuple[str, str]) -> list[str]:
    """Return facts with the word before each, without those that are not told."""
    return [f"{word} {fact}" for word, fact in facts_ if fact]


def _came(record: ArrivedRecord) -> list[str]:
    return _said(
        ("from", record.client),
        ("helo", record.helo),
        ("with", record.tls),
        ("of", record.released_from),
    )


def _moved(record: MovedRecord) -> list[str]:
    told = [_words(one.address, one.reason, one.reply) for one in record.recipients]
    return [*_said(("because", record.reason)), *told]


def _refused(record: RefusedRecord) -> list[str]:
    times = [f"{record.refusals} times"] if record.refusals != 1 else []
    who = (("from", record.client), ("helo", record.helo))
    told = [f"sender {one}" for one in record.senders]
    said = (("at", record.command), ("because", record.reason))
    return [*times, *_said(*who), *told, *record.recipients, *_said(*said), record.reply]


def _verdicts(verdicts: Sequence[AnyVerdict]) -> list[str]:
    return [
        " ".join((verdict.by, verdict.outcome, *_scoped(verdict.scoped))) for verdict in verdicts
    ]


def _scoped(matches: Sequence[ScopedMatch | ToldMatch]) -> list[str]:
    """Return what holds for some recipients alone, in brackets."""
    told = dict.fromkeys(f"{one.scope}: {one.outcome}" for one in matches)
    return [f"({'; '.join(told)})"] if told else []


def _words(address: str, *said: str) -> str:
    return f"{address} {', '.join(filter(None, said))}".strip()


def _as_it_came(record: OtherRecord) -> list[str]:
    """Return the plain fields of an event that another version knows."""
    return [
        f"{name} {value}"
        for name, value in record.fields.items()
        if isinstance(value, str | int | float) and value != ""
    ]
