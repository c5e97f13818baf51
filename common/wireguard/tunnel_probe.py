"""Does a packet of some size come back from the other end of a tunnel?

Touches the network through a raw socket, which takes CAP_NET_RAW. It is an echo request of ICMP,
which the other host's kernel answers with the same octets, so that one probe tells of both ways.

Source: RFC 792, RFC 4443; ip(7), *IP_MTU_DISCOVER*; ipv6(7).
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import struct
import time
from dataclasses import dataclass, field

from common.errors import EnvironmentFailure

HEADERS = {4: 28, 6: 48}  # octets of IP and ICMP before what is echoed
_ECHO = {4: (8, 0), 6: (128, 129)}  # request and reply
_PROBE = 3  # linux/in.h IP_PMTUDISC_PROBE: never in pieces, and whatever is thought of the path
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER = 10, 23
WAIT_S = 1.0
TRIES = 3  # of 30 % of loss both ways, one in eight of all large packets would be thought too large


@dataclass(slots=True)
class Echo:
    """Asks one address.

    Args:
        address: of the VPN.
        interface: the only one that it may go through.
        wait_s: for one answer, once none came yet; afterwards as long as the path is.
    """

    address: str
    interface: str
    wait_s: float = WAIT_S
    tries: int = TRIES
    _rtt_s: float = field(default=0.0, init=False)

    def passes(self, size: int) -> bool:
        """Say whether a packet of so many octets came back.

        Raises:
            EnvironmentFailure: no such socket can be had, or there is no route.
        """
        version = 6 if ":" in self.address else 4
        try:
            with self._socket(version) as probe:
                return any(self._once(probe, version, size) for _ in range(self.tries))
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                return False
            raise EnvironmentFailure(
                f"no echo to {self.address}: {error.strerror or error}",
                hint="run it as root, with the tunnel up",
            ) from None

    def _socket(self, version: int) -> socket.socket:
        family, protocol = (
            (socket.AF_INET6, socket.IPPROTO_ICMPV6)
            if version == 6
            else (socket.AF_INET, socket.IPPROTO_ICMP)
        )
        made = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode())
        if version == 6:
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DONTFRAG, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)
        return made

    def _once(self, probe: socket.socket, version: int, size: int) -> bool:
        ask, answer = _ECHO[version]
        mark = secrets.token_bytes(8)  # ours, among all that come in
        content = mark + bytes(max(0, size - HEADERS[version] - len(mark)))
        head = struct.pack("!BBHHH", ask, 0, 0, os.getpid() & 0xFFFF, 1)
        if version == 4:  # of IPv6 the kernel works the sum out
            head = struct.pack("!BBHHH", ask, 0, _sum(head + content), os.getpid() & 0xFFFF, 1)
        began = time.monotonic()
        probe.sendto(head + content, (self.address, 0))
        deadline = began + (min(self.wait_s, 4 * self._rtt_s + 0.2) if self._rtt_s else self.wait_s)
        while (left := deadline - time.monotonic()) > 0:
            probe.settimeout(left)
            try:
                got = probe.recv(65_536)
            except TimeoutError:
                return False
            if version == 4:
                got = got[(got[0] & 15) * 4 :]
            if got[:1] == bytes([answer]) and got[8:16] == mark:
                self._rtt_s = max(self._rtt_s, time.monotonic() - began)
                return True
        return False


def _sum(octets: bytes) -> int:
    """Return the checksum of RFC 1071."""
    padded = octets + b"\0" * (len(octets) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
