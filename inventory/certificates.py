"""Which certificate has a node, and is it still good?

Touches the rendered folder, for reading. The cluster has an authority of its own; a certificate is
made once and kept until it is due, or until its names, its key or the authority changed.

A satellite's certificate is for a client alone and names no host: with it nobody can pose as the
core. Source: RFC 5280 section 4.2.1.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from common.certificate import serial_text
from common.errors import LocalError

AUTHORITY_DAYS = 3650
AUTHORITY_RENEWAL_DAYS = 365  # longer than any certificate that it signs
LIFETIME_DAYS = 90
RENEWAL_DAYS = 14  # renewed when fewer are left; from here on the doctor warns
CLOCK_SKEW = timedelta(hours=1)  # a node's clock may be behind ours

AUTHORITY_KEY = "authority"
AUTHORITY_CERTIFICATE = "authority.crt"
COMMON_NAME_LENGTH_MAX = 64  # RFC 5280, upper bound ub-common-name


PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class KeyKind(StrEnum):
    """Which key a node's certificate has."""

    ECDSA = "ECDSA"
    RSA = "RSA"  # for clients of the world that have no ECDSA


RSA_BITS = 2048  # NIST SP 800-57 part 1, table 2: of the strength that is asked for until 2030


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a certificate says of its holder."""

    name: str  # for people
    uris: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    is_server: bool = False
    is_client: bool = False

    @property
    def names(self) -> list[x509.GeneralName]:
        """All names, as the certificate has them."""
        return [
            *(x509.UniformResourceIdentifier(uri) for uri in self.uris),
            *(x509.DNSName(host) for host in self.hosts),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in self.addresses),
        ]

    @property
    def purposes(self) -> list[x509.ObjectIdentifier]:
        """What the certificate may be used for."""
        found = [ExtendedKeyUsageOID.SERVER_AUTH] if self.is_server else []
        return found + ([ExtendedKeyUsageOID.CLIENT_AUTH] if self.is_client else [])


def instant(now_us: int) -> datetime:
    """Return microseconds since the epoch as a UTC time in whole seconds."""
    return datetime.fromtimestamp(now_us // 1_000_000, UTC)


def authority(out: Path, *, cluster: str, now_us: int) -> Credential:
    """Return the cluster's authority: the one in the folder while it is good, else a new one.

    The key outlives its certificate: what it signed stays valid.

    Raises:
        LocalError: a file holds something else.
    """
    key = _key(out / AUTHORITY_KEY)
    certificate = _certificate(out / AUTHORITY_CERTIFICATE)
    now = instant(now_us)
    subject = _subject(f"{cluster} authority")
    good = (
        certificate is not None
        and certificate.subject == subject
        and certificate.public_key() == key.public_key()
        and certificate.not_valid_after_utc - now >= timedelta(days=AUTHORITY_RENEWAL_DAYS)
        and certificate.not_valid_before_utc <= now
    )
    if certificate is None or not good:
        certificate = _new_authority(subject, key, now)
    return Credential(_pem(certificate), _key_pem(key))


def credential(
    certificate_file: Path,
    key_file: Path,
    *,
    identity: Identity,
    signer: Credential,
    now_us: int,
    key_kind: KeyKind = KeyKind.ECDSA,
    revoked: Collection[str] = (),
) -> Credential:
    """Return a node's certificate: the one in its folder while it is good, else a new one.

    Args:
        certificate_file, key_file: where they are kept.
        identity: whom it is for.
        signer: the cluster's authority.
        now_us: decides whether it is due, microseconds since the epoch.
        key_kind: of its key.
        revoked: serial numbers that are good no more, as ``common.certificate.serial_text``.

    Raises:
        LocalError: a file holds something else.
    """
    root = x509.load_pem_x509_certificate(signer.certificate)
    old = _certificate(certificate_file)
    now = instant(now_us)
    is_revoked = old is not None and serial_text(old.serial_number) in revoked
    if old is not None and key_file.exists() and not is_revoked:
        key = _key(key_file)
        if key_kind is _kind_of(key) and _is_good(old, key, identity, root, now):
            return Credential(_pem(old), _key_pem(key))
    fresh = _new_key(key_kind)
    signing = _load_key(signer.key)
    return Credential(_pem(_new(identity, fresh, root, signing, now)), _key_pem(fresh))


def _is_good(
    certificate: x509.Certificate,
    key: PrivateKey,
    identity: Identity,
    root: x509.Certificate,
    now: datetime,
) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
        extensions = certificate.extensions
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        purposes = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        certificate.public_key() == key.public_key()
        and names == identity.names
        and purposes == identity.purposes
        and certificate.not_valid_before_utc <= now
        and certificate.not_valid_after_utc - now >= timedelta(days=RENEWAL_DAYS)
    )


def _new_authority(subject: x509.Name, key: PrivateKey, now: datetime) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _new(
    identity: Identity,
    key: PrivateKey,
    root: x509.Certificate,
    signing: PrivateKey,
    now: datetime,
) -> x509.Certificate:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(identity.name))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=LIFETIME_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(identity.purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(identity.names), critical=False)
        .add_extension(issuer, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(signing, hashes.SHA256())
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:COMMON_NAME_LENGTH_MAX])])


def _certificate(path: Path) -> x509.Certificate | None:
    if not path.exists():
        return None
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise LocalError(
            f"{path}: holds no certificate", hint="restore it, or delete it for a new one"
        ) from None


def _key(path: Path) -> PrivateKey:
    if not path.exists():
        return _new_key(KeyKind.ECDSA)
    try:
        return _load_key(path.read_bytes())
    except (ValueError, TypeError):
        raise LocalError(
            f"{path}: holds no private key", hint="restore it, or delete it for a new one"
        ) from None


def _new_key(kind: KeyKind) -> PrivateKey:
    match kind:
        case KeyKind.ECDSA:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.RSA:
            return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def _kind_of(key: PrivateKey) -> KeyKind:
    return KeyKind.RSA if isinstance(key, rsa.RSAPrivateKey) else KeyKind.ECDSA


def _load_key(pem: bytes) -> PrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, PrivateKey):
        raise ValueError("neither an elliptic curve key nor an RSA key")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
