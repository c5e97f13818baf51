"""Which settings hold for clients of one network?

Pure. Of several networks that a client is in the narrowest decides.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from common.settings.satellite import ClientSettings


class ClientPolicies:
    """The settings of all networks that have some.

    Args:
        declared: as they stand in the settings.
    """

    __slots__ = ("_networks",)

    def __init__(self, declared: Sequence[ClientSettings]) -> None:
        networks = [(ipaddress.ip_network(one.network), one) for one in declared]
        self._networks = sorted(networks, key=lambda pair: -pair[0].prefixlen)

    def mends_newlines_of(self, address: str) -> bool:
        """Say whether bare newlines of a client are mended, and not refused."""
        if not self._networks:  # as nearly everywhere
            return False
        client = ipaddress.ip_address(address)
        found = (settings for network, settings in self._networks if client in network)
        narrowest = next(found, None)
        return narrowest is not None and narrowest.bare_newlines == "normalise"
