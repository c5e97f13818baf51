"""What do the log and the metrics say of mail that passes through us?

Touches the log and a Prometheus registry. One line for each message that was examined, in the form
of every diagnostic: what was done for whom, by which rule, and what the client heard. Label values
are words of ours and numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

import structlog
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from common.verdict import Outcome
from satellite.scan_server.examiner import Treated, Treatment
from satellite.spool.model.messages import Stored

log = structlog.get_logger()

RECIPIENTS_MAX = 50  # in one line
TEXT_LENGTH_MAX = 500  # characters of a reason or an answer


class Way(StrEnum):
    """How a message came to us."""

    SMTP = "smtp"
    LMTP = "lmtp"
    MILTER = "milter"


class PassingLog(Collector):
    """Tells of each message.

    Args:
        registry: where the metrics are collected.
        is_logged: whether each message has its line.
        kept_bytes: returns how much is kept.
        is_away: says whether the next hop was away when it was last wanted.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        is_logged: bool = True,
        kept_bytes: Callable[[], int],
        is_away: Callable[[], bool],
    ) -> None:
        self._is_logged = is_logged
        self._kept_bytes = kept_bytes
        self._is_away = is_away
        self._treatments: Counter[tuple[str, str]] = Counter()
        self._answers: Counter[tuple[str, str]] = Counter()
        registry.register(self)

    def passed(
        self, way: Way, stored: Stored, examined: Treated, answers: Sequence[str], *, ms: int
    ) -> None:
        """Tell of one message that was examined.

        Args:
            way: how it came.
            stored: the message.
            examined: what is done with it.
            answers: what the client heard: a reply for all, or one for each recipient.
            ms: from the end of the data to the answer.
        """
        for treatment in examined.treatments:
            self._treatments[way, treatment.done] += 1
        for answer in answers:
            self._answers[way, answer[:3]] += 1
        if self._is_logged:
            _tell(way, stored, examined, answers, ms)

    def failed(self, way: Way, answer: str) -> None:
        """Tell of one that was not examined, as the front end has logged."""
        self._answers[way, answer[:3]] += 1

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as they are now."""
        treatments = CounterMetricFamily(
            "borderscout_passed_recipients",
            "Recipients of mail that passed through the scanning server, by what was done.",
            labels=("way", "disposition"),
        )
        for (way, done), count in sorted(self._treatments.items()):
            treatments.add_metric((way, done), count)
        answers = CounterMetricFamily(
            "borderscout_passed_answers",
            "Answers to the end of a message, by their code; LMTP has one for each recipient.",
            labels=("way", "code"),
        )
        for (way, code), count in sorted(self._answers.items()):
            answers.add_metric((way, code), count)
        yield treatments
        yield answers
        yield GaugeMetricFamily(
            "borderscout_kept_bytes",
            "Mail that the scanning server keeps in its folder.",
            value=self._kept_bytes(),
        )
        yield GaugeMetricFamily(
            "borderscout_next_hop_away",
            "1 while the next hop of the scanning server was away when it was last wanted.",
            value=int(self._is_away()),
        )


def _tell(way: Way, stored: Stored, examined: Treated, answers: Sequence[str], ms: int) -> None:
    threats = [
        f"{verdict.by} {threat}"[:TEXT_LENGTH_MAX]
        for verdict in examined.said.verdicts
        for threat in verdict.threats[:3]
    ] + [
        f"{verdict.by} {threat} ({match.scope})"[:TEXT_LENGTH_MAX]
        for verdict in examined.said.verdicts
        for match in verdict.scoped[:3]
        for threat in match.threats[:3]
    ]
    silent = [
        verdict.by
        for verdict in examined.said.verdicts
        if verdict.outcome in (Outcome.ERROR, Outcome.TIMEOUT, Outcome.UNAVAILABLE)
    ]
    log.info(
        "scan.passed",
        message=stored.id,
        way=way,
        client=stored.envelope.client_address,
        sender=stored.envelope.sender,
        recipients=[_said(one) for one in examined.treatments[:RECIPIENTS_MAX]],
        threats=threats,
        silent=silent,
        answers=[answer[:TEXT_LENGTH_MAX] for answer in answers[:RECIPIENTS_MAX]],
        bytes=stored.size,
        ms=ms,
    )


def _said(treatment: Treatment) -> dict[str, object]:
    return {
        "recipient": treatment.recipient,
        "disposition": treatment.done,
        "marked": treatment.disposed.marked,
        "reason": treatment.disposed.reason[:TEXT_LENGTH_MAX],
    }
