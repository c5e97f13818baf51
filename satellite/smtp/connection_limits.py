"""What are the limits of connections, in all, of one network and of one address?

Pure. Connections are counted as a whole, for each network, since one customer of a hosting company
owns a /24 or a /64 more often than a single address, and for each address. Only networks and
addresses with an open connection take memory.
"""

from __future__ import annotations

from enum import StrEnum

from common.client_network import network_of

# Beyond the limit, while those who gave way are on their way out: their sockets close at once.
LEAVING_MAX = 32


class TooMany(StrEnum):
    """Why a client was turned away at the door."""

    FULL = "full"
    NETWORK_FULL = "network_full"
    ADDRESS_FULL = "address_full"


class ConnectionLimits:
    """Counts who is inside.

    Args:
        total_max: open connections at most.
        network_max: open connections at most from one /24 (IPv4) or /64 (IPv6).
        address_max: open connections at most from one address.
    """

    __slots__ = ("_address_max", "_addresses", "_network_max", "_networks", "inside", "total_max")

    def __init__(self, *, total_max: int, network_max: int, address_max: int) -> None:
        self.total_max = total_max
        self._network_max = network_max
        self._address_max = address_max
        self.inside = 0
        self._networks: dict[str, int] = {}
        self._addresses: dict[str, int] = {}

    def enter(self, address: str, *, gave_way: bool = False) -> TooMany | None:
        """Let a client in and return None, or say why not; only who came in may leave.

        Args:
            address: in canonical text.
            gave_way: somebody else is leaving for this one.
        """
        network = network_of(address)
        of_network = self._networks.get(network, 0)
        of_address = self._addresses.get(address, 0)
        if of_network >= self._network_max:
            return TooMany.NETWORK_FULL
        if of_address >= self._address_max:
            return TooMany.ADDRESS_FULL
        if self.inside >= self.total_max + (LEAVING_MAX if gave_way else 0):
            return TooMany.FULL
        self.inside += 1
        self._networks[network] = of_network + 1
        self._addresses[address] = of_address + 1
        return None

    def of_network(self, address: str) -> int:
        """Return how many are inside from the network that an address is in."""
        return self._networks.get(network_of(address), 0)

    def leave(self, address: str) -> None:
        """Take a client out again."""
        network = network_of(address)
        self.inside -= 1
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
