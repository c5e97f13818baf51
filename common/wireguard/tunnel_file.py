"""What does a ``wg0.conf`` say?

Pure. Only what a rendered file holds is understood. A hook (``PostUp``) would run as root whatever
somebody wrote there, and so is refused with everything else that nobody here goes by. All that
comes from the file is of a form that no program takes for an option, and bounded.

Source: wg(8), *CONFIGURATION FILE FORMAT*; wg-quick(8).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common.errors import SettingsError

FILE_BYTES_MAX = 4 << 20
PEERS_MAX = 8192
ADDRESSES_MAX = 64  # of one interface, or of one peer
MTU_MIN, MTU_MAX = 1280, 9000  # below, an interface has no IPv6
KEEPALIVE_S_MAX = 65_535
COMPLAINTS_MAX = 20

_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_INTERFACE = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,14}")  # 15 octets: IFNAMSIZ
_HOOKS = {"preup", "postup", "predown", "postdown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a peer is reached."""

    host: str  # an address in its shortest form, or a host name
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_name(self) -> bool:
        """Whether it takes a look-up to reach it."""
        return not is_address(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelPeer:
    """One peer, as the file has it."""

    name: str  # of the comment before it; without one, the beginning of its key
    public_key: str
    allowed: tuple[str, ...]  # networks
    endpoint: Endpoint | None = None
    keepalive_s: int = 0  # 0: none
    preshared_key: str = ""

    def hosts(self) -> tuple[str, ...]:
        """Return the single addresses among its networks: those that it has itself."""
        nets = [ipaddress.ip_network(one) for one in self.allowed]
        return tuple(str(net.network_address) for net in nets if net.num_addresses == 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelFile:
    """The interface and its peers."""

    private_key: str
    addresses: tuple[str, ...]  # with their prefix length
    port: int = 0  # 0: any
    mtu: int = 0  # 0: not stated
    peers: tuple[TunnelPeer, ...] = ()

    def __repr__(self) -> str:
        return f"TunnelFile({len(self.peers)} peers)"  # nothing of it in a traceback


def is_address(text: str) -> bool:
    """Say whether a text is an IP address; one with a scope may hold whatever somebody wrote."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def is_interface(text: str) -> bool:
    """Say whether a text may be an interface's name, and is no option of a program."""
    return _INTERFACE.fullmatch(text) is not None


def parse_endpoint(text: str) -> Endpoint:
    """Return the endpoint that HOST:PORT means.

    Raises:
        ValueError: it means none; says why.
    """
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise ValueError("is no HOST:PORT")
    elif ":" in host:
        raise ValueError("is no HOST:PORT; an IPv6 address stands in brackets")
    number = _number(port, 1, 65_535)
    if is_address(host):
        return Endpoint(host=str(ipaddress.ip_address(host)), port=number)
    if not _HOST.fullmatch(host):
        raise ValueError("is no HOST:PORT")
    return Endpoint(host=host.lower(), port=number)


def parse_tunnel_file(text: str, *, file: str) -> TunnelFile:
    """Return what a file says.

    Args:
        text: all of it, at most ``FILE_BYTES_MAX`` octets.
        file: its name, for complaints. What they say of it never holds a key.

    Raises:
        SettingsError: every complaint, a line each.
    """
    reading = _Reading(file)
    for number, line in enumerate(text.splitlines(), 1):
        reading.take(number, line)
    return reading.ended()


def _number(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not low <= int(text) <= high:
        raise ValueError(f"is no number from {low} to {high}")
    return int(text)


def _key(text: str) -> str:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if len(octets) != 32:
        raise ValueError("is no key of 32 octets in base64")
    return base64.b64encode(octets).decode()


def _listed(text: str) -> list[str]:
    found = [item.strip() for item in text.split(",")]
    if len(found) > ADDRESSES_MAX:
        raise ValueError(f"are more than {ADDRESSES_MAX}")
    return found


def _address(text: str) -> str:
    try:
        found = str(ipaddress.ip_interface(text))
    except ValueError:
        found = "%"
    if "%" in found:
        raise ValueError("is no address such as 10.77.0.1/32")
    return found


def _network(text: str) -> str:
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("is no network such as 10.77.0.1/32") from None
    if found.prefixlen == 0:
        raise ValueError("is the whole Internet; name the addresses of the peer")
    return str(found)


def _mtu(text: str) -> int:
    return _number(text, MTU_MIN, MTU_MAX)


def _keepalive(text: str) -> int:
    return 0 if text == "off" else _number(text, 0, KEEPALIVE_S_MAX)


def _port(text: str) -> int:
    return _number(text, 0, 65_535)


# Key in the file → field, and what makes its value; a list takes the place of what may come again.
_INTERFACE_KEYS = {
    "address": ("addresses", _address),
    "listenport": ("port", _port),
    "mtu": ("mtu", _mtu),
    "privatekey": ("private_key", _key),
}
_PEER_KEYS = {
    "allowedips": ("allowed", _network),
    "endpoint": ("endpoint", parse_endpoint),
    "persistentkeepalive": ("keepalive_s", _keepalive),
    "presharedkey": ("preshared_key", _key),
    "publickey": ("public_key", _key),
}
_LISTS = {"addresses", "allowed"}


class _Reading:
    """A file that is read line by line."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._complaints: list[str] = []
        self._comment = ""
        self._interface: dict[str, object] | None = None
        self._peers: list[tuple[int, dict[str, object]]] = []
        self._section = ""

    def take(self, number: int, line: str) -> None:
        """Take the next line."""
        said, _, comment = line.partition("#")
        said = said.strip()
        if not said:
            self._comment = comment.strip()
            return
        if said.startswith("["):
            self._begin(number, said.lower())
            return
        key, equals, value = (part.strip() for part in said.partition("="))
        if not equals:
            self._complain(number, "is no KEY = VALUE", "write one")
            return
        self._set(number, key.lower(), value)

    def _begin(self, number: int, section: str) -> None:
        self._section = section
        if section == "[interface]":
            if self._interface is not None:
                self._complain(number, "there is an [Interface] already", "join the two")
            self._interface = self._interface or {}
        elif section == "[peer]":
            name = self._comment if _NAME.fullmatch(self._comment) else ""
            if len(self._peers) == PEERS_MAX:
                self._complain(number, f"has more than {PEERS_MAX} peers", "take some out")
            self._peers.append((number, {"name": name}))
        else:
            self._complain(number, "no such section", "there are [Interface] and [Peer]")

    def _set(self, number: int, key: str, value: str) -> None:
        if self._section == "[interface]" and self._interface is not None:
            keys, fields = _INTERFACE_KEYS, self._interface
        elif self._section == "[peer]":
            keys, fields = _PEER_KEYS, self._peers[-1][1]
        else:
            return  # of a section that nobody knows: that was said
        if key not in keys:
            shown = key if re.fullmatch(r"[a-z]{1,30}", key) else "this"
            why = "runs programs as root" if key in _HOOKS else "is nothing that is gone by here"
            self._complain(number, f"{shown} {why}", "take the line out")
            return
        field, read = keys[key]
        try:
            if field in _LISTS:
                before = fields.get(field, ())
                assert isinstance(before, tuple)
                found = [*before, *(read(item) for item in _listed(value))]
                if len(found) > ADDRESSES_MAX:
                    raise ValueError(f"are more than {ADDRESSES_MAX}")
                fields[field] = tuple(dict.fromkeys(found))
            elif field in fields:
                raise ValueError("stands here a second time")
            else:
                fields[field] = read(value)
        except ValueError as error:
            self._complain(number, f"{key}: {error}", "correct it where the file is made")

    def _complain(self, number: int, what: str, remedy: str) -> None:
        if len(self._complaints) < COMPLAINTS_MAX:
            self._complaints.append(f"{self._file}:{number}:1: {what}; {remedy}")

    def ended(self) -> TunnelFile:
        """Return the whole."""
        fields = self._interface or {}
        for field, key in (("private_key", "PrivateKey"), ("addresses", "Address")):
            if field not in fields and not self._complaints:
                self._complain(1, f"[Interface] has no {key}", "render the file anew")
        peers = list(self._made()) if not self._complaints else []
        for what in _twice(peers):
            self._complain(1, what, "correct the inventory")
        if self._complaints:
            raise SettingsError(self._complaints)
        return TunnelFile(peers=tuple(peers), **fields)  # type: ignore[arg-type]

    def _made(self) -> Iterator[TunnelPeer]:
        for number, fields in self._peers:
            if "public_key" not in fields:
                self._complain(number, "a [Peer] has no PublicKey", "render the file anew")
                continue
            named = {**fields, "name": fields["name"] or str(fields["public_key"])[:8]}
            yield TunnelPeer(**{"allowed": (), **named})  # type: ignore[arg-type]


def _twice(peers: Sequence[TunnelPeer]) -> Iterator[str]:
    """Yield keys and networks that two peers have: the later one would get all."""
    keys, owners = set[str](), dict[str, str]()
    for peer in peers:
        if peer.public_key in keys:
            yield f"{peer.name} has the key of another peer"
        keys.add(peer.public_key)
        for network in peer.allowed:
            if network in owners:
                yield f"{peer.name} and {owners[network]} have both {network}"
            owners[network] = peer.name
