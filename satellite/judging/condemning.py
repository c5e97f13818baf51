"""What is told of a threat, so that its content is known wherever else it has been?

Touches a thread, for a message that lies in a file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from common.frozen import dataclass
from common.records import CondemnedRecord
from common.verdict import Outcome, Verdict
from satellite.scanning.part_digests import LOOKED_BYTES_MAX, digests_of
from satellite.scanning.sample import Sample, SampleUnreadable


@dataclass(frozen=True, slots=True)
class NamedThreat:
    """A threat, and the verdict that named it."""

    name: str
    verdict: Verdict


def named_threat(
    verdicts: Sequence[Verdict], spared: Collection[tuple[str, str]] = ()
) -> NamedThreat | None:
    """Return the first threat that an engine named and that is one; None: there is none.

    Args:
        verdicts: of engines, on one message.
        spared: threats that are none, each with the engine that named it.
    """
    for verdict in verdicts:
        if verdict.outcome is Outcome.INFECTED:
            for name in verdict.threats or ("",):
                if (verdict.by, name) not in spared:
                    return NamedThreat(name, verdict)
    return None


async def digests_in(sample: Sample) -> tuple[str, ...]:
    """Return the digests of a message's risky parts; none of one that is too large for it."""
    if sample.data is not None:
        return digests_of(sample.data)
    if sample.size > LOOKED_BYTES_MAX:
        return ()
    try:
        return await asyncio.to_thread(lambda: digests_of(b"".join(sample.chunks())))
    except SampleUnreadable:
        return ()  # it was read a moment ago, and is for its delivery to find damaged


def condemned(
    threat: NamedThreat, digests: Sequence[str], *, late: bool = False
) -> CondemnedRecord | None:
    """Return what is told of a threat; None: nothing that anybody could compare.

    Of several parts nobody says which one it is: an honest one beside it is not condemned with it.

    Args:
        threat: that was named.
        digests: of the message's risky parts.
        late: the message was delivered before.
    """
    if len(digests) != 1 and not late:
        return None
    return CondemnedRecord(
        engine=threat.verdict.by,
        threat=threat.name,
        definitions=threat.verdict.definitions,
        digests=tuple(digests) if len(digests) == 1 else (),
        late=late,
    )
