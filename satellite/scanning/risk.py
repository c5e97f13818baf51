"""Of which risky types is a message, as our own reader says, and what when it cannot say?

Touches the helper process, but for plain mail, which has no parts. A message that the reader could
not take apart may be of any type; for which it has no time now, it is asked again later. The
answers on the last messages are remembered: one that is kept for its zero hour is asked about
again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Protocol

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.preferences.risky_types import RiskyType
from satellite.scanning.helper import Helper, Unscannable
from satellite.scanning.plain import body_of_plain
from satellite.scanning.sample import Sample
from satellite.scanning.spawned import HelperUnavailable

log = structlog.get_logger()

JOB, TARGET = "risk", "satellite.scanning.risk_job:prepare"
DEADLINE_S = 60.0  # as an engine has it
REMEMBERED_MAX = 1_024  # some 200 octets each

ANY_TYPE = frozenset(RiskyType)
_NONE = frozenset[RiskyType]()


class FindsRisk(Protocol):
    """What judging needs of this room."""

    async def types_of(self, sample: Sample) -> frozenset[RiskyType] | None: ...


class _RiskAnswer(BaseModel):
    """What the job says; the helper has read hostile mail, so that its words are checked."""

    model_config = ConfigDict(extra="forbid")

    types: Annotated[list[RiskyType], Field(max_length=len(RiskyType))]
    is_whole: bool


class Risk:
    """Asks the helper of one worker; made before its first message.

    Args:
        helper: the reader.
    """

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._known: OrderedDict[bytes, frozenset[RiskyType]] = OrderedDict()
        helper.add_job(JOB, TARGET, {})

    async def types_of(self, sample: Sample) -> frozenset[RiskyType] | None:
        """Return the types that a message is of, or holds.

        All of them when nobody can know; None when there was no time to find out.
        """
        if sample.data is not None and body_of_plain(sample.data) is not None:
            return _NONE
        known = self._known.get(sample.sha256)
        if known is not None:
            return known
        try:
            answer = await self._helper.ask(JOB, sample, deadline_s=DEADLINE_S)
            said = _RiskAnswer.model_validate(answer)
        except HelperUnavailable as error:
            log.warning("risk.unknown", message=sample.id, reason=error.what)
            return None
        except (Unscannable, ValidationError) as error:
            log.warning("risk.unreadable", message=sample.id, reason=type(error).__name__)
            return ANY_TYPE
        types = frozenset(said.types) if said.is_whole else ANY_TYPE
        self._known[sample.sha256] = types
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return types
