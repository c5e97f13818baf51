"""Until when is each node's certificate on the link good, as its last handshake showed?

Pure. A node that is silent is asked for it most: its certificate may be over, and then gRPC tells
the core nothing of its tries.
"""

from __future__ import annotations


class CertificateEnds:
    """When the certificate ends that each node showed last."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}

    def showed(self, node: str, ends_s: float | None) -> None:
        """A node came with a certificate.

        Args:
            node: which.
            ends_s: when it ends, in seconds since the epoch (UTC); None: it cannot be read.
        """
        if ends_s is not None:
            self._ends[node] = ends_s

    def remember(self, node: str, ends_s: float) -> None:
        """An earlier run of this core saw such a certificate; of several, the latest counts."""
        self._ends[node] = max(ends_s, self._ends.get(node, ends_s))

    def of(self, node: str) -> float | None:
        """Return when a node's ends, in seconds since the epoch; None: it was never seen."""
        return self._ends.get(node)
