"""What is known of a node that has joined, and how does it change?

Pure. A member is a node that made its keys itself. The core knows what of them is public: which
certificates it signed and lets in until they end, and WireGuard's public keys. A change of keys has
two phases: the new one comes beside the old one, and the old one goes once the new one is in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from common.errors import LocalError, PeerError
from common.wireguard_text import WireGuardPeer, host_routes

CERTIFICATES_MAX = 16  # let in, of one node; those that end first go first
RETIRED_S = 120  # for which an old certificate is let in after the new one is in use
DAY_S = 86_400
TOKEN_S_MAX = DAY_S


class MemberRefused(PeerError):
    """A member asks for what does not fit to what it is."""


class TokenNotGood(PeerError):
    """A token is wrong, used or over: whoever tries hears nothing of which."""

    def __init__(self) -> None:
        super().__init__(
            "this token is not good here", hint="make a new one: borderscout inventory join-token"
        )


class MemberRevoked(PeerError):
    """A member was revoked. Who shows a certificate that was his may know that, unlike a stranger.

    Args:
        node: its name.
    """

    def __init__(self, node: str) -> None:
        super().__init__(
            f"{node} was revoked: nothing that it has is let in any more",
            hint=f"let it join again, with a token of: borderscout inventory join-token {node}",
        )


class MemberGone(LocalError):
    """A node has not joined, or was revoked."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"{node} has not joined, or was revoked",
            hint=f"let it join: borderscout inventory join-token {node}",
        )


class NodeUnnamed(LocalError):
    """A node that is to join is none of the cluster's."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"neither a document nor core.yaml names a node {node}",
            hint="add it to the inventory, and apply that first",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMember:
    """A node that has joined.

    Args:
        node: its name.
        joined_us: when, microseconds since the epoch.
        certificates: serial number of each of the link's that is let in, and when that ends, in
            seconds since the epoch.
        wireguard: its public key, base64; empty: it has no tunnel.
        wireguard_beside: another one that may shake hands, and has no network; empty: none.
        rotate_us: since when its keys are to be changed; 0: they are not.
        revoked_us: when it was revoked; 0: it was not.
    """

    node: str
    joined_us: int
    certificates: Mapping[str, int] = field(default_factory=dict)
    wireguard: str = ""
    wireguard_beside: str = ""
    rotate_us: int = 0
    revoked_us: int = 0

    def let_in(self, *, now_s: float) -> frozenset[str]:
        """Return the certificates that are let in now; none once it was revoked."""
        if self.revoked_us:
            return frozenset()
        return frozenset(serial for serial, ends_s in self.certificates.items() if ends_s > now_s)

    def with_certificate(self, serial: str, ends_s: int, *, now_s: float) -> NodeMember:
        """Let one more certificate in, before it is used; those before stay until they end."""
        known = {**self.certificates, serial: ends_s}
        good = [one for one in known if known[one] > now_s]
        kept = sorted(good, key=lambda one: known[one])[-CERTIFICATES_MAX:]
        return replace(self, certificates={one: known[one] for one in kept})

    def with_key_beside(self, key: str) -> NodeMember:
        """Let another WireGuard key shake hands; the one in use keeps the networks."""
        if not key or key == self.wireguard:
            return self
        return replace(self, wireguard_beside=key)

    def switched_to(self, key: str) -> NodeMember:
        """Give the networks to a key that stands beside; the other one stands beside then.

        Raises:
            MemberRefused: it is none of the two.
        """
        if key == self.wireguard:
            return self
        if not key or key != self.wireguard_beside:
            raise MemberRefused("this WireGuard key was not asked for before")
        return replace(self, wireguard=key, wireguard_beside=self.wireguard)

    def settled(self, serial: str, *, now_s: float) -> NodeMember:
        """Forget what is old, now that the new is in use; only where a change was asked for.

        Args:
            serial: of the certificate that it shows.
            now_s: seconds since the epoch.
        """
        if not self.rotate_us:
            return replace(self, wireguard_beside="")
        soon = int(now_s) + RETIRED_S
        certificates = {
            one: ends_s if one == serial else min(ends_s, soon)
            for one, ends_s in self.certificates.items()
        }
        return replace(self, certificates=certificates, wireguard_beside="", rotate_us=0)

    def revoked(self, *, now_us: int) -> NodeMember:
        """Let nothing of it in any more."""
        return replace(
            self, certificates={}, wireguard="", wireguard_beside="", rotate_us=0, revoked_us=now_us
        )

    def peers(self, vpn_addresses: tuple[str, ...]) -> list[WireGuardPeer]:
        """Return its WireGuard peers, the one with the networks first."""
        networks = host_routes(vpn_addresses)
        keys = ((self.wireguard, networks), (self.wireguard_beside, ()))
        return [
            WireGuardPeer(name=self.node, public_key=key, allowed=allowed)
            for key, allowed in keys
            if key and (allowed or key == self.wireguard_beside)
        ]


def distinct_peers(peers: Iterable[WireGuardPeer]) -> list[WireGuardPeer]:
    """Return peers without a key twice: a file that has one is wrong as a whole.

    Of two with one key that with networks stays, or else the first.
    """
    found: dict[str, WireGuardPeer] = {}
    for peer in peers:
        known = found.get(peer.public_key)
        if known is None or (peer.allowed and not known.allowed):
            found[peer.public_key] = peer
    return list(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeToken:
    """A token that was made; its secret is kept nowhere.

    Args:
        digest: of the secret.
        node: whom it is for.
        made_us, expires_us: microseconds since the epoch.
        who: made it.
        again: it may replace what a member has.
        used_us: 0: not yet.
        keys: what tells the keys that it was used for from all others; empty before.
        issued: what was signed for them, JSON; empty before.
    """

    digest: str
    node: str
    made_us: int
    expires_us: int
    who: str
    again: bool = False
    used_us: int = 0
    keys: str = ""
    issued: str = ""

    def is_good_for(self, keys: str, *, now_us: int) -> bool:
        """Say whether a node with these keys may join with it: once, or again with the same."""
        return now_us < self.expires_us and (not self.used_us or keys == self.keys)
