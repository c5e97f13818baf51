"""What does the front end count?

Touches a Prometheus registry. Label values are a closed set: no address, domain or text of a client
is ever one.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

OTHER_VERB = "other"  # what is no command of ours


class SmtpMetrics:
    """The front end's numbers, registered once for each process.

    Args:
        registry: where they are collected.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._connections = Counter(
            "borderscout_smtp_connections_total",
            "Connections by what became of them at the door.",
            ["result"],
            registry=registry,
        )
        self._sessions = Gauge(
            "borderscout_smtp_sessions", "Sessions that are open now.", registry=registry
        )
        self._replies = Counter(
            "borderscout_smtp_replies_total",
            "Replies by command and code.",
            ["verb", "code"],
            registry=registry,
        )
        self._timeouts = Counter(
            "borderscout_smtp_overdue_total",
            "Sessions that we ended because the client took too long, by what took it.",
            ["reason"],
            registry=registry,
        )
        self._refusals = Counter(
            "borderscout_smtp_refusals_total",
            "Times that mail was refused for a while, by what there was too much of.",
            ["reason"],
            registry=registry,
        )
        self._messages = Counter(
            "borderscout_messages_received_total", "Messages accepted.", registry=registry
        )
        self._bytes = Counter(
            "borderscout_messages_bytes_total",
            "Octets of the messages accepted.",
            registry=registry,
        )
        self._children: dict[tuple[str, int], Counter] = {}

    def connection(self, result: str) -> None:
        """Count a connection: ``accepted``, or why it was turned away."""
        self._connections.labels(result).inc()

    def sessions(self, count: int) -> None:
        """Note how many sessions are open."""
        self._sessions.set(count)

    def reply(self, verb: str, code: int) -> None:
        """Count a reply; the verb is one of ours or ``other``."""
        key = (verb, code)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._replies.labels(verb, str(code))
        child.inc()

    def overdue(self, reason: str) -> None:
        """Count a session that we ended."""
        self._timeouts.labels(reason).inc()

    def refused(self, reason: str) -> None:
        """Count a message or recipient that was to come later; the reason is one of ours."""
        self._refusals.labels(str(reason)).inc()

    def received(self, octets: int) -> None:
        """Count an accepted message."""
        self._messages.inc()
        self._bytes.inc(octets)
