"""Which keys do the nodes show to senders, now and after the next renewal?

Touches the rendered folder, for reading; public keys alone leave it.

Source: RFC 6698 section 2.1 (what a TLSA record matches), RFC 7671 section 8.1 (two keys).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from common.errors import EnvironmentFailure, LocalError
from common.issuing import KeyKind
from inventory.render.node import TLS

# The certificates for STARTTLS, and what key each has.
SMTP_KEYS = {"smtp": KeyKind.ECDSA, "smtp-rsa": KeyKind.RSA}


def next_name(name: str) -> str:
    """Return what the key is called that takes the place of another one at its renewal."""
    return f"{name}-next"


def shown_keys(out: Path, nodes: Iterable[str]) -> dict[str, list[str]]:
    """Return for each node the SHA-256 of every public key that it shows now or next, sorted.

    Args:
        out: the rendered folder.

    Raises:
        LocalError: the folder has no certificate of a node, or a file holds something else.
        EnvironmentFailure: it cannot be read.
    """
    return {node: sorted(_of_node(out / node / TLS)) for node in nodes}


def _of_node(folder: Path) -> set[str]:
    found = set()
    for name in SMTP_KEYS:
        for path in (folder / f"{name}.crt", folder / f"{next_name(name)}.key"):
            try:
                found.add(_digest(_public(path.read_bytes())))
            except FileNotFoundError:
                raise LocalError(f"{path}: is not there", hint="render the inventory") from None
            except OSError as error:
                raise EnvironmentFailure(
                    f"{path}: {error.strerror}", hint="read it as its owner"
                ) from None
            except (ValueError, TypeError):
                raise LocalError(
                    f"{path}: holds no certificate or key", hint="delete it and render anew"
                ) from None
    return found


def _public(pem: bytes) -> PublicKeyTypes:
    if b"-----BEGIN CERTIFICATE-----" in pem:
        return x509.load_pem_x509_certificate(pem).public_key()
    return load_pem_private_key(pem, password=None).public_key()


def _digest(key: PublicKeyTypes) -> str:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
