"""How does a test sign a message with DKIM, or seal it with ARC?

Pure. Somebody else's library signs (dkimpy), so that what verifies here is not only what we think.
"""

from __future__ import annotations

import base64

import dkim
from cryptography.hazmat.primitives import serialization

from tests.mail.signed import signing_key

FIELDS = [b"from", b"to", b"subject"]


def private_key() -> bytes:
    """Return the key in PEM."""
    return signing_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def key_record(more: str = "") -> str:
    """Return what stands in DNS for the key."""
    octets = (
        signing_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return f"v=DKIM1; k=rsa; {more}p={base64.b64encode(octets).decode()}"


def signed(
    data: bytes,
    *,
    domain: str = "sender.example",
    selector: str = "test",
    forms: tuple[bytes, bytes] = (b"relaxed", b"relaxed"),
    has_length: bool = False,
    identity: str = "",
) -> bytes:
    """Return a message with a signature on top."""
    signature: bytes = dkim.sign(
        data,
        selector.encode(),
        domain.encode(),
        private_key(),
        canonicalize=forms,
        include_headers=FIELDS,
        length=has_length,
        identity=identity.encode() or None,
    )
    return signature + data


def sealed(data: bytes, *, domain: str, results: str, chain: str = "none") -> bytes:
    """Return a message with one ARC set more.

    Args:
        data: the message.
        domain: of the sealer.
        results: what it saw, such as ``dmarc=pass``.
        chain: what it found of the chain before.
    """
    seen = f"Authentication-Results: {domain}; arc={chain}; {results}\r\n".encode()
    fields = dkim.arc_sign(
        seen + data,
        b"test",
        domain.encode(),
        private_key(),
        domain.encode(),
        include_headers=FIELDS,
    )
    return b"".join(fields) + data
