"""Do two sets of documents hold the same?

Pure. The digest is the sum, modulo 2 to the 256th, of each document's SHA-256: a change costs one
subtraction and one addition however large the set is.

Source: docs/design/link-guarantees.md, G10.
"""

from __future__ import annotations

import hashlib

DIGEST_BYTES = 32
EMPTY_DIGEST = bytes(DIGEST_BYTES)

_MODULUS = 1 << (8 * DIGEST_BYTES)


def document_hash(kind: str, key: str, body: bytes) -> int:
    """Return the share of one document in the digest."""
    name = f"{kind}\0{key}\0".encode()
    return int.from_bytes(hashlib.sha256(name + body).digest(), "big")


def changed(digest: bytes, *, without: int = 0, added: int = 0) -> bytes:
    """Return the digest after one document's hash left and another came in."""
    value = (int.from_bytes(digest, "big") - without + added) % _MODULUS
    return value.to_bytes(DIGEST_BYTES, "big")
