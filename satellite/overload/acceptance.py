"""How is a shard's load measured, and why is mail refused now?

Touches the spool, the disk and ``/proc``: it measures, and ``satellite.overload.pressure`` decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from common.clock import Clock
from common.reports import BEGINS_ANEW, DRAINING
from common.settings.satellite import SatelliteSettings
from common.states import State
from satellite.overload.draining import is_marked
from satellite.overload.memory import control_group, resident_bytes
from satellite.overload.pressure import (
    JudgingPace,
    Load,
    Pressure,
    PressureMarks,
    Refusal,
    RefusalCause,
    held_takes_too_much,
)
from satellite.spool.store import Spool

WORK = (State.RECEIVED, State.WAITING, State.QUEUED, State.SENDING, State.DEFERRED)


class MeasuredKeptMail(Protocol):
    """What is kept for the end of a zero hour."""

    octets: int
    recipients: int


class MeasuredJudging(Protocol):
    """What is measured of judging."""

    done: int

    @property
    def kept(self) -> MeasuredKeptMail: ...

    def unjudged(self) -> int: ...

    def keeps_mail_for(self, address: str) -> bool: ...


class MeasuredDelivery(Protocol):
    """What is measured of delivery."""

    def held_bytes(self) -> int: ...

    def is_away(self, address: str) -> bool: ...


class Acceptance:
    """Looks at the load about once a second.

    Args:
        spool, judging, delivery: what is measured.
        settings: the marks, and where the node's state is.
        clock: for the rate of scanning.

    Attributes:
        is_draining: an operator empties the node.
        is_pausing: its process is to end, and the next one takes mail again.
    """

    def __init__(
        self,
        spool: Spool,
        judging: MeasuredJudging,
        delivery: MeasuredDelivery,
        *,
        settings: SatelliteSettings,
        clock: Clock,
    ) -> None:
        self._spool = spool
        self._judging = judging
        self._delivery = delivery
        self._clock = clock
        self._reserve_bytes = settings.disk_reserve_bytes
        limits = settings.limits
        self._held_share_max = limits.held_share_max
        self._pressure = Pressure(
            PressureMarks(
                reserve_bytes=settings.disk_reserve_bytes,
                messages_max=limits.messages_max,
                bytes_max=limits.bytes_max,
                unjudged_max=limits.unjudged_max,
                unjudged_s_max=limits.unjudged_s_max,
                memory_bytes_max=limits.memory_bytes_max,
                memory_share_max=limits.memory_share_max,
            )
        )
        self._pace = JudgingPace()
        self._group = control_group()
        self._holds_too_much = False
        self.is_draining = is_marked(Path(settings.state))
        self.is_pausing = False

    def look(self) -> Refusal | None:
        """Return why no mail may come in from now on, or None."""
        load = self._load()
        weighed = self._pressure.weigh(load)
        reason = self._spool.refusal()
        self._holds_too_much = held_takes_too_much(
            held_bytes=self._delivery.held_bytes() + self._judging.kept.octets,
            free_bytes=load.free_bytes,
            reserve_bytes=self._reserve_bytes,
            share=self._held_share_max,
        )
        if self.is_draining:
            return Refusal(RefusalCause.DRAINING, DRAINING)
        if self.is_pausing:
            return Refusal(RefusalCause.RESTART, BEGINS_ANEW)
        return Refusal(RefusalCause.DISK, reason) if reason is not None else weighed

    def refuses_mail_for(self, address: str) -> bool:
        """Say whether mail for a recipient would be held, and held mail has its share already."""
        return self._holds_too_much and (
            self._delivery.is_away(address) or self._judging.keeps_mail_for(address)
        )

    def _load(self) -> Load:
        counts = self._spool.counts()
        unjudged = self._judging.unjudged()
        now_s = self._clock.monotonic_s()
        self._pace.look(judged=self._judging.done, unjudged=unjudged, now_s=now_s)
        return Load(
            messages=sum(counts[state] for state in WORK) - self._judging.kept.recipients,
            stored_bytes=self._spool.stored_bytes,
            free_bytes=self._spool.space.free_bytes(),
            unjudged=unjudged,
            judged_per_s=self._pace.per_s,
            memory_bytes=resident_bytes(),
            memory_share=self._group.share() if self._group is not None else 0.0,
        )
