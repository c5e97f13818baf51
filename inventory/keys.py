"""Which WireGuard key has a node?

Touches the rendered folder. A key is made once and kept; the private one stands in its own node's
folder alone. Source: RFC 7748 (X25519); wg(8): keys are base64 of 32 octets.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from common.errors import LocalError

KEY_BYTES = 32
KEY_FILE = "wireguard.key"
TOKEN_FILE = "token"  # noqa: S105 - a file's name
TOKEN_BYTES = 32


def wireguard_key(folder: Path, *, revoked: Collection[str] = ()) -> str:
    """Return a node's private key, base64: the one in its folder, else a new one.

    Args:
        folder: the node's.
        revoked: public keys whose private ones are good no more, base64.

    Raises:
        LocalError: the file holds no key.
    """
    kept = kept_wireguard_key(folder)
    if kept and public_key(kept) not in revoked:
        return kept
    return base64.b64encode(X25519PrivateKey.generate().private_bytes_raw()).decode()


def kept_wireguard_key(folder: Path) -> str:
    """Return the private key in a node's folder, base64; empty when there is none.

    Raises:
        LocalError: the file holds no key.
    """
    path = folder / KEY_FILE
    if not path.exists():
        return ""
    text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        if len(base64.b64decode(text, validate=True)) == KEY_BYTES:
            return text
    except ValueError:
        pass
    raise LocalError(f"{path}: holds no WireGuard key", hint="restore it, or delete it for a new")


def public_key(private_key: str) -> str:
    """Return the public key of a private one, both base64."""
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private_key))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def api_token(folder: Path) -> str:
    """Return the token of the core's API: the one in its folder, else a new one.

    Raises:
        LocalError: the file is empty.
    """
    path = folder / TOKEN_FILE
    if not path.exists():
        return secrets.token_urlsafe(TOKEN_BYTES)
    text = path.read_text(encoding="ascii", errors="replace")
    if not text.strip():
        raise LocalError(f"{path}: holds no token", hint="restore it, or delete it for a new one")
    return text
