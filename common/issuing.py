"""What stands in a certificate that this cluster signs, and for whom?

Touches the system's source of chance, and no file. The authority signs, and so may an *issuer*: an
authority below it whose certificate ends after a year, so that the authority's key may lie offline.

What a request says of names is never looked at here: whoever signs says what its holder is called.

Source: RFC 5280 sections 4.2.1 and 4.2.1.10 (name constraints), RFC 2986 (requests).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from common.errors import PeerError
from common.joining import REQUEST_BYTES_MAX

LIFETIME_DAYS = 90
ISSUER_DAYS = 365
CLOCK_SKEW = timedelta(hours=1)  # a node's clock may be behind ours
COMMON_NAME_LENGTH_MAX = 64  # RFC 5280, upper bound ub-common-name
RSA_BITS = 2048  # NIST SP 800-57 part 1, table 2: of the strength that is asked for until 2030
RSA_BITS_MAX = 4096  # each handshake of the world would pay for more

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class KeyKind(StrEnum):
    """Which key a node's certificate has."""

    ECDSA = "ECDSA"
    RSA = "RSA"  # for clients of the world that have no ECDSA


class RequestRefused(PeerError):
    """What should be a certificate request cannot be signed."""


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


def satellite_of(cluster: str, node: str) -> Identity:
    """Return what a satellite's certificate says: a client of the core, and nothing else."""
    return Identity(
        name=f"{node} satellite of {cluster}",
        uris=(f"borderscout://{cluster}/satellite/{node}",),
        is_client=True,
    )


def mail_server_of(host: str, mail_domain: str) -> Identity:
    """Return what a satellite shows to the world for STARTTLS.

    The wildcard covers every name that the MX plan gives; no authority of the world signs it, so
    it is worth opportunistic encryption alone (RFC 7435).
    """
    return Identity(name=host, hosts=(host, f"*.{mail_domain}"), is_server=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs: the authority itself, or an issuer below it."""

    certificate: x509.Certificate
    key: PrivateKey

    def sign(self, identity: Identity, key: PublicKey, *, now: datetime, days: float) -> bytes:
        """Return a certificate, PEM.

        Args:
            identity: whom it is for.
            key: the holder's.
            now: it is good from an hour before, for clocks that are behind.
            days: until it ends; at the latest with the signer's own.
        """
        end = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        builder = _builder(subject_of(identity.name), self.certificate.subject, key, now, end)
        made = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(identity.purposes), critical=False)
            .add_extension(x509.SubjectAlternativeName(identity.names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return pem_of(made)

    def sign_issuer(
        self, name: str, key: PublicKey, *, hosts: tuple[str, ...], now: datetime, days: float
    ) -> bytes:
        """Return the certificate of an issuer, PEM.

        It signs no further issuer, and nothing that names a host outside ``hosts`` or an address.

        Args:
            name: for people.
            key: the issuer's.
            hosts: domains that what it signs may name, with all below them.
            now, days: as for ``sign``.
        """
        end = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        made = (
            _builder(subject_of(name), self.certificate.subject, key, now, end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(constraints_of(hosts), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return pem_of(made)


def new_authority(name: str, key: PrivateKey, *, now: datetime, days: float) -> x509.Certificate:
    """Return the certificate of an authority that signs itself, with one issuer below it."""
    subject = subject_of(name)
    return (
        _builder(subject, subject, key.public_key(), now, now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def constraints_of(hosts: tuple[str, ...]) -> x509.NameConstraints:
    """Return what an issuer's certificates may name: these domains, and no address."""
    everywhere = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    return x509.NameConstraints(
        permitted_subtrees=[x509.DNSName(host) for host in hosts],
        excluded_subtrees=[x509.IPAddress(network) for network in everywhere],
    )


def requested_key(pem: str, kind: KeyKind) -> PublicKey:
    """Return the key that a certificate request is for; its names say nothing.

    Args:
        pem: the request, from a stranger.
        kind: of the key that it must have.

    Raises:
        RequestRefused: it is none, is not signed by its key, or has another kind of key.
    """
    if len(pem) > REQUEST_BYTES_MAX or not pem.isascii():
        raise RequestRefused("the certificate request is too long, or no PEM")
    try:
        request = x509.load_pem_x509_csr(pem.encode("ascii"))
        key = request.public_key()
        is_signed = _bits_are_sound(key) and request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise RequestRefused("what should be a certificate request is none") from None
    if not is_signed:
        raise RequestRefused("the certificate request has a key that is weak or did not sign it")
    is_kind = (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        if kind is KeyKind.ECDSA
        else isinstance(key, rsa.RSAPublicKey)
    )
    if not is_kind or not isinstance(key, PublicKey):
        raise RequestRefused(f"the certificate request is not for a key of {kind}")
    return key


def requested_hosts(pem: str) -> tuple[str, ...]:
    """Return the domains that an issuer's request asks for, once ``requested_key`` has read it.

    Raises:
        RequestRefused: it asks for none.
    """
    request = x509.load_pem_x509_csr(pem.encode("ascii"))
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        raise RequestRefused("the request names no domain; it is none of an issuer") from None
    return tuple(names.get_values_for_type(x509.DNSName))


def _bits_are_sound(key: object) -> bool:
    """Say whether a signature by the key may be looked at: a huge key takes a while."""
    if isinstance(key, rsa.RSAPublicKey):
        return RSA_BITS <= key.key_size <= RSA_BITS_MAX and key.public_numbers().e == 65_537
    return isinstance(key, ec.EllipticCurvePublicKey)


def new_request(key: PrivateKey, name: str, *, hosts: tuple[str, ...] = ()) -> str:
    """Return a certificate request, PEM, for a key.

    Args:
        key: signs it, and stays here.
        name: for people; who signs says what the holder is called.
        hosts: of an issuer's request, the domains that it asks for; a person looks at them.
    """
    made = x509.CertificateSigningRequestBuilder().subject_name(subject_of(name))
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        made = made.add_extension(names, critical=False)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def new_key(kind: KeyKind) -> PrivateKey:
    """Return a new private key."""
    match kind:
        case KeyKind.ECDSA:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.RSA:
            return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def kind_of(key: PrivateKey) -> KeyKind:
    """Return of which kind a key is."""
    return KeyKind.RSA if isinstance(key, rsa.RSAPrivateKey) else KeyKind.ECDSA


def load_key(pem: bytes) -> PrivateKey:
    """Return a private key.

    Raises:
        ValueError, TypeError: it is none without a password.
    """
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, PrivateKey):
        raise ValueError("neither an elliptic curve key nor an RSA key")
    return key


def key_pem(key: PrivateKey) -> bytes:
    """Return a private key as its file has it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def pem_of(certificate: x509.Certificate) -> bytes:
    """Return a certificate as its file has it."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def instant(now_us: int) -> datetime:
    """Return microseconds since the epoch as a UTC time in whole seconds."""
    return datetime.fromtimestamp(now_us // 1_000_000, UTC)


def subject_of(name: str) -> x509.Name:
    """Return a name for people, as certificates have it."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:COMMON_NAME_LENGTH_MAX])])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
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
