"""May a sender that nobody knows deliver to a recipient now, or is it to come again?

Pure over the tallies. What is new (the client's network, the sender, the recipient) is put off for
some minutes once; whoever comes again later than that passes, and its network with it for a week.
The memory is of all sites, so that a sender that comes again elsewhere passes; while it is not, or
while so many come that it may be wrong, nobody is put off.

Source: RFC 6647 sections 2.4 and 5.
"""

from __future__ import annotations

import re

from common.address import fold
from common.sliding_count import KEEP_S
from satellite.filtering.tallies import Tallies
from satellite.filtering.volume_limits import OCTETS, client_network

TRIED_KIND = "greylist.tried"
PASSED_KIND = "greylist.passed"
AGAIN_WITHIN_S = 86_400.0  # RFC 6647 section 5: whoever comes again later begins anew
TRIES_MAX = 10  # whoever tried so often passes, however our memory fares
RENEW_S = 86_400.0  # a network that goes on to send stays known

_NUMBER = re.compile(r"\d+")


class Greylist:
    """Who was seen, and who passed.

    Args:
        tallies: remember it.
    """

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies

    def puts_off(self, *, client_address: str, sender: str, recipient: str, wait_s: float) -> bool:
        """Say whether a recipient of a message is to be put off, and remember who asked.

        Never mail without a sender: bounces are of mail that was sent from here, and whoever asks
        with it whether a mailbox exists would take a delay for a no.

        Args:
            client_address: as it came.
            sender, recipient: of the envelope.
            wait_s: seconds after which the same may come again.
        """
        network = client_network(client_address)
        if not network or not sender:
            return False
        if self._is_known(network):
            return False
        key = "\0".join((network, _without_numbers(fold(sender)), fold(recipient))).encode(*OCTETS)
        tried = self._tallies.total(TRIED_KIND, key, window_s=AGAIN_WITHIN_S)
        lately = self._tallies.total(TRIED_KIND, key, window_s=wait_s)
        if not tried.is_of_all_sites:
            return False  # elsewhere it may have come again already
        if tried.amount > lately.amount or tried.amount >= TRIES_MAX:
            self._tallies.add(PASSED_KIND, network.encode())
            return False
        self._tallies.add(TRIED_KIND, key)
        return True

    def _is_known(self, network: str) -> bool:
        """Say whether somebody of a network has passed, and remember it for as long again."""
        key = network.encode()
        if not self._tallies.total(PASSED_KIND, key, window_s=KEEP_S).amount:
            return False
        if not self._tallies.total(PASSED_KIND, key, window_s=RENEW_S).amount:
            self._tallies.add(PASSED_KIND, key)
        return True


def _without_numbers(sender: str) -> str:
    """Return a sender whose copies differ in numbers alone, as lists write one for each message."""
    local, _, domain = sender.rpartition("@")
    return f"{_NUMBER.sub('#', local)}@{domain}"
