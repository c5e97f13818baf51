"""Is a DNS list healthy, or suspended because it answers wrongly or not at all?

Pure: a machine without a clock. A list must pass its self-test at first and each hour; one that
fails it, or answers what no list should, is left alone for a while and then tested again; so is one
that lists far more than it used to, for longer, since it passes its test; one that keeps silent is
left alone for a minute, so that a dead list does not delay each message.

Source: RFC 5782 section 5; docs/design/faults.md, F13.
"""

from __future__ import annotations

from common.frozen import dataclass
from common.verdict import Outcome

TEST_EVERY_S = 3_600.0
DISABLED_S = 900.0  # then its self-test decides
OUT_OF_HAND_S = 3_600.0  # its self-test says nothing of that
SILENT_S = 60.0
SILENCES_MAX = 3  # in a row; single packets do get lost


@dataclass(frozen=True, slots=True)
class ListRefusal:
    """Why a list is not asked."""

    outcome: Outcome  # error: it is disabled; unavailable: it keeps silent
    reason: str
    until_s: float


@dataclass(slots=True)
class ListHealth:
    """What is known of one list; all times are seconds of a clock that only grows."""

    tested_until_s: float | None = None  # None: never tested, or disabled since
    silences: int = 0
    refused: ListRefusal | None = None

    def refusal(self, now_s: float) -> ListRefusal | None:
        """Return why the list may not be asked now, or None."""
        if self.refused is not None and now_s >= self.refused.until_s:
            self.refused = None
        return self.refused

    def needs_test(self, now_s: float) -> bool:
        """Say whether the self-test is due; never while the list is refused."""
        if self.refusal(now_s) is not None:
            return False
        return self.tested_until_s is None or now_s >= self.tested_until_s

    @property
    def has_passed(self) -> bool:
        """Whether it passed a test and did nothing wrong since, be another test due or not."""
        return self.tested_until_s is not None

    def passed(self, now_s: float) -> None:
        """The self-test went well."""
        self.tested_until_s = now_s + TEST_EVERY_S
        self.silences = 0

    def broke(self, now_s: float, reason: str, *, for_s: float = DISABLED_S) -> None:
        """It failed its self-test, answered what no list should, or got out of hand."""
        self.tested_until_s = None
        self.refused = ListRefusal(Outcome.ERROR, reason, now_s + for_s)

    def answered(self) -> None:
        """It said something that can be used."""
        self.silences = 0

    def was_silent(self, now_s: float, reason: str) -> None:
        """It did not answer; the third time in a row, or in its first test, it is left alone."""
        self.silences += 1
        if self.silences >= SILENCES_MAX or self.tested_until_s is None:
            self.silences = 0
            self.refused = ListRefusal(Outcome.UNAVAILABLE, reason, now_s + SILENT_S)
