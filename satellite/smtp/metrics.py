"""Which metrics does the front end have?

Touches a Prometheus registry, which asks whenever somebody scrapes: a session counts a dozen
times, and adding is a tenth of what a Prometheus counter costs. Label values are a closed set: no
address, domain or text of a client is ever one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

OTHER_VERB = "other"  # what is no command of ours


class SmtpMetrics(Collector):
    """The front end's numbers, registered once for each process.

    Args:
        registry: where they are collected.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._connections: Counter[str] = Counter()
        self._replies: Counter[tuple[str, int]] = Counter()
        self._overdue: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._unused_parameters: Counter[str] = Counter()
        self._verified: Counter[str] = Counter()
        self._sessions = self._messages = self._bytes = self._normalised = 0
        self._is_stressed = False
        registry.register(self)

    def connection(self, result: str) -> None:
        """Count a connection: ``accepted``, or why it was turned away."""
        self._connections[result] += 1

    def sessions(self, count: int) -> None:
        """Note how many sessions are open."""
        self._sessions = count

    def stress(self, is_on: bool) -> None:
        """Note whether connections run out."""
        self._is_stressed = is_on

    def reply(self, verb: str, code: int) -> None:
        """Count a reply; the verb is one of ours or ``other``."""
        self._replies[verb, code] += 1

    def overdue(self, reason: str) -> None:
        """Count a session that we ended."""
        self._overdue[reason] += 1

    def refused(self, reason: str) -> None:
        """Count a message or recipient that was to come later; the reason is one of ours."""
        self._refusals[str(reason)] += 1

    def unused_parameter(self, keyword: str) -> None:
        """Count a DSN parameter that could not be used; the keyword is one of ours."""
        self._unused_parameters[keyword] += 1

    def verified(self, is_known: bool | None) -> None:
        """Count a recipient whose server was asked, now or before."""
        self._verified["unclear" if is_known is None else "known" if is_known else "unknown"] += 1

    def normalised(self) -> None:
        """Count a message whose bare newlines were mended."""
        self._normalised += 1

    def received(self, octets: int) -> None:
        """Count an accepted message."""
        self._messages += 1
        self._bytes += octets

    def collect(self) -> Iterable[Metric]:
        """Return the numbers as they are now."""
        connections = _counter(
            "borderscout_smtp_connections_total",
            "Connections by what became of them: accepted, or why they were turned away.",
            "result",
        )
        replies = _counter(
            "borderscout_smtp_replies_total", "Replies by command and code.", "verb", "code"
        )
        overdue = _counter(
            "borderscout_smtp_overdue_total",
            "Sessions that we ended because the client took too long, by what took it.",
            "reason",
        )
        refusals = _counter(
            "borderscout_smtp_refusals_total",
            "Times that mail was refused for a while, by what there was too much of.",
            "reason",
        )
        unused = _counter(
            "borderscout_smtp_unused_parameters_total",
            "DSN parameters that could not be used; their mail was taken as if without them.",
            "parameter",
        )
        messages = _counter("borderscout_messages_received_total", "Messages accepted.")
        verified = _counter(
            "borderscout_smtp_verified_recipients_total",
            "Recipients whose server was asked for them, by what it said, now or a while ago.",
            "result",
        )
        for result, count in self._verified.items():
            verified.add_metric([result], count)
        normalised = _counter(
            "borderscout_smtp_normalised_total",
            "Messages whose bare CR, LF or NUL was mended, as the settings of their clients say.",
        )
        normalised.add_metric([], self._normalised)
        octets = _counter("borderscout_messages_bytes_total", "Octets of the messages accepted.")
        for result, count in self._connections.items():
            connections.add_metric([result], count)
        for (verb, code), count in self._replies.items():
            replies.add_metric([verb, str(code)], count)
        for reason, count in self._overdue.items():
            overdue.add_metric([reason], count)
        for reason, count in self._refusals.items():
            refusals.add_metric([reason], count)
        for keyword, count in self._unused_parameters.items():
            unused.add_metric([keyword], count)
        messages.add_metric([], self._messages)
        octets.add_metric([], self._bytes)
        sessions = GaugeMetricFamily(
            "borderscout_smtp_sessions", "Sessions that are open now.", value=self._sessions
        )
        stress = GaugeMetricFamily(
            "borderscout_smtp_stress",
            "1 while connections run out and silent clients are waited for no longer.",
            value=self._is_stressed,
        )
        told = [connections, sessions, stress, replies, overdue, refusals]
        return [*told, unused, verified, normalised, messages, octets]


def _counter(name: str, documentation: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name.removesuffix("_total"), documentation, labels=labels)
