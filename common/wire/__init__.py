"""How do our messages become protobuf, and which protobuf do we take?

Pure. Nobody but the link touches the generated classes, and nothing passes here that is not
bounded (``bounds``). There is one file for each stream.

Another version's peer: a message of a kind that we do not know becomes ``Unreadable``, and so does
a batch of preferences with a field that we do not know, since a policy must never be applied in
part. Unknown fields elsewhere are left out of what we read; unknown events of records are kept.

Source: docs/design/link-guarantees.md, G15; docs/sync.md, *Another version*.
"""

from common.wire.bounds import WireError
from common.wire.control import (
    claim_from_wire,
    claim_to_wire,
    control_request_from_wire,
    control_request_to_wire,
    control_response_from_wire,
    control_response_to_wire,
)
from common.wire.lessons import (
    learners_hello_from_wire,
    learners_hello_to_wire,
    lesson_answer_from_wire,
    lesson_answer_to_wire,
    lesson_from_wire,
    lesson_to_wire,
)
from common.wire.positions import (
    identity_from_wire,
    identity_to_wire,
    position_from_wire,
    position_to_wire,
)
from common.wire.preferences import (
    preferences_request_from_wire,
    preferences_request_to_wire,
    preferences_response_from_wire,
    preferences_response_to_wire,
)
from common.wire.quarantine import (
    chunk_from_wire,
    chunk_to_wire,
    quarantine_request_from_wire,
    quarantine_request_to_wire,
    quarantine_response_from_wire,
    quarantine_response_to_wire,
)
from common.wire.records import (
    records_from_wire,
    records_to_wire,
    taken_from_wire,
    taken_to_wire,
)
from common.wire.standing import standing_from_metadata, standing_to_metadata
from common.wire.tallies import (
    tallies_from_wire,
    tallies_hello_from_wire,
    tallies_request_to_wire,
    tallies_response_to_wire,
)

__all__ = [
    "WireError",
    "chunk_from_wire",
    "chunk_to_wire",
    "claim_from_wire",
    "claim_to_wire",
    "control_request_from_wire",
    "control_request_to_wire",
    "control_response_from_wire",
    "control_response_to_wire",
    "identity_from_wire",
    "identity_to_wire",
    "learners_hello_from_wire",
    "learners_hello_to_wire",
    "lesson_answer_from_wire",
    "lesson_answer_to_wire",
    "lesson_from_wire",
    "lesson_to_wire",
    "position_from_wire",
    "position_to_wire",
    "preferences_request_from_wire",
    "preferences_request_to_wire",
    "preferences_response_from_wire",
    "preferences_response_to_wire",
    "quarantine_request_from_wire",
    "quarantine_request_to_wire",
    "quarantine_response_from_wire",
    "quarantine_response_to_wire",
    "records_from_wire",
    "records_to_wire",
    "standing_from_metadata",
    "standing_to_metadata",
    "taken_from_wire",
    "taken_to_wire",
    "tallies_from_wire",
    "tallies_hello_from_wire",
    "tallies_request_to_wire",
    "tallies_response_to_wire",
]
