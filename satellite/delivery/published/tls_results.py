"""How did sessions go for domains that may publish how their mail must travel?

Pure: results are summed until they are taken for a log record, from which a report can be made.

Source: RFC 8460 sections 4.1 to 4.3.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

RESULTS_MAX = 1_000  # different ones, between two records; the others are one


class PublishedPolicy(StrEnum):
    """What held for a session, as a report calls it."""

    TLSA = "tlsa"
    STS = "sts"
    NONE = "no-policy-found"


class TlsResultKind(StrEnum):
    """How it went, as a report calls it."""

    SUCCESS = "success"
    NOT_OFFERED = "starttls-not-supported"
    HOST_MISMATCH = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    NOT_TRUSTED = "certificate-not-trusted"
    VALIDATION = "validation-failure"
    DNSSEC = "dnssec-invalid"
    STS_FETCH = "sts-policy-fetch-error"


@dataclass(frozen=True, slots=True, order=True)
class TlsResult:
    """One way in which sessions went."""

    domain: str  # whose mail it was; empty: of all those that were too many
    policy: PublishedPolicy
    host: str  # the MX host; empty: none
    result: TlsResultKind


class TlsResults:
    """Sessions by how they went."""

    def __init__(self) -> None:
        self._counts: Counter[TlsResult] = Counter()

    def add(self, result: TlsResult) -> None:
        """Count one session."""
        if result not in self._counts and len(self._counts) >= RESULTS_MAX:
            result = TlsResult("", result.policy, "", result.result)
        self._counts[result] += 1

    def take(self) -> list[tuple[TlsResult, int]]:
        """Return what was counted since the last call, in order."""
        counts, self._counts = self._counts, Counter()
        return sorted(counts.items())
