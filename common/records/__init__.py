"""What happened to a message or a node, and what does each record of it say?

Pure. A log record is durable and replicated. Every event has one frozen dataclass, which is written
and read here alone: ``of_messages`` and ``of_nodes`` say what there is, ``writing`` makes the JSON
that travels, ``reading`` takes whatever comes. The names of events and fields are a promise to
whoever reads records; ``docs/records.md`` is drawn from the classes.
"""

from common.records.events import Event
from common.records.every import AnyRecord, MessageRecord, Moved, NodeRecord, OtherRecord, Record
from common.records.items import (
    AnyVerdict,
    AttemptedRecipient,
    DisposedRecipient,
    EndedRecipient,
    MovedRecipient,
    ToldMatch,
    ToldVerdict,
)
from common.records.log_record import FIELDS_BYTES_MAX, LogRecord
from common.records.of_messages import (
    AcceptedRecord,
    ArrivedRecord,
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
    MovedRecord,
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
from common.records.reading import (
    FieldsUnreadable,
    from_object,
    parse_object,
    read,
    verdict_from_object,
    verdicts_as_told,
)
from common.records.writing import written

__all__ = [
    "FIELDS_BYTES_MAX",
    "AcceptedRecord",
    "AcceptingRecord",
    "AnyRecord",
    "AnyVerdict",
    "ArrivedRecord",
    "AttemptedRecipient",
    "AttemptedRecord",
    "BounceMadeRecord",
    "BounceWithheldRecord",
    "CondemnedRecord",
    "DamagedRecord",
    "DeferredRecord",
    "DisposedRecipient",
    "EndedRecipient",
    "EndedRecord",
    "Event",
    "FieldsUnreadable",
    "FrozenRecord",
    "GapRecord",
    "HeldRecord",
    "JudgedRecord",
    "LogRecord",
    "MessageRecord",
    "Moved",
    "MovedRecipient",
    "MovedRecord",
    "NodeRecord",
    "NotAcceptingRecord",
    "OtherRecord",
    "PossiblyDeliveredRecord",
    "PreferencesAppliedRecord",
    "PreferencesDamagedRecord",
    "PreferencesRefusedRecord",
    "Record",
    "RefusedRecord",
    "RejectedRecord",
    "ReleasedRecord",
    "ResumedRecord",
    "ScannedRecord",
    "SpoolDamagedRecord",
    "StartedRecord",
    "StoppedRecord",
    "TlsResultsRecord",
    "ToldMatch",
    "ToldVerdict",
    "WaitingRecord",
    "from_object",
    "parse_object",
    "read",
    "verdict_from_object",
    "verdicts_as_told",
    "written",
]
