"""How is a running tunnel kept as its file says, and how does everybody hear how it fares?

Touches the interface, the file, the state file and the clock. It is the one step of the product
that may change the network: what it reads was checked before any of it goes to a program.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from common.errors import BorderScoutError, EnvironmentFailure
from common.settings.tunnel import TOLD_FILE
from common.wireguard.tunnel_changes import (
    InterfaceNow,
    TunnelChange,
    TunnelWanted,
    changes,
    names_of,
)
from common.wireguard.tunnel_file import MTU_MIN, TunnelFile, TunnelPeer, is_address
from common.wireguard.tunnel_interface import (
    OVERHEAD,
    TunnelInterface,
    read_tunnel_file,
    resolved,
    underlay_mtu,
)
from common.wireguard.tunnel_mtu import path_mtu
from common.wireguard.tunnel_probe import Echo
from common.wireguard.tunnel_state import (
    TunnelHealth,
    TunnelNow,
    health_of,
    health_text,
    printable,
)
from common.wireguard.tunnel_told import read_health
from common.wireguard.tunnel_watch import TunnelWatch

STATE_FILE = Path(TOLD_FILE)
MTU = 1420  # where the file states none


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelApplied:
    """What was done to an interface."""

    interface: str
    changed: tuple[str, ...]
    unresolved: tuple[str, ...]  # host names without an address


@dataclass(slots=True)
class TunnelKeeper:
    """Keeps one interface.

    Args:
        interface: its name.
        config: its file.
        state: the file that tells how it fares.
        within: the file of the networks that it may have and lead to; None: to all.
    """

    interface: TunnelInterface
    config: Path
    state: Path = STATE_FILE
    within: Path | None = None
    _watch: TunnelWatch = field(default_factory=TunnelWatch)
    _path_mtus: dict[str, int] = field(default_factory=dict)
    _file: TunnelFile | None = None

    def apply(
        self, *, dry_run: bool = False, mtus: Mapping[str, int] = MappingProxyType({})
    ) -> TunnelApplied:
        """Make the interface as its file says, and return what that took.

        Args:
            dry_run: change nothing.
            mtus: what paths carry, as was just measured, by public key.

        Raises:
            SettingsError: the file is wrong; the interface is left as it is.
            EnvironmentFailure: a program failed.
        """
        file = read_tunnel_file(self.config, within=self.within)
        names = resolved(names_of(file))
        if dry_run:
            self._recall(file)
            done = self._changes(file, names)
            came = "" if self.interface.is_there() else f"make interface {self.interface.name}"
        else:
            with self._alone():
                self._recall(file)
                self._path_mtus.update(mtus)
                came = self._there()
                done = self._changes(file, names)
                self.interface.carry_out(done)
                self._tell(file, unresolved=set(names_of(file)) - names.keys())
        said = [line for change in done for line in change.said]
        return TunnelApplied(
            interface=self.interface.name,
            changed=tuple([came, *said] if came else said),
            unresolved=tuple(name for name in names_of(file) if name not in names),
        )

    def turn(self) -> tuple[str, ...]:
        """Look after the interface once, and return what was changed.

        Raises:
            SettingsError: the file is wrong; the interface goes on as it was.
            EnvironmentFailure: a program failed.
        """
        with self._alone():
            changed = [came] if (came := self._there()) else []
            problem: BorderScoutError | None = None
            try:
                self._file = read_tunnel_file(self.config, within=self.within)
            except BorderScoutError as error:
                problem = error
            file = self._file
            if file is None:
                assert problem is not None
                self._tell_problem(problem)
                raise problem
            self._recall(file)
            now, _ = self.interface.now()
            due = self._watch.due(file, now, at_s=time.time(), clock_s=time.monotonic())
            sought = [one for one in file.peers if one.public_key in due]
            hosts = [one.endpoint.host for one in sought if one.endpoint and one.endpoint.is_name]
            names = resolved(list(dict.fromkeys(hosts)))
            done = self._changes(file, names, failed=due)
            self.interface.carry_out(done)
            done += self._measured(file, names)
            missing = {
                one.endpoint.host
                for one in file.peers
                if one.endpoint
                and one.endpoint.is_name
                and one.endpoint.host not in names
                and _has_no_endpoint(now, one)
            }
            self._tell(file, unresolved=missing, problem=str(problem or ""))
            if problem is not None:
                raise problem
        return tuple(changed + [line for change in done for line in change.said])

    def measure(self) -> Iterator[tuple[TunnelPeer, int]]:
        """Yield what the path to each peer carries, in octets of a packet; 0: nobody answers."""
        file = read_tunnel_file(self.config, within=self.within)
        _, there = self.interface.now()
        for peer in file.peers:
            for host in peer.hosts()[:1]:
                echo = Echo(address=host, interface=self.interface.name)
                yield peer, path_mtu(echo.passes, ceiling=there.mtu)

    def _measured(
        self, file: TunnelFile, names: Mapping[str, tuple[str, ...]]
    ) -> list[TunnelChange]:
        """Measure one path, if it is time, and return what that changed."""
        now, there = self.interface.now()
        peer = self._watch.to_probe(file, now, at_s=time.time(), clock_s=time.monotonic())
        if peer is None:
            return []
        try:
            echo = Echo(address=peer.hosts()[0], interface=self.interface.name)
            found = path_mtu(echo.passes, ceiling=there.mtu)
        except EnvironmentFailure:
            found = 0
        self._watch.probed(peer, now, mtu=found, clock_s=time.monotonic())
        if not found:
            return []
        self._path_mtus[peer.public_key] = found
        done = self._changes(file, names)
        self.interface.carry_out(done)
        return done

    def _there(self) -> str:
        if self.interface.is_there():
            return ""
        return f"make interface {self.interface.name}, by {self.interface.bring_in()}"

    def _changes(
        self,
        file: TunnelFile,
        names: Mapping[str, tuple[str, ...]],
        *,
        failed: Mapping[str, str] = MappingProxyType({}),
    ) -> list[TunnelChange]:
        now, there = (
            self.interface.now() if self.interface.is_there() else (TunnelNow(), InterfaceNow())
        )
        wanted = TunnelWanted(
            mtu=_mtu(file, now, names),
            resolved=names,
            path_mtus=self._path_mtus,
            moved=self._moved(file),
            failed=failed,
            at_s=time.time(),
        )
        return changes(self.interface.name, file, now, there, wanted)

    def _moved(self, file: TunnelFile) -> set[str]:
        """Return the peers whose file names another endpoint than when it was told last."""
        before = self._told()
        stated = {} if before is None else {one.name: one.stated for one in before.peers}
        return {
            one.public_key
            for one in file.peers
            if one.name in stated and stated[one.name] != str(one.endpoint or "")
        }

    def _recall(self, file: TunnelFile) -> None:
        """Learn what is known of paths: another process may have measured them."""
        before = self._told()
        told = {} if before is None else {one.name: one.mtu for one in before.peers}
        self._path_mtus = {
            one.public_key: told[one.name] for one in file.peers if told.get(one.name)
        }

    def _told(self) -> TunnelHealth | None:
        return read_health(self.state)

    def _tell(self, file: TunnelFile, *, unresolved: Collection[str], problem: str = "") -> None:
        now, there = self.interface.now()
        health = health_of(
            file,
            now,
            interface=self.interface.name,
            at_s=int(time.time()),
            mtu=there.mtu,
            problem=problem,
            unresolved=unresolved,
            path_mtus=self._path_mtus,
        )
        _publish(self.state, health_text(health).encode())

    def _tell_problem(self, problem: BorderScoutError) -> None:
        """Say that the file is wrong, beside what was told before: the peers' names stand in it."""
        before = self._told() or TunnelHealth(interface=self.interface.name, at_s=0, up=True)
        now = replace(before, at_s=int(time.time()), problem=printable(str(problem)))
        _publish(self.state, health_text(now).encode())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until nobody else changes the interface: the file's watcher starts an apply too."""
        try:
            self.state.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            lock = os.open(
                self.state.with_suffix(".lock"),
                os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW,
                0o600,
            )
        except OSError as error:
            raise EnvironmentFailure(
                f"{self.state.parent}: {error.strerror}", hint="run it as root"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _publish(path: Path, content: bytes) -> None:
    """Put a file where everybody may read it; one that stands in the way is not followed."""
    temporary = path.with_name(f"{path.name}.part")
    temporary.unlink(missing_ok=True)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, 0o644), "wb") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(content)
    temporary.replace(path)


def _has_no_endpoint(now: TunnelNow, peer: TunnelPeer) -> bool:
    used = next((one for one in now.peers if one.public_key == peer.public_key), None)
    return used is None or used.endpoint is None


def _mtu(file: TunnelFile, now: TunnelNow, names: Mapping[str, tuple[str, ...]]) -> int:
    """Return the interface's MTU: what the file states, or less where no interface sends more."""
    used = {one.endpoint.host for one in now.peers if one.endpoint}
    stated = {one.endpoint.host for one in file.peers if one.endpoint}
    used |= {one for host in stated for one in names.get(host, (host,)) if is_address(one)}
    own = underlay_mtu(used)
    most = file.mtu or MTU
    return max(MTU_MIN, min(most, own - OVERHEAD) if own else most)
