"""What is a service kept from, whatever it is?

Pure: lines for a ``[Service]`` section. Each unit says what it needs; all else is here, once, so
that ``systemd-analyze security`` finds none above the bound of docs/inventory.md, *Units*.

Not for anybody: ``ProcSubset=pid``, since memory is read from ``/proc/meminfo``; ``PrivateUsers=``,
in which a right over the network is none over this machine's.

Source: systemd.exec(5), systemd.resource-control(5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

USER = "borderscout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What one service needs of the machine.

    Attributes:
        user: whom it runs as.
        group: whose what it makes is; empty: its user's.
        capabilities: rights that it has beside its user's.
        families: of sockets.
        calls: system calls beside those of every service.
        devices: that it may open beside ``/dev/null`` and its like; then it sees all of ``/dev``.
        writes: ``ReadWritePaths=``, each as it stands in the unit.
        sees_processes: it looks up those of other users, such as a scanner's.
        makes_code: it makes machine code while it runs, as YARA-X does of its rules.
    """

    user: str = USER
    group: str = ""
    capabilities: Sequence[str] = ()
    families: Sequence[str] = ("AF_INET", "AF_INET6", "AF_UNIX")
    calls: Sequence[str] = ()
    devices: Sequence[str] = ()
    writes: Sequence[str] = ()
    sees_processes: bool = False
    makes_code: bool = False

    def lines(self) -> str:
        """Return the section's lines."""
        rights = " ".join(self.capabilities)
        return "".join(
            f"{line}\n"
            for line in (
                f"User={self.user}",
                f"Group={self.group or self.user}",
                "UMask=0077",
                f"AmbientCapabilities={rights}",
                f"CapabilityBoundingSet={rights}",
                *self._devices(),
                "KeyringMode=private",
                "LockPersonality=yes",
                *([] if self.makes_code else ["MemoryDenyWriteExecute=yes"]),
                "NoNewPrivileges=yes",
                "PrivateMounts=yes",
                "PrivateTmp=yes",
                "ProtectClock=yes",
                "ProtectControlGroups=yes",
                "ProtectHome=yes",
                "ProtectHostname=yes",
                "ProtectKernelLogs=yes",
                "ProtectKernelModules=yes",
                "ProtectKernelTunables=yes",
                *([] if self.sees_processes else ["ProtectProc=invisible"]),
                "ProtectSystem=strict",
                *(f"ReadWritePaths={path}" for path in self.writes),
                "RemoveIPC=yes",
                f"RestrictAddressFamilies={' '.join(self.families)}",
                "RestrictNamespaces=yes",
                "RestrictRealtime=yes",
                "RestrictSUIDSGID=yes",
                "SystemCallArchitectures=native",
                # The first line allows, the next takes away; what is left fails, and ends nobody.
                f"SystemCallFilter={' '.join(('@system-service', *self.calls))}",
                "SystemCallFilter=~@privileged @resources",
                "SystemCallErrorNumber=EPERM",
            )
        )

    def _devices(self) -> list[str]:
        if not self.devices:
            return ["PrivateDevices=yes"]
        return ["DevicePolicy=closed", *(f"DeviceAllow={device}" for device in self.devices)]
