"""What do the name servers say to one question?

Touches the network through dnspython's asynchronous resolver, and ``resolv.conf``, which is read
again when it has changed. No thread is used: the few that a process has for ``getaddrinfo`` would
be held by the names that do not answer, and every other name behind them.

Source: RFC 1035, RFC 2308 section 5; RFC 6840 section 5.7 (AD in a question asks for AD in the
answer); resolv.conf(5), ``trust-ad``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.rdata
import dns.resolver

from satellite.names.answer import Lookup, LookupResult

RESOLV_CONF = Path("/etc/resolv.conf")
RESOLV_CONF_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Said:
    """What was said to one question, and for how long it may be believed; *no* too: RFC 2308."""

    lookup: Lookup[dns.rdata.Rdata]
    ttl_s: float = 0.0


_FAILED = Said(Lookup(LookupResult.FAILED))


class NameServers:
    """The name servers of this node.

    Args:
        host: the node's own resolver; empty: the system's.
        port: where they listen.
        resolv_conf: where the system says which those are.
    """

    def __init__(self, host: str = "", port: int = 53, *, resolv_conf: Path = RESOLV_CONF) -> None:
        self._resolv_conf = resolv_conf
        self._port = port
        self._stamp: tuple[int, int] | None = None
        self._resolver: dns.asyncresolver.Resolver | None = None
        # Which resolver is configured is the operator's word that it validates. The system's is
        # trusted if resolv.conf says so: a forwarder may hand on an AD that a stranger wrote.
        self._is_trusted = bool(host)
        self.is_systems = not host
        if host:
            self._resolver = dns.asyncresolver.Resolver(configure=False)
            self._resolver.nameservers = [host]
            self._resolver.port = port
            _set_flags(self._resolver)

    async def ask(self, name: str, kind: str, *, within_s: float) -> Said:
        """Return what is said of a name; never an exception.

        Args:
            name: absolute if it has a dot; else the system's search list counts.
            kind: of the records, such as ``MX``.
            within_s: for all tries together.
        """
        try:
            resolver = self._current()
            answer = await resolver.resolve(
                name, kind, search="." not in name, lifetime=within_s, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN as error:
            return Said(Lookup(LookupResult.NO_NAME), _ttl_s_of(error))
        except (dns.exception.DNSException, OSError, ValueError):
            # SERVFAIL, no answer in time, a loop of aliases, nonsense, no resolv.conf.
            return _FAILED
        flags, ttl_s = answer.response.flags, float(answer.chaining_result.minimum_ttl)
        if answer.rrset is None:
            # What is cut off even over TCP says nothing about what is there.
            return _FAILED if flags & dns.flags.TC else Said(Lookup(LookupResult.NOTHING), ttl_s)
        is_validated = self._is_trusted and bool(flags & dns.flags.AD)
        return Said(Lookup(LookupResult.RECORDS, tuple(answer.rrset), is_validated), ttl_s)

    def _current(self) -> dns.asyncresolver.Resolver:
        """Return the resolver; the system's is made anew when resolv.conf has changed."""
        if not self.is_systems and self._resolver is not None:
            return self._resolver
        found = self._resolv_conf.stat()
        stamp = (found.st_mtime_ns, found.st_ino)
        if self._resolver is None or stamp != self._stamp:
            resolver = dns.asyncresolver.Resolver(str(self._resolv_conf))
            resolver.port = self._port
            _set_flags(resolver)
            self._is_trusted = _trusts_ad(self._resolv_conf)
            self._resolver, self._stamp = resolver, stamp
        return self._resolver


def _ttl_s_of(error: dns.resolver.NXDOMAIN) -> float:
    """Return for how long a name may be taken as absent, as the zone's SOA says."""
    responses: Mapping[object, dns.message.QueryMessage] = error.kwargs.get("responses") or {}
    ttls = [response.resolve_chaining().minimum_ttl for response in responses.values()]
    return float(min(ttls, default=0))


def _set_flags(resolver: dns.asyncresolver.Resolver) -> None:
    resolver.flags = dns.flags.RD | dns.flags.AD


def _trusts_ad(path: Path) -> bool:
    with path.open("rb") as file:
        lines = file.read(RESOLV_CONF_BYTES_MAX).decode("utf-8", "replace").splitlines()
    options = [line.split()[1:] for line in lines if line.startswith("options")]
    return any("trust-ad" in words for words in options)
