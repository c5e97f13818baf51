"""Does a host's certificate chain fit the TLSA records that were proved by DNSSEC?

Pure. Of the four usages two count for SMTP: DANE-EE, where the certificate itself is named and
neither its name nor its time matters, and DANE-TA, where an authority in the chain is. What reads
certificates is loaded when the first record is there.

Source: RFC 7672 section 3.1, RFC 6698 section 2.1, RFC 7671 section 5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

TRUST_ANCHOR, END_ENTITY = 2, 3
RECORDS_MAX = 32  # of one host; more are not read
CHAIN_MAX = 10  # certificates of one host, likewise: OpenSSL takes hundreds, each costs its time

_SELECTORS = (0, 1)  # the whole certificate, its public key
_DIGESTS: Mapping[int, Callable[[bytes], bytes]] = {
    0: bytes,
    1: lambda data: hashlib.sha256(data).digest(),
    2: lambda data: hashlib.sha512(data).digest(),
}
_VERSION_TAG = 0xA0  # of a certificate's first field, if that is its version
_SHORT_HEADER, _LONG_LENGTH = 2, 0x80  # of a DER element


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """One TLSA record."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def is_usable(self) -> bool:
        """Whether it can prove an SMTP server; PKIX usages cannot: RFC 7672 section 3.1.3."""
        return (
            self.usage in (TRUST_ANCHOR, END_ENTITY)
            and self.selector in _SELECTORS
            and self.matching in _DIGESTS
            and bool(self.data)
        )


def chain_problem(
    chain: Sequence[bytes], records: Sequence[TlsaRecord], *, names: Sequence[str]
) -> str:
    """Return why a chain is not the one that is published; empty: it is.

    Args:
        chain: certificates in DER as the host sent them, its own first.
        records: usable ones, at least one.
        names: what the host may be called: its own name, and the domain whose mail it takes.
    """
    from cryptography.x509 import load_der_x509_certificate

    try:
        certificates = [load_der_x509_certificate(der) for der in chain[:CHAIN_MAX]]
    except ValueError:
        return "its certificate cannot be read"
    if not certificates:
        return "it showed no certificate"
    for record in records[:RECORDS_MAX]:
        if record.usage == END_ENTITY and _matches(certificates[0], record):
            return ""
        if record.usage == TRUST_ANCHOR and _is_below(certificates, record, names):
            return ""
    return "its certificate is not the one that its TLSA records name"


def _matches(certificate: Certificate, record: TlsaRecord) -> bool:
    from cryptography.hazmat.primitives.serialization import Encoding

    whole = certificate.public_bytes(Encoding.DER)
    return (
        _DIGESTS[record.matching](whole if record.selector == 0 else _key_in(whole)) == record.data
    )


def _key_in(certificate: bytes) -> bytes:
    """Return the public key as it stands in a certificate that is well-formed DER.

    A key of a kind that we cannot read can be named all the same; and one that was read and written
    again may be other octets: RFC 5280 section 4.1, RFC 6698 section 1.3.
    """
    signed = next(_elements(_content(certificate)))
    fields = list(_elements(_content(signed)))
    is_versioned = fields[0][0] == _VERSION_TAG  # one of version 1 does not say so
    return fields[6 if is_versioned else 5]


def _elements(content: bytes) -> Iterator[bytes]:
    """Yield DER elements that follow each other, each with its tag and length."""
    while content:
        end = _header_bytes(content) + len(_content(content))
        yield content[:end]
        content = content[end:]


def _content(element: bytes) -> bytes:
    """Return what stands in the DER element at the beginning: X.690 section 8.1.3."""
    header = _header_bytes(element)
    length = element[1] if header == _SHORT_HEADER else int.from_bytes(element[2:header], "big")
    return element[header : header + length]


def _header_bytes(element: bytes) -> int:
    is_short = element[1] < _LONG_LENGTH
    return _SHORT_HEADER if is_short else _SHORT_HEADER + element[1] - _LONG_LENGTH


def _is_below(
    certificates: Sequence[Certificate], record: TlsaRecord, names: Sequence[str]
) -> bool:
    from cryptography.x509 import (
        BasicConstraints,
        DNSName,
        SubjectAlternativeName,
        load_der_x509_certificate,
    )
    from cryptography.x509.verification import (
        Criticality,
        ExtensionPolicy,
        PolicyBuilder,
        Store,
        VerificationError,
    )

    anchors = [each for each in certificates[1:] if _matches(each, record)]
    if record.selector == 0 and record.matching == 0:  # the record is the authority itself
        try:
            anchors.append(load_der_x509_certificate(record.data))
        except ValueError:
            return False
    if not anchors:
        return False
    # An authority that a domain names itself need not look as those of the web do.
    builder = (
        PolicyBuilder()
        .store(Store(anchors))
        .extension_policies(
            ca_policy=ExtensionPolicy.permit_all().require_present(
                BasicConstraints, Criticality.AGNOSTIC, None
            ),
            ee_policy=ExtensionPolicy.permit_all().require_present(
                SubjectAlternativeName, Criticality.AGNOSTIC, None
            ),
        )
    )
    for name in names:
        try:
            verifier = builder.build_server_verifier(DNSName(name))
            verifier.verify(certificates[0], list(certificates[1:]))
        except (VerificationError, ValueError):
            continue
        return True
    return False
