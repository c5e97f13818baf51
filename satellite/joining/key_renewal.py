"""How does a member get certificates for new keys, and a new WireGuard key?

Touches the node's folder, the join door, and for a WireGuard key the tunnel. Run as a process of
its own by the node's parent, so that what it needs of libraries is in memory for a second alone.

Each step can be repeated after a kill. First the core lets the new keys in beside the old ones;
then they come to their places here; then, seen at work, they are confirmed, and the core lets the
old ones go. A WireGuard key that the tunnel does not work with is taken back at both ends.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from common.durable import write_file
from common.errors import BorderScoutError, EnvironmentFailure
from common.joining import Joined, KeysAnswer, MemberAnswer, RenewRequest, TunnelChoice
from common.settings.satellite import SatelliteSettings
from common.settings.values import split_endpoint
from satellite.joining.core_following import WITHIN, doors_behind, joined_text, tunnel_behind
from satellite.joining.core_peers import TunnelNotFollowed
from satellite.joining.door_client import CoreDoor
from satellite.joining.due_keys import (
    due_certificates,
    joined_of,
    member_door,
    standing_of_member,
)
from satellite.joining.node_keys import (
    public_half,
    put_certificates,
    requests_for,
    wireguard_key_in,
)
from satellite.joining.staging import JOINED, WIREGUARD_FILE, WIREGUARD_KEY, Staging

PURPOSE = "renewal"
TUNNEL_S = 60.0  # for a tunnel to work with its new key, until the old one is put back
TUNNEL_QUIET_S = 10.0  # before it is looked at: both ends have applied their files by then
TUNNEL_TRY_S = 3.0
_PRIVATE_KEY = re.compile(r"^(\s*PrivateKey\s*=\s*)\S+", re.MULTILINE)


class RenewalOutcome(StrEnum):
    """What came of a look."""

    NOTHING = "nothing"  # is due
    RENEWED = "renewed"
    ROTATED = "rotated"  # the core asked for it
    FOLLOWED = "followed"  # the core, to other machines that can be it; no key was due


class TunnelNotUp(EnvironmentFailure):
    """The tunnel does not work with its new key; it has the old one again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How the tunnel is looked at; a test waits less."""

    sleep: Callable[[float], None] = time.sleep
    monotonic_s: Callable[[], float] = time.monotonic
    reaches: Callable[[str], bool] | None = None  # None: by a connection to an address of the link


class Renewal:
    """One look at a member's keys, and what follows from it.

    Args:
        folder: the node's.
        settings: of the node, with places of files.
        waits: how the tunnel is looked at.
        within: root's file of what the tunnel may lead to.
    """

    def __init__(
        self,
        folder: Path,
        settings: SatelliteSettings,
        *,
        waits: Waits | None = None,
        within: Path = WITHIN,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._waits = waits or Waits()
        self._within = within
        self._staging = Staging(folder)
        self._at = ""  # the door of the core that is followed: keys are changed there alone

    def run(self, *, now_s: float, force: bool = False) -> RenewalOutcome:
        """Renew what is due, or go on with what was begun.

        Args:
            now_s: seconds since the epoch (UTC).
            force: whatever is due.

        Raises:
            BorderScoutError: it did not work this time.
        """
        with self._staging.alone():
            return self._run(now_s, force=force)

    def _run(self, now_s: float, *, force: bool) -> RenewalOutcome:
        self._staging.install()
        joined = joined_of(self._folder)
        if joined is None:
            raise EnvironmentFailure(
                f"{self._folder}: this node has not joined, and its keys are renewed by rendering",
                hint="let it join: borderscout inventory join-token NODE",
            )
        door = self._door(joined)
        standing = standing_of_member(self._folder, door)
        self._at = door.answered
        following = doors_behind(joined, standing, answered=door.answered)
        if following is not None:
            joined = following
            self._staging.replace(JOINED, joined_text(joined))
        # Before the keys: the trial of one takes a tunnel to the machine that is the core by now.
        # And what is wrong with that is no reason to let certificates end.
        not_followed, has_followed = None, following is not None
        try:
            has_followed |= self._follow(joined, standing)
        except TunnelNotFollowed as error:
            not_followed = error
        outcome = self._keep_keys(joined, standing, now_s, force=force)
        if outcome is RenewalOutcome.NOTHING and not_followed is not None:
            raise not_followed
        if outcome is RenewalOutcome.NOTHING and has_followed:
            return RenewalOutcome.FOLLOWED
        return outcome

    def _follow(self, joined: Joined, standing: MemberAnswer) -> bool:
        """Have peers for the machines that can be the core; say whether that changed anything."""
        name = self._settings.core.name
        text = tunnel_behind(self._folder, joined, standing, core=name, within=self._within)
        if text is not None:
            self._staging.replace(WIREGUARD_FILE, text.encode())
        return text is not None

    def _keep_keys(
        self, joined: Joined, standing: MemberAnswer, now_s: float, *, force: bool
    ) -> RenewalOutcome:
        is_begun = self._staging.purpose() == PURPOSE
        is_due = force or standing.rotate or bool(due_certificates(self._folder, now_s=now_s))
        if not is_due and not is_begun:
            return RenewalOutcome.NOTHING
        if not standing.wireguard_beside:
            self._forget_before()  # of a change that has ended: the core knows of no second key
        # Beside the file of the key before, new ones are in their places, and only the end misses.
        if is_begun or not _before(self._folder / WIREGUARD_KEY).exists():
            self._renew(joined, with_tunnel=standing.rotate and bool(standing.wireguard))
        self._finish(joined)
        return RenewalOutcome.ROTATED if standing.rotate else RenewalOutcome.RENEWED

    def _renew(self, joined: Joined, *, with_tunnel: bool) -> None:
        """Bring new keys to their places, once the core lets them in."""
        if self._staging.purpose() != PURPOSE:
            self._staging.begin(PURPOSE)
        requests = requests_for(self._staging, joined.node)
        key = None
        if with_tunnel or self._staging.get(WIREGUARD_KEY) is not None:
            private = wireguard_key_in(self._staging)
            key = public_half(private)
            text = (self._folder / WIREGUARD_FILE).read_text(encoding="utf-8")
            changed = _PRIVATE_KEY.sub(lambda found: f"{found[1]}{private}", text)
            self._keep_before()
            self._staging.put(WIREGUARD_FILE, changed.encode())
        asked = RenewRequest(requests=requests, wireguard=key)
        answer = self._door(joined).ask("/renew", asked, KeysAnswer)
        put_certificates(self._staging, answer.certificates)
        self._staging.ready()
        self._staging.install()

    def _finish(self, joined: Joined) -> None:
        """Confirm that the new keys work, so that the core lets the old ones go."""
        door = self._door(joined)  # with the new certificate: that the core takes it is seen here
        if _before(self._folder / WIREGUARD_KEY).exists():
            self._try_tunnel(door)
        door.ask("/settle", None, MemberAnswer)
        self._forget_before()

    def _try_tunnel(self, door: CoreDoor) -> None:
        before = self._key_in(_before(self._folder / WIREGUARD_KEY))
        own = self._key_in(self._folder / WIREGUARD_KEY)
        door.ask("/switch", TunnelChoice(wireguard=own), MemberAnswer)
        if own != before and self._tunnel_works():
            return
        for name in (WIREGUARD_FILE, WIREGUARD_KEY):
            kept = _before(self._folder / name)
            if kept.exists():
                write_file(self._folder / name, kept.read_bytes())
        door.ask("/switch", TunnelChoice(wireguard=before), MemberAnswer)
        self._forget_before()
        raise TunnelNotUp(
            f"the tunnel to {' or '.join(self._addresses())} did not work with its new key within"
            f" {TUNNEL_S:.0f} s, and has the old one again",
            hint="is wg0.conf applied at both ends? borderscout wireguard apply --config wg0.conf",
        )

    def _forget_before(self) -> None:
        for name in (WIREGUARD_FILE, WIREGUARD_KEY):  # the key last: it says that the trial is on
            _before(self._folder / name).unlink(missing_ok=True)

    def _tunnel_works(self) -> bool:
        waits = self._waits
        reaches = waits.reaches or _reaches
        waits.sleep(TUNNEL_QUIET_S)
        ends_s = waits.monotonic_s() + TUNNEL_S
        while not any(map(reaches, self._addresses())):
            if waits.monotonic_s() >= ends_s:
                return False
            waits.sleep(TUNNEL_TRY_S)
        return True

    def _addresses(self) -> tuple[str, ...]:
        """Return where the core may be: only one of its machines runs it."""
        core = self._settings.core
        return (core.address, *core.standbys)

    def _keep_before(self) -> None:
        """Keep what the tunnel works with now, for the case that the new key does not."""
        for name in (WIREGUARD_KEY, WIREGUARD_FILE):
            write_file(_before(self._folder / name), (self._folder / name).read_bytes())

    def _key_in(self, path: Path) -> str:
        return public_half(path.read_text(encoding="ascii").strip())

    def _door(self, joined: Joined) -> CoreDoor:
        return member_door(self._folder, joined, at=self._at)


def _before(path: Path) -> Path:
    return path.with_name(f"{path.name}.before")


def _reaches(address: str) -> bool:
    try:
        socket.create_connection(split_endpoint(address), timeout=TUNNEL_TRY_S).close()
    except (OSError, UnicodeError):
        return False
    return True


def main(arguments: list[str]) -> int:
    """Run one look: CONFIG. What goes wrong is a line on stderr."""
    from satellite.settings import load_settings

    config = Path(arguments[0])
    try:
        renewal = Renewal(config.resolve().parent, load_settings(config))
        sys.stdout.write(f"{renewal.run(now_s=time.time())}\n")
    except BorderScoutError as error:
        sys.stderr.write(f"borderscout: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"borderscout: {error.filename}: {error.strerror}\n")
        return 1
    return 0
