"""Which certificates does the core sign, and with what?

Touches the issuer's two files, for reading. The core decides what a certificate says; a request
gives nothing but its key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from common.certificate import not_after_s, serial_number
from common.errors import EnvironmentFailure
from common.issuing import (
    LIFETIME_DAYS,
    Identity,
    KeyKind,
    PublicKey,
    Signer,
    instant,
    key_pem,
    load_key,
    mail_server_of,
    new_key,
    requested_key,
    satellite_of,
)
from common.joining import DOOR_HOST, Certificates, KeyRequests

DOOR_DAYS = 7  # of the door's own certificate, whose key is in no file
RENDER = "render the core's folder, or ask for it with: borderscout inventory issuer request"


@dataclass(frozen=True, slots=True)
class IssuedCertificates:
    """What was signed for a node.

    Args:
        certificates: with their chain.
        serial: of the link's.
        ends_s: when that ends, in seconds since the epoch (UTC).
    """

    certificates: Certificates
    serial: str
    ends_s: int


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The public keys of a node's certificates, read from its requests."""

    link: PublicKey
    smtp: PublicKey
    smtp_rsa: PublicKey

    def digest(self, wireguard: str) -> str:
        """Return what tells these keys, and WireGuard's, from all others."""
        found = hashlib.sha256(wireguard.encode())
        for key in (self.link, self.smtp, self.smtp_rsa):
            found.update(
                key.public_bytes(
                    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
        return found.hexdigest()


def keys_of(requests: KeyRequests) -> NodeKeys:
    """Return the keys of a node's requests.

    Raises:
        RequestRefused: one of them is no request for a key of its kind.
    """
    return NodeKeys(
        link=requested_key(requests.link, KeyKind.ECDSA),
        smtp=requested_key(requests.smtp, KeyKind.ECDSA),
        smtp_rsa=requested_key(requests.smtp_rsa, KeyKind.RSA),
    )


class NodeSigner:
    """Signs for the nodes of one cluster.

    Args:
        cluster: its name.
        mail_domain: the nodes' names are below it.
        certificate, key: the issuer's files.
        authority: the file of the authority's certificate.
    """

    def __init__(
        self, *, cluster: str, mail_domain: str, certificate: Path, key: Path, authority: Path
    ) -> None:
        self._cluster = cluster
        self._mail_domain = mail_domain
        self._certificate = certificate
        self._key = key
        self._authority = authority

    def authority_pem(self) -> bytes:
        """Return the authority's certificate.

        Raises:
            EnvironmentFailure: there is none.
        """
        try:
            return self._authority.read_bytes()
        except OSError as error:
            raise EnvironmentFailure(f"{self._authority}: {error.strerror}", hint=RENDER) from None

    def pin(self) -> bytes:
        """Return the SHA-256 of the authority's certificate, DER.

        Raises:
            EnvironmentFailure: there is none.
        """
        try:
            found = x509.load_pem_x509_certificate(self.authority_pem())
        except ValueError:
            raise EnvironmentFailure(
                f"{self._authority}: holds no certificate", hint=RENDER
            ) from None
        return hashlib.sha256(found.public_bytes(serialization.Encoding.DER)).digest()

    def issuer_ends_s(self) -> float:
        """Return when the issuer's certificate ends, in seconds since the epoch (UTC).

        Raises:
            EnvironmentFailure: there is none that can be used.
        """
        return self._signer().certificate.not_valid_after_utc.timestamp()

    def issue(self, node: str, keys: NodeKeys, *, now_us: int) -> IssuedCertificates:
        """Return certificates for a node's keys.

        Raises:
            EnvironmentFailure: there is no issuer that can sign now.
        """
        signer = self._signer()
        host = f"{node}.{self._mail_domain}" if self._mail_domain else node
        world = mail_server_of(host, self._mail_domain or host)
        link = self._chain(signer, satellite_of(self._cluster, node), keys.link, now_us)
        made = Certificates(
            link=link,
            smtp=self._chain(signer, world, keys.smtp, now_us),
            smtp_rsa=self._chain(signer, world, keys.smtp_rsa, now_us),
        )
        pem = link.encode()
        return IssuedCertificates(made, serial_number(pem), int(not_after_s(pem)))

    def door(self, *, now_us: int) -> tuple[bytes, bytes]:
        """Return a certificate for the join door with its whole chain, and a new key; both PEM.

        Raises:
            EnvironmentFailure: there is no issuer that can sign now.
        """
        signer, key = self._signer(), new_key(KeyKind.ECDSA)
        shown = Identity(name=DOOR_HOST, hosts=(DOOR_HOST,), is_server=True)
        made = signer.sign(shown, key.public_key(), now=instant(now_us), days=DOOR_DAYS)
        # The authority's own as well: who joins knows nothing but its hash.
        return made + self._issuer_pem() + self.authority_pem(), key_pem(key)

    def _chain(self, signer: Signer, identity: Identity, key: PublicKey, now_us: int) -> str:
        now = instant(now_us)
        if signer.certificate.not_valid_after_utc - now < timedelta(hours=1):
            raise EnvironmentFailure(f"{self._certificate}: has ended", hint=RENDER)
        made = signer.sign(identity, key, now=now, days=LIFETIME_DAYS)
        return (made + self._issuer_pem()).decode()

    def _issuer_pem(self) -> bytes:
        return self._certificate.read_bytes()

    def _signer(self) -> Signer:
        """Read the issuer each time: it is renewed while the core runs."""
        try:
            certificate = x509.load_pem_x509_certificate(self._certificate.read_bytes())
            key = load_key(self._key.read_bytes())
        except OSError as error:
            raise EnvironmentFailure(f"{error.filename}: {error.strerror}", hint=RENDER) from None
        except (ValueError, TypeError):
            raise EnvironmentFailure(
                f"{self._certificate}: it or its key cannot be read", hint=RENDER
            ) from None
        if certificate.public_key() != key.public_key():
            raise EnvironmentFailure(f"{self._certificate}: is for another key", hint=RENDER)
        return Signer(certificate=certificate, key=key)
