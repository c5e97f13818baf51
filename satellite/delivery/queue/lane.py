"""Which message is next for one destination: a delivery, a probe, or an end without a server?

Pure: monotonic time comes in as an argument. Inside a destination the oldest message goes first,
when it is delivered, when it is drained after a hold, and after a restart.

Theory of operation. An entry is in one ``Place``:

========  ==========================================  ==========================================
place     it comes there                              it leaves by
========  ==========================================  ==========================================
WAITING   ``put`` before its time                     its time, ``hurry``, ``flush``: READY
READY     ``put`` when due, or from WAITING           ``begin``: ACTIVE
PARKED    ``put`` when its recipients are held        ``begin``: ACTIVE
CALLED    ``put`` or ``review``, if an order returns  ``begin``: ACTIVE
          what was tried and came before it
ACTIVE    ``begin``: it has its turn                  ``done``: LEAVING or GONE
LEAVING   ``done``: it is to be read anew             ``forget`` or ``put`` of its successor: GONE
GONE      it is no more, and nothing comes back
========  ==========================================  ==========================================

Besides, ``review`` calls from WAITING, READY and PARKED; a message whose sender is to be told of
its delay has its turn from wherever it waits; ``put`` of a WAITING or PARKED one replaces it; and
``withdraw`` makes GONE of all but an ACTIVE one. Of that, ``put`` and ``withdraw`` only note that
it was ``offered_again``: then it comes back when its turn is done.

``wants`` names an entry and its ``Turn``, in this order. WITHOUT_SERVER: what is CALLED; on hold,
what is READY, since the spool does not hold it yet, or PARKED beyond its days; and who is told of a
delay. PROBE: on hold, the oldest that is PARKED, once ``_probe_s`` has come. DELIVERY: not on hold,
the oldest that is READY or PARKED, as far as ``pace`` and ``bucket`` let it.

The lane is on hold (``hold``) from ``away`` to ``returned``. Then it drains, at the policy's rate
if that has one (``bucket``), until nothing is READY or PARKED.

After each step: on hold no server is asked but by one probe at a time, and there is a next one,
planned (``_probe_s``) or under way (``_is_probing``); ``turns.active`` counts the ACTIVE entries
for whose server others wait; turns without a server begin below
``most``, and deliveries below the limit of ``pace``, to which the probe does not count;
``entries`` and ``bytes`` are of all that are not GONE.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator

from common.ids import MessageId
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.queue.entries import EVERY_TRY_US, Aged, Place, QueueEntry, Turn, drop_stale
from satellite.delivery.queue.pace import Bucket, Pace
from satellite.delivery.queue.places import PlaceKind
from satellite.delivery.queue.under_way import UnderWay

AT_ONCE_S = 0.0  # a monotonic time that has always passed
HINT_S_MIN = 2.0  # between two probes that others' success leads to
SLACK_S = 1.0  # added to what the age clock decides: it must say so too, whatever was rounded

NextTurn = tuple[PlaceKind, Turn, QueueEntry]

_HAD_ITS_TURN = frozenset({Place.ACTIVE, Place.LEAVING})
_WAITS = frozenset({Place.WAITING, Place.READY, Place.PARKED})


class Lane:
    """The messages of one destination, in the order in which they have their turns.

    Args:
        destination: where they go.
        terms: what the preferences say of it.
        most: turns at once, as configured.
        pace: how many deliveries at once the server takes.
    """

    def __init__(self, destination: Destination, terms: Terms, *, most: int, pace: Pace) -> None:
        self.destination = destination
        self.terms = terms
        self.pace = pace
        self.entries: dict[MessageId, QueueEntry] = {}
        self.bytes = 0
        self.turns = UnderWay()
        self.answers = False  # its server did so last
        self.hold: Hold | None = None
        self.row: tuple[PlaceKind, bool] | None = None  # in which it stands; see ``rows.py``
        self.alarm_s: float | None = None
        self.bucket: Bucket | None = None  # while it is drained, if there is a rate
        self._most = most
        self._probe_s: float | None = None  # when the next probe is due; None: none is planned
        self._is_probing = False
        self._hinted_s: float | None = None
        self._waiting: list[tuple[float, QueueEntry]] = []
        self._called: deque[QueueEntry] = deque()
        self._ready = Aged(lambda entry: entry.place is Place.READY)
        self._parked = Aged(lambda entry: entry.place is Place.PARKED)
        self._all = Aged(lambda entry: entry.place is not Place.GONE)
        self._untold = Aged(_is_untold)  # empty while the policy wants no notices

    def put(
        self, entry: QueueEntry, *, due_s: float, now_s: float, is_held: bool, was_tried: bool
    ) -> None:
        """Take in a message, or change when it is due; see ``Lanes.put``."""
        known = self.entries.get(entry.id)
        if known is not None:
            known.share_numbers(entry)
            if known.place is Place.ACTIVE:
                known.offered_again = True
                return
            if known.place in (Place.READY, Place.CALLED):
                return  # no time is nearer
            self._move(known, Place.GONE)
        self.entries[entry.id] = entry
        self.bytes += entry.body_bytes
        self._all.push(entry)
        if self.terms.notice_s is not None and entry.may_be_told:
            self._untold.push(entry)
        if was_tried and self.terms.returns(entry.id):
            self._call(entry)
        elif is_held:  # due together with all others that are, now if the hold has just ended
            entry.until_us = EVERY_TRY_US
            self._move(entry, Place.PARKED)
        elif due_s <= now_s:
            self._move(entry, Place.READY)
        else:
            heapq.heappush(self._waiting, (due_s, entry))
            drop_stale(self._waiting, entries=len(self.entries))

    def wants(self, now_s: float) -> NextTurn | None:
        """Return the turn that is next, with the kind in which it needs a place, or None."""
        if self._waiting:
            self._wake(now_s)
        is_stranger = self.destination.via is not Via.ROUTE
        if self.hold is not None or self._called or self.terms.notice_s is not None:
            entry = self._next_without_server(now_s)
            if entry is not None:
                return PlaceKind.SPOOL, Turn.WITHOUT_SERVER, entry
            entry = self._next_probe(now_s)
            if entry is not None:
                kind = PlaceKind.STRANGER_PROBE if is_stranger else PlaceKind.PROBE
                return kind, Turn.PROBE, entry
        entry = self._next_delivery()
        if entry is None or (self.bucket is not None and not self.bucket.has(now_s)):
            return None
        if is_stranger:
            return PlaceKind.STRANGER, Turn.DELIVERY, entry
        is_quick = self.answers and not self.turns.hanging
        return PlaceKind.ANSWERING if is_quick else PlaceKind.ASKING, Turn.DELIVERY, entry

    def begin(self, entry: QueueEntry, turn: Turn, now_s: float) -> None:
        """Begin the turn that the lane wants; end it with ``done``."""
        if turn is Turn.PROBE:
            self._probe_s = None
            self._is_probing = True
        elif turn is Turn.DELIVERY:
            if self.bucket is not None:
                self.bucket.take(now_s)
        elif entry.place is Place.CALLED:
            self._called.popleft()
        elif entry is self._late(now_s):
            entry.may_be_told = False
            self._untold.left()
        self._move(entry, Place.ACTIVE)
        entry.turn = turn
        entry.round = self.pace.round
        self.turns.begin()

    def done(self, entry: QueueEntry, *, comes_back: bool) -> None:
        """End a taken message's turn; see ``Lanes.done``."""
        self.turns.end(entry)
        self._move(entry, Place.LEAVING if comes_back else Place.GONE)
        if entry.turn is Turn.PROBE:
            self._is_probing = False
            if self.hold is not None and self._probe_s is None:
                self._probe_s = AT_ONCE_S  # one that asked nobody must not have been the last

    def forget(self, entry: QueueEntry) -> None:
        """Drop a message whose turn is over, unless another has taken its place already."""
        if entry.place is Place.LEAVING:
            self._move(entry, Place.GONE)

    def settling(self, entry: QueueEntry) -> bool:
        """Give a taken message's place with the server up; return whether another may want it."""
        return self.turns.settling(entry) and len(self.entries) > self.turns.count

    def hangs(self, entry: QueueEntry) -> bool:
        """Let others go by while a taken message's server takes long; return whether they may."""
        return self.turns.hangs(entry, limit=self.pace.limit)

    def away(self, hold: Hold, *, next_probe_s: float) -> None:
        """Begin a hold, or go on with it."""
        since_us = self.hold.since_us if self.hold is not None else hold.since_us
        self.hold = Hold(since_us, hold.reason)
        self.bucket = None
        self._probe_s = next_probe_s

    def returned(self) -> None:
        """End the hold: what was parked is due, the oldest first, as fast as it is taken."""
        self.hold = None
        self._probe_s = None
        self.pace.restart()
        self._set_rate()

    def hint(self, now_s: float) -> None:
        """Probe now, since somebody else has reached the destination; bounded."""
        if self.hold is None or self._is_probing:
            return
        if self._hinted_s is None or now_s - self._hinted_s >= HINT_S_MIN:
            self._hinted_s = now_s
            self._probe_s = AT_ONCE_S

    def ask_now(self) -> None:
        """Probe now, if this destination is away and no probe is under way."""
        if self.hold is not None and not self._is_probing:
            self._probe_s = AT_ONCE_S

    def withdraw(self, message: MessageId) -> bool:
        """Forget a message that waits here; one that has its turn is looked at anew after it."""
        entry = self.entries.get(message)
        if entry is not None and entry.place is Place.ACTIVE:
            entry.offered_again = True
        elif entry is not None:
            self._move(entry, Place.GONE)
        return entry is not None

    def hurry(self, message: MessageId) -> bool:
        """Make one message due, or ask its server at once; False when it does not wait here.

        On hold it stays behind those that are older: the probe takes the oldest.
        """
        entry = self.entries.get(message)
        if entry is not None:
            self._make_due(entry)
            self.ask_now()
        return entry is not None

    def flush(self) -> Iterator[None]:
        """Probe at once, and make all that waits due, a message at each step."""
        self.ask_now()
        for _, entry in list(self._waiting):
            self._make_due(entry)
            yield
        drop_stale(self._waiting, entries=0)

    def review(self, terms: Terms) -> Iterator[None]:
        """Go on under other terms, a message at each step: they take effect for those here."""
        before, self.terms = self.terms, terms
        if terms.drain_rate != before.drain_rate and self.bucket is not None:
            self._set_rate()
        if terms.targets != before.targets:
            yield from self.flush()  # another server: it may take what the one before did not
        if terms.notice_s != before.notice_s:
            self._untold = Aged(_is_untold)
            for entry in list(self.entries.values()) if terms.notice_s is not None else ():
                if _is_untold(entry):
                    self._untold.push(entry)
                yield
        if terms.return_before_us != before.return_before_us:
            for entry in list(self.entries.values()):
                if entry.place in _WAITS and terms.returns(entry.id):
                    self._call(entry)
                yield

    def takes_at_once(self, promised: int) -> bool:
        """Say whether one message more would have its turn at once, beside those promised it."""
        if self.hold is not None or self.bucket is not None:
            return False
        waiting = self._ready.live + self._parked.live
        return self.turns.active + waiting + promised < self.pace.limit

    def next_due_s(self) -> float | None:
        """Return the monotonic time at which there may be something to take, or None.

        What only the end of a turn makes possible is not counted.
        """
        dues = [] if not self._waiting else [self._waiting[0][0]]
        if self._probe_s is not None and not self._is_probing and self._parked.live:
            dues.append(self._probe_s)
        if self.turns.active < self._most:
            if self.hold is not None and (oldest := self._parked.oldest()) is not None:
                dues.append(self._expires_s(oldest))
            if self.terms.notice_s is not None and (untold := self._untold.oldest()) is not None:
                dues.append(untold.born_s + self.terms.notice_s + SLACK_S)
        if self.bucket is not None and self.turns.active < self._limit():
            dues.append(self.bucket.next_s())
        return min(dues, default=None)

    def next_probe_s(self) -> float | None:
        """Return the monotonic time of the next probe; None while one is under way, or no hold."""
        return self._probe_s

    def oldest(self) -> QueueEntry | None:
        """Return the oldest message, or None."""
        return self._all.oldest()

    # ---- inside

    def _next_without_server(self, now_s: float) -> QueueEntry | None:
        if self.turns.active >= self._most:
            return None
        while self._called:
            if self._called[0].place is Place.CALLED:
                return self._called[0]
            self._called.popleft()
        if self.hold is not None:
            ready, parked = self._ready.oldest(), self._parked.oldest()
            if ready is not None:
                return ready
            if parked is not None and now_s >= self._expires_s(parked):
                return parked
        return self._late(now_s)

    def _late(self, now_s: float) -> QueueEntry | None:
        """Return the next message of whose delay its sender is to be told."""
        if self.terms.notice_s is None:
            return None
        while (entry := self._untold.oldest()) is not None:
            if now_s < entry.born_s + self.terms.notice_s + SLACK_S:
                return None
            if entry.place not in _HAD_ITS_TURN:
                return entry
            # The turn that it has tells of it too, and what follows on that is looked at anew.
            entry.may_be_told = False
            self._untold.left()
        return None

    def _next_probe(self, now_s: float) -> QueueEntry | None:
        if self.hold is None or self._is_probing or self._probe_s is None:
            return None
        return self._parked.oldest() if now_s >= self._probe_s else None

    def _next_delivery(self) -> QueueEntry | None:
        if self.hold is not None or self.turns.active >= self._limit():
            return None
        ready, parked = self._ready.oldest(), self._parked.oldest()
        entry = min(ready, parked) if ready and parked else ready or parked
        if entry is None:
            self.bucket = None  # all that was held is on its way
        return entry

    def _limit(self) -> int:
        # The probe that found the server back is one; the slow start is of those beside it.
        return self.pace.limit + (1 if self._is_probing else 0)

    def _wake(self, now_s: float) -> None:
        while self._waiting and self._waiting[0][0] <= now_s:
            _, entry = heapq.heappop(self._waiting)
            if entry.place is Place.WAITING:
                self._move(entry, Place.READY)

    def _make_due(self, entry: QueueEntry) -> None:
        if entry.place is Place.WAITING:
            entry.until_us = EVERY_TRY_US
            self._move(entry, Place.READY)

    def _call(self, entry: QueueEntry) -> None:
        entry.until_us = EVERY_TRY_US
        self._move(entry, Place.CALLED)
        self._called.append(entry)

    def _move(self, entry: QueueEntry, place: Place) -> None:
        before, entry.place = entry.place, place
        if before is Place.READY:
            self._ready.left()
        elif before is Place.PARKED:
            self._parked.left()
        if place is Place.READY:
            self._ready.push(entry)
        elif place is Place.PARKED:
            self._parked.push(entry)
        elif place is Place.GONE:
            del self.entries[entry.id]
            self.bytes -= entry.body_bytes
            self._all.left()
            if entry.may_be_told and self.terms.notice_s is not None:
                self._untold.left()

    def _set_rate(self) -> None:
        rate = self.terms.drain_rate
        self.bucket = None if rate is None else Bucket(rate)

    def _expires_s(self, entry: QueueEntry) -> float:
        return entry.born_s + self.terms.hold_s + SLACK_S


def _is_untold(entry: QueueEntry) -> bool:
    return entry.may_be_told and entry.place is not Place.GONE
