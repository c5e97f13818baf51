"""Is a recipient to be put off with a temporary answer, before anything of the message came?

Pure over the tallies and the preferences. What costs a sender only time is asked here, at RCPT: the
greylist, and limits of volume whose action is ``defer``. A white list entry wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.clock import Clock
from common.envelope import Envelope
from common.preferences import ListColour, Preferences
from common.preferences.policy import Greylisting
from satellite.filtering.greylist import Greylist
from satellite.filtering.tallies import Tallies
from satellite.filtering.volume_limits import VolumeLimit, limits_of
from satellite.overload.pressure import RefusalCause


class PuttingOff:
    """What is asked for each recipient.

    Args:
        tallies: what was seen, of all sites.
        preferences: gives those in force.
        clock: for entries that end.
    """

    def __init__(
        self, tallies: Tallies, *, preferences: Callable[[], Preferences], clock: Clock
    ) -> None:
        self._tallies = tallies
        self._preferences = preferences
        self._clock = clock
        self._greylist = Greylist(tallies)
        self._known: Preferences | None = None
        self._greylists = False
        self._limits: Sequence[VolumeLimit] = ()

    def cause(self, client_address: str, sender: str, recipient: str) -> RefusalCause | None:
        """Return why a recipient is put off now, or None.

        Args:
            client_address: as it came.
            sender, recipient: of the envelope.
        """
        preferences = self._preferences()
        if preferences is not self._known:  # most clusters have neither: then nothing is asked
            self._know(preferences)
        if not self._greylists and not self._limits:
            return None
        found = self._cause(preferences, client_address, sender, recipient)
        if found is None or not self._is_white(preferences, client_address, sender, recipient):
            return found
        return None

    def _know(self, preferences: Preferences) -> None:
        self._known = preferences
        self._greylists = preferences.has_greylisting()
        self._limits = [
            limit
            for limit in limits_of(preferences)
            if isinstance(limit, VolumeLimit)
            and limit.options.action == "defer"
            and limit.options.of != "strangers"
        ]

    def _cause(
        self, preferences: Preferences, client_address: str, sender: str, recipient: str
    ) -> RefusalCause | None:
        envelope = Envelope(
            client_address=client_address, helo="", sender=sender, recipients=(recipient,)
        )
        if any(self._is_full(limit, envelope) for limit in self._limits):
            return RefusalCause.VOLUME
        policy = preferences.policy(recipient)
        if policy.greylisting is Greylisting.ON and self._greylist.puts_off(
            client_address=client_address,
            sender=sender,
            recipient=recipient,
            wait_s=policy.greylisting_wait_s,
        ):
            return RefusalCause.GREYLIST
        return None

    def _is_full(self, limit: VolumeLimit, envelope: Envelope) -> bool:
        options = limit.options
        if options.limit is None or not limit.concerns(envelope):
            return False
        return any(
            self._tallies.total(limit.tally_kind, thing.key, window_s=options.window_s).amount
            >= options.limit
            for thing in limit.things(envelope)
        )

    def _is_white(
        self, preferences: Preferences, client_address: str, sender: str, recipient: str
    ) -> bool:
        search = preferences.list_search(
            sender=sender, client_address=client_address, now_us=self._clock.now_us()
        )
        hit = search.hit(recipient)
        return hit is not None and hit.colour is ListColour.WHITE
