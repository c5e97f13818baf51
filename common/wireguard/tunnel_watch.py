"""Which peers of a tunnel need somebody to look after them, and when again?

Pure: the time comes in, in seconds of a clock that never goes back. WireGuard looks a name up once,
when it is told it: a core that moved, or whose name could not be looked up when the machine began,
is never found again without us.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from common.wireguard.tunnel_file import TunnelFile, TunnelPeer
from common.wireguard.tunnel_state import HANDSHAKE_S_FRESH, PeerNow, TunnelNow

LOOK_UP_S_FIRST, LOOK_UP_S_LONGEST = 10.0, 300.0
PROBE_S = 600.0  # between two looks at what a path carries
PROBE_S_UNKNOWN = 60.0  # after one that nobody answered


def age_s(peer: PeerNow, *, at_s: float) -> float | None:
    """Return how long ago a peer shook hands; None: never. Below 0: the clock was set back."""
    return at_s - peer.handshake_s if peer.handshake_s else None


def is_silent(peer: TunnelPeer, now: PeerNow | None, *, at_s: float) -> bool:
    """Say whether a peer that we keep in touch with does not answer.

    Without a keepalive silence says nothing: a satellite without mail says nothing either.
    """
    if peer.endpoint is None or not peer.keepalive_s:
        return False
    age = None if now is None else age_s(now, at_s=at_s)
    return age is None or age < 0 or age > HANDSHAKE_S_FRESH


@dataclass(slots=True)
class _Care:
    tries: int = 0
    next_s: float = 0.0
    tried: str = ""  # the address that was in use at the last try


@dataclass(slots=True)
class TunnelWatch:
    """Remembers what was tried for each peer."""

    _cares: dict[str, _Care] = field(default_factory=dict)
    _probed: dict[str, tuple[float, str]] = field(default_factory=dict)

    def due(
        self, file: TunnelFile, now: TunnelNow, *, at_s: float, clock_s: float
    ) -> dict[str, str]:
        """Return the peers whose endpoint is to be sought anew, and the address that led nowhere.

        Args:
            at_s: since the epoch, as handshakes are told.
            clock_s: of a clock that never goes back.
        """
        known = {peer.public_key: peer for peer in now.peers}
        found: dict[str, str] = {}
        for peer in file.peers:
            one = known.get(peer.public_key)
            if not is_silent(peer, one, at_s=at_s):
                self._cares.pop(peer.public_key, None)
                continue
            care = self._cares.setdefault(peer.public_key, _Care())
            if care.next_s > clock_s:
                continue
            used = one.endpoint.host if one is not None and one.endpoint is not None else ""
            # One that was there at the last try already, and shook no hands since.
            found[peer.public_key] = used if used and used == care.tried else ""
            care.tried = used
            wait_s = min(LOOK_UP_S_LONGEST, LOOK_UP_S_FIRST * 2.0 ** min(care.tries, 10))
            care.tries += 1
            care.next_s = clock_s + wait_s
        return found

    def to_probe(
        self, file: TunnelFile, now: TunnelNow, *, at_s: float, clock_s: float
    ) -> TunnelPeer | None:
        """Return a peer whose path is to be measured: one at a time, and only one that answers."""
        known = {peer.public_key: peer for peer in now.peers}
        for peer in file.peers:
            one = known.get(peer.public_key)
            age = None if one is None else age_s(one, at_s=at_s)
            if age is None or not 0 <= age <= HANDSHAKE_S_FRESH or not peer.hosts():
                continue
            due_s, endpoint = self._probed.get(peer.public_key, (0.0, ""))
            if clock_s >= due_s or endpoint != str(one and one.endpoint):
                return peer
        return None

    def probed(self, peer: TunnelPeer, now: TunnelNow, *, mtu: int, clock_s: float) -> None:
        """Remember that a path was measured, or that nobody answered (0)."""
        used = next((one for one in now.peers if one.public_key == peer.public_key), None)
        wait_s = PROBE_S if mtu else PROBE_S_UNKNOWN
        self._probed[peer.public_key] = (clock_s + wait_s, str(used and used.endpoint))
