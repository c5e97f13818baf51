"""How are the records of our own zone read from its name server, and changed there?

Touches the network: a zone transfer and updates of RFC 2136, both signed with a TSIG key. Each
update is taken whole or not at all, and only if every set of records in it still is what was read:
nobody else's change is lost.

Source: RFC 2136 sections 2.4 and 3, RFC 5936, RFC 8945.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataset
import dns.rdatatype
import dns.tsig
import dns.update
import dns.xfr
import dns.zone

from common.counted import counted
from common.errors import EnvironmentFailure, LocalError
from common.settings.values import split_endpoint
from inventory.load import Progress, no_progress
from inventory.mx.formats.rendered_files import zone_value
from inventory.mx.records import RecordSet
from inventory.mx.tsig_key import TsigKey
from inventory.mx.zone_changes import ZoneChange

TIMEOUT_S = 30.0
TRANSFER_S = 300.0
UPDATE_BYTES_MAX = 40_000  # of 65 535 in a message, estimated from above
_RECORD_BYTES = 16  # beside its name and its value: type, class, TTL, lengths
_OF_RIGHTS = (dns.rcode.REFUSED, dns.rcode.NOTAUTH)
_LOG = "look at the server's log"


class ZoneChanged(EnvironmentFailure):
    """Somebody else changed a record since it was read."""


@dataclass(frozen=True, slots=True)
class ZoneServer:
    """A name server that has a zone, and lets us change it.

    Attributes:
        endpoint: HOST:PORT.
        zone: without a final dot.
    """

    endpoint: str
    zone: str
    key: TsigKey

    def read(self) -> list[RecordSet]:
        """Return all that stands in the zone, in no order.

        Raises:
            EnvironmentFailure: it cannot be had; says why.
        """
        zone = dns.zone.Zone(dns.name.from_text(self.zone), relativize=False)
        query, _ = dns.xfr.make_query(zone, keyring=self._ring())
        with self._told("a zone transfer", "allow-transfer"):
            address, port = self._address()
            dns.query.inbound_xfr(
                address, zone, query, port=port, timeout=TIMEOUT_S, lifetime=TRANSFER_S
            )
        return [
            RecordSet(
                name.to_text(omit_final_dot=True).lower(),
                dns.rdatatype.to_text(rdataset.rdtype),
                rdataset.ttl,
                tuple(sorted(value_text(rdata) for rdata in rdataset)),
            )
            for name, node in zone.nodes.items()
            for rdataset in node.rdatasets
        ]

    def change(self, changes: Sequence[ZoneChange], progress: Progress = no_progress) -> None:
        """Carry changes out, in as few updates as they fit in.

        Raises:
            ZoneChanged: a set is not what it was.
            EnvironmentFailure: the server did not take them; says why. Of both: what came before in
                ``changes`` is done, and how much that is, is said.
        """
        done = 0
        for part in _parts(changes):
            progress("updating", done, len(changes))
            try:
                self._send(part)
            except EnvironmentFailure as error:
                if not done:
                    raise
                before = f"{done} of {counted(len(changes), 'record set')} were changed before that"
                raise type(error)(f"{error.what}; {before}", hint=error.hint) from None
            done += len(part)

    def _send(self, part: Sequence[ZoneChange]) -> None:
        update = dns.update.UpdateMessage(dns.name.from_text(self.zone), keyring=self._ring())
        for change in part:
            name, kind = dns.name.from_text(change.set.name), change.set.kind
            if change.before is None:
                update.absent(name, kind)
            else:
                update.present(name, _rdataset(change.before, ttl_s=0))  # RFC 2136 section 2.4.2
        for change in part:
            name, kind = dns.name.from_text(change.set.name), change.set.kind
            if change.before is not None:
                update.delete(name, kind)
            if change.after is not None:
                update.add(name, _rdataset(change.after))
        with self._told("an update", "allow-update or update-policy"):
            address, port = self._address()
            answer = dns.query.tcp(update, address, port=port, timeout=TIMEOUT_S)
        self._check(answer)

    def _check(self, answer: dns.message.Message) -> None:
        code = answer.rcode()
        if code in (dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.YXDOMAIN, dns.rcode.NXDOMAIN):
            raise ZoneChanged(
                f"{self.zone}: was changed by somebody else meanwhile",
                hint="run the command again: it reads the zone anew",
            )
        if code != dns.rcode.NOERROR:
            clause = f"see allow-update or update-policy of the zone for the key {self.key.name}"
            raise EnvironmentFailure(
                f"{self.endpoint} refused an update of {self.zone}: {dns.rcode.to_text(code)}",
                hint=clause if code in _OF_RIGHTS else f"{_LOG}, and run the command again",
            )

    def _ring(self) -> dns.tsig.Key:
        return dns.tsig.Key(self.key.name, self.key.secret, self.key.algorithm)

    def _address(self) -> tuple[str, int]:
        host, port = split_endpoint(self.endpoint)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return str(found[0][4][0]), port

    @contextmanager
    def _told(self, what: str, clause: str) -> Iterator[None]:
        try:
            yield
        except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.message.UnknownTSIGKey) as error:
            raise EnvironmentFailure(
                f"{self.endpoint} does not take the key {self.key.name}: {_words(error)}",
                hint="give it the same key, and look at both clocks",
            ) from None
        except dns.xfr.TransferError as error:
            raise EnvironmentFailure(
                f"{self.endpoint} refused {what} of {self.zone}: {_words(error)}",
                hint=f"see {clause} of the zone for the key {self.key.name}",
            ) from None
        except dns.exception.DNSException as error:
            raise EnvironmentFailure(
                f"{self.endpoint}: {what} of {self.zone} failed: {_words(error)}", hint=_LOG
            ) from None
        except EOFError:  # dnspython's, and no DNSException
            raise EnvironmentFailure(
                f"{self.endpoint}: {what} of {self.zone} failed: the server hung up", hint=_LOG
            ) from None
        except OSError as error:
            raise EnvironmentFailure(
                f"{self.endpoint}: {error.strerror or error}", hint="see --server"
            ) from None


def check_zone(zone: str, mail_domain: str) -> None:
    """Do nothing when a zone can hold the records of a mail domain.

    Raises:
        LocalError: it cannot.
    """
    if mail_domain != zone and not mail_domain.endswith(f".{zone}"):
        raise LocalError(
            f"{mail_domain} does not lie in the zone {zone[:260]}",
            hint="name the zone that it lies in",
        )


def _parts(changes: Sequence[ZoneChange]) -> Iterator[list[ZoneChange]]:
    part: list[ZoneChange] = []
    size = 0
    for change in changes:
        more = 2 * _bytes(change.before) + _bytes(change.after)
        if part and size + more > UPDATE_BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(change)
        size += more + len(change.set.name) + _RECORD_BYTES
    if part:
        yield part


def _bytes(one: RecordSet | None) -> int:
    if one is None:
        return 0
    return sum(len(one.name) + len(value) + _RECORD_BYTES for value in one.values)


def _rdataset(one: RecordSet, *, ttl_s: int | None = None) -> dns.rdataset.Rdataset:
    values = [zone_value(one.kind, value) for value in one.values]
    return dns.rdataset.from_text_list(
        "IN", one.kind, one.ttl_s if ttl_s is None else ttl_s, values
    )


def value_text(rdata: object) -> str:
    """Return a value as in a zone file; a text without its quotes."""
    strings = getattr(rdata, "strings", None)  # of a TXT record
    if strings is not None:
        return b"".join(strings).decode("ascii", "backslashreplace")
    return str(rdata)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
