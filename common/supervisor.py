"""What does a program tell the service manager that started it, and how often?

Touches the datagram socket that the environment names; where it names none, nothing is told. Who
keeps a watchdog is told from the program's event loop: a loop that stands still tells nothing, and
the service manager ends what no longer works.

Source: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from common.clock import Clock

log = structlog.get_logger()

READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"

STATUS_MAX = 200  # characters that somebody reads in one line of `systemctl status`
STARTING_LOOK_S = 1.0  # between two looks at a program that is not ready yet
LOOK_S_MAX = 10.0  # and afterwards, at most
MORE_TIME_S = 60.0  # that a program which is still starting asks for, each time
START_S_MAX = 3_600.0  # a start that takes longer has come to nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCondition:
    """How a program stands, as it sees itself.

    Attributes:
        is_ready: it does what it was started for, or what keeps it from that is outside.
        is_starting: it has more to do before it is ready, and gets on with it.
        is_alive: whatever it consists of answers; else it is to be ended and started again.
        status: one line for whoever looks.
    """

    is_ready: bool
    is_starting: bool = False
    is_alive: bool = True
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """Where the service manager listens.

    Attributes:
        address: of its socket; empty: there is nobody.
        watchdog_s: seconds of silence after which it ends us; 0: never.
    """

    address: str = ""
    watchdog_s: float = 0.0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Supervisor:
        """Return the one that an environment names; a watchdog for another process is none."""
        told, whose = (environment.get(f"WATCHDOG_{one}", "") for one in ("USEC", "PID"))
        is_ours = whose in ("", str(os.getpid()))
        watchdog_us = int(told) if is_ours and told.isascii() and told.isdecimal() else 0
        return cls(address=environment.get("NOTIFY_SOCKET", ""), watchdog_s=watchdog_us / 1e6)

    @property
    def look_s(self) -> float:
        """Seconds between two looks at a program that is ready: three for each silence allowed."""
        return min(LOOK_S_MAX, self.watchdog_s / 3) if self.watchdog_s else LOOK_S_MAX

    def tell(self, *lines: str) -> None:
        """Say something. Nobody waits for a manager that does not read: it is said once more."""
        if not self.address:
            return
        text = "\n".join(lines)
        to = f"\0{self.address[1:]}" if self.address[0] == "@" else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as ours:
                ours.setblocking(False)
                ours.sendto(text.encode(), to)
        except OSError as error:
            log.warning("supervisor.not_told", reason=error.strerror)


def status_line(text: str) -> str:
    """Return what says how we are: one line, bounded."""
    first = text.partition("\n")[0]
    return "STATUS=" + "".join(c if c.isprintable() else "?" for c in first)[:STATUS_MAX]


def lines_of(condition: ServiceCondition, *, was_ready: bool) -> list[str]:
    """Return what to tell of a condition.

    Args:
        was_ready: it was told before that the program is ready.
    """
    lines = [status_line(condition.status)]
    if condition.is_alive:
        lines.append(ALIVE)
    if condition.is_ready and not was_ready:
        lines.append(READY)
    if condition.is_starting and not condition.is_ready and not was_ready:
        lines.append(f"EXTEND_TIMEOUT_USEC={round(MORE_TIME_S * 1e6)}")
    return lines


async def keep_told(
    manager: Supervisor, look: Callable[[], Awaitable[ServiceCondition]], *, clock: Clock
) -> None:
    """Look at the program, and tell the service manager how it stands, for ever.

    Returns at once where nobody listens. No more time is asked for once a start takes an hour.
    """
    if not manager.address:
        return
    was_ready, began_s = False, clock.monotonic_s()
    while True:
        condition = await look()
        lines = lines_of(condition, was_ready=was_ready)
        if clock.monotonic_s() - began_s > START_S_MAX:
            lines = [line for line in lines if not line.startswith("EXTEND_TIMEOUT_USEC=")]
        manager.tell(*lines)
        was_ready = was_ready or condition.is_ready
        pause_s = manager.look_s if was_ready else min(STARTING_LOOK_S, manager.look_s)
        await clock.sleep(pause_s)


def supervisor() -> Supervisor:
    """Return the service manager of this process."""
    return Supervisor.of(os.environ)
