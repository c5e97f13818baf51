"""Until when is a certificate good, which one is it, and does its key belong to it?

Touches nothing but memory, and the registry that asks for the metrics. A certificate and its key
are two files, and whoever renews them writes one after the other: a pair that does not fit is a
moment of that, and what is in use stays in use.

Every worker asks, and what a library of certificates would cost it in memory is a tenth of what it
has: so whether a pair fits is asked of the TLS that is going to use it, and the two fields that TLS
does not tell are read here.

Source: RFC 5280 sections 4.1, 4.1.2.2 and 4.1.2.5 (the fields of a certificate), RFC 7468
(PEM), X.690 section 8.1 (how a field is encoded).
"""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from common.errors import EnvironmentFailure

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s(.*?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _INTEGER = 0x30, 0xA0, 0x02
SERIAL_BYTES_MAX = 20  # RFC 5280 section 4.1.2.2; one more octet may hold the sign
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}  # UTCTime, GeneralizedTime
_BEFORE_VALIDITY = 3  # serial number, signature, issuer
# The last is what it says of a key of another type than the certificate's.
_MISMATCHES = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """A certificate that is in use.

    Attributes:
        not_after_s: when it ends, in seconds since the epoch (UTC).
        problem: why what its files hold by now is not used; empty when it is.
    """

    not_after_s: float
    problem: str = ""


def not_after_s(certificate: bytes) -> float:
    """Return when a certificate ends, in seconds since the epoch (UTC).

    Args:
        certificate: PEM; the first one counts, what follows are its issuers.

    Raises:
        EnvironmentFailure: it is none.
    """
    with _read() as fields_of:
        return _validity(*fields_of(certificate))[1].timestamp()


def renewal_due_s(certificate: bytes) -> float:
    """Return when two thirds of a certificate's life are over, in seconds since the epoch (UTC).

    Args:
        certificate: PEM; the first one counts.

    Raises:
        EnvironmentFailure: it is none.
    """
    with _read() as fields_of:
        begins, ends = (one.timestamp() for one in _validity(*fields_of(certificate)))
        return begins + (ends - begins) * 2.0 / 3.0


def serial_number(certificate: bytes) -> str:
    """Return the number that tells a certificate from all others of its authority.

    Args:
        certificate: PEM; the first one counts, what follows are its issuers.

    Returns:
        As ``serial_text``.

    Raises:
        EnvironmentFailure: it is none.
    """
    with _read() as fields_of:
        fields, place = fields_of(certificate)
        number = _value(fields, place, _INTEGER)[0]
        if not 1 <= len(number) <= SERIAL_BYTES_MAX + 1:
            raise ValueError("a serial number that no certificate has")
        return serial_text(int.from_bytes(number, "big"))


def serial_text(number: int) -> str:
    """Return a serial number as we write it: hexadecimal, small letters, no leading zero."""
    return f"{number:x}"


@contextmanager
def _read() -> Iterator[Callable[[bytes], tuple[bytes, int]]]:
    """Yield what gives a certificate's fields; what it stumbles over is told as ours."""
    try:
        yield _fields
    except (ValueError, LookupError) as error:
        raise EnvironmentFailure("the certificate is no PEM certificate") from error


def _fields(pem: bytes) -> tuple[bytes, int]:
    """Return the fields of a certificate, and where the one after its version begins."""
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("no PEM")
    der = base64.b64decode(b"".join(found[1].split()), validate=True)
    fields = _value(_value(der, 0, _SEQUENCE)[0], 0, _SEQUENCE)[0]
    return fields, _end(fields, 0) if fields[0] == _VERSION else 0


def _validity(fields: bytes, place: int) -> tuple[datetime, datetime]:
    """Return when a certificate begins and ends."""
    for _ in range(_BEFORE_VALIDITY):
        place = _end(fields, place)
    validity = _value(fields, place, _SEQUENCE)[0]
    return _time(validity, 0), _time(validity, _end(validity, 0))


def _time(validity: bytes, place: int) -> datetime:
    text, kind = _value(validity, place)
    # A year of two digits below 50 is of this century (RFC 5280 section 4.1.2.5.1); strptime has
    # its border at 69, and nobody's certificate ends in the sixties.
    return datetime.strptime(text.decode("ascii"), _TIMES[kind]).replace(tzinfo=UTC)


def _value(octets: bytes, place: int, kind: int | None = None) -> tuple[bytes, int]:
    """Return the content and the kind of the field at a place."""
    if kind is not None and octets[place] != kind:
        raise ValueError(f"{octets[place]:#x} where {kind:#x} is due")
    start, length = _length(octets, place)
    content = octets[start : start + length]
    if len(content) < length:
        raise ValueError("cut off")
    return content, octets[place]


def _end(octets: bytes, place: int) -> int:
    """Return the place behind the field at a place."""
    start, length = _length(octets, place)
    return start + length


def _length(octets: bytes, place: int) -> tuple[int, int]:
    """Return where a field's content begins and how long it is: X.690 section 8.1.3."""
    first = octets[place + 1]
    if first < 0x80:
        return place + 2, first
    size = first & 0x7F
    if not 1 <= size <= 4:
        raise ValueError("a length that no certificate has")
    start = place + 2 + size
    return start, int.from_bytes(octets[place + 2 : start], "big")


def check_pair(certificate: bytes, key: bytes) -> None:
    """Do nothing when a key belongs to a certificate, and TLS can use both.

    Raises:
        EnvironmentFailure: it does not, or one of them is not what it should be.
    """
    not_after_s(certificate)
    try:
        with named_file(certificate) as certificate_name, named_file(key) as key_name:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate_name, key_name, password=_no_password)
    except ssl.SSLError as error:
        if error.reason in _MISMATCHES:
            raise EnvironmentFailure("the key belongs to another certificate") from error
        raise EnvironmentFailure("the key is no PEM key without a password") from error
    except ValueError as error:
        raise EnvironmentFailure("the key is no PEM key without a password") from error


def _no_password() -> str:
    """Refuse to be asked: nobody is there to type one."""
    raise ValueError("the key has a password")


@contextmanager
def named_file(content: bytes) -> Iterator[str]:
    """Yield a name for octets that are in no file: TLS reads files only."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


class CertificateMetrics(Collector):
    """Until when each certificate of a process is good.

    Args:
        certificates: by role, what returns its status; None while none is in use.
        registry: where they are collected.
    """

    def __init__(
        self,
        certificates: Mapping[str, Callable[[], CertificateStatus | None]],
        registry: CollectorRegistry,
    ) -> None:
        self._certificates = certificates
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return the times as they are now; a certificate that is not in use has none."""
        ends = GaugeMetricFamily(
            "borderscout_cert_not_after_timestamp_seconds",
            "When the certificate in use ends, since the epoch (UTC)",
            labels=["role"],
        )
        unusable = GaugeMetricFamily(
            "borderscout_cert_renewal_unusable",
            "1 while the files hold what cannot be used, and the certificate before still is",
            labels=["role"],
        )
        for role, status_of in self._certificates.items():
            status = status_of()
            if status is not None:
                ends.add_metric([role], status.not_after_s)
                unusable.add_metric([role], bool(status.problem))
        return [ends, unusable]
