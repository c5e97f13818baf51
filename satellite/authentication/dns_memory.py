"""Which answers of DNS are remembered for the next message, and for how long?

Pure: a bounded memory without a clock. *No* is remembered as well as what was found: most domains
lack most records that sender authentication asks for. A failure is remembered for some seconds, so
that the messages of one burst do not each wait for it.

Source: RFC 2308 section 5; RFC 9520 section 3.2.
"""

from __future__ import annotations

from satellite.authentication.asking import DnsQuestion, Heard

QUESTIONS_MAX = 20_000  # of which each takes a few hundred octets beside its records
RECORDS_LENGTH_MAX = 16 * 1024 * 1024  # of all; one answer may have 64 KiB, as its sender likes
TTL_S_MIN = 10.0  # a domain that says 0 would be asked for each message of a burst
TTL_S_MAX = 3_600.0  # who mends a record is believed within the hour
FAILURE_S = 15.0


class DnsMemory:
    """The last answers by question.

    Args:
        questions_max: how many are remembered; the oldest ones give way.
        length_max: characters of all their records.
    """

    def __init__(
        self, *, questions_max: int = QUESTIONS_MAX, length_max: int = RECORDS_LENGTH_MAX
    ) -> None:
        self._questions_max = questions_max
        self._length_max = length_max
        self._length = 0
        self._known: dict[DnsQuestion, tuple[float, Heard]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def known(self, question: DnsQuestion, *, now_s: float) -> Heard | None:
        """Return what was heard, while it may be believed."""
        known = self._known.get(question)
        if known is None:
            return None
        until_s, heard = known
        if now_s >= until_s:
            self._forget(question)
            return None
        return heard

    def keep(self, question: DnsQuestion, heard: Heard, *, ttl_s: float, now_s: float) -> None:
        """Remember what was heard for as long as DNS says, within our bounds."""
        if question in self._known:
            self._forget(question)
        lasts_s = FAILURE_S if heard.has_failed else min(max(ttl_s, TTL_S_MIN), TTL_S_MAX)
        self._known[question] = (now_s + lasts_s, heard)
        self._length += _length(heard)
        while len(self._known) > self._questions_max or self._length > self._length_max:
            self._forget(next(iter(self._known)))

    def _forget(self, question: DnsQuestion) -> None:
        _, heard = self._known.pop(question)
        self._length -= _length(heard)


def _length(heard: Heard) -> int:
    return sum(map(len, heard.records))
