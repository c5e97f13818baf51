"""Which records are there, by event?

Pure. The union is closed: a ``match`` over it ends in ``assert_never``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from common.frozen import dataclass
from common.records.of_messages import (
    AcceptedRecord,
    AttemptedRecord,
    BounceMadeRecord,
    BounceWithheldRecord,
    CondemnedRecord,
    DamagedRecord,
    DeferredRecord,
    EndedRecord,
    FrozenRecord,
    HeldRecord,
    JudgedRecord,
    PossiblyDeliveredRecord,
    RejectedRecord,
    ReleasedRecord,
    ResumedRecord,
    ScannedRecord,
    WaitingRecord,
)
from common.records.of_nodes import (
    AcceptingRecord,
    GapRecord,
    NotAcceptingRecord,
    PreferencesAppliedRecord,
    PreferencesDamagedRecord,
    PreferencesRefusedRecord,
    RefusedRecord,
    SpoolDamagedRecord,
    StartedRecord,
    StoppedRecord,
    TlsResultsRecord,
)

MessageRecord = (
    AcceptedRecord
    | RejectedRecord
    | ScannedRecord
    | CondemnedRecord
    | WaitingRecord
    | JudgedRecord
    | AttemptedRecord
    | DeferredRecord
    | HeldRecord
    | FrozenRecord
    | ResumedRecord
    | PossiblyDeliveredRecord
    | EndedRecord
    | BounceMadeRecord
    | BounceWithheldRecord
    | ReleasedRecord
    | DamagedRecord
)
Moved = DeferredRecord | HeldRecord | FrozenRecord | ResumedRecord | DamagedRecord
NodeRecord = (
    SpoolDamagedRecord
    | StartedRecord
    | StoppedRecord
    | PreferencesAppliedRecord
    | PreferencesRefusedRecord
    | PreferencesDamagedRecord
    | NotAcceptingRecord
    | AcceptingRecord
    | TlsResultsRecord
    | GapRecord
    | RefusedRecord
)
Record = MessageRecord | NodeRecord

RECORDS: tuple[type[Record], ...] = get_args(Record)


@dataclass(frozen=True, slots=True)
class OtherRecord:
    """A record of another version, kept and shown as it came: nothing is derived from it."""

    event: str
    fields: Mapping[str, object]


AnyRecord = Record | OtherRecord
