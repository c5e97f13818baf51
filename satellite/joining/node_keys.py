"""Which keys does a node make for itself?

Touches the folder that they are gathered in. A private key is made here, written here with mode
0600, and leaves this machine never: what is sent is a request that it signed, or its public half.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from common.certificate import check_pair
from common.issuing import KeyKind, key_pem, load_key, new_key, new_request
from common.joining import Certificates, KeyRequests
from satellite.joining.staging import LINK, SMTP, SMTP_RSA, WIREGUARD_KEY, Staging

_KINDS = {LINK: KeyKind.ECDSA, SMTP: KeyKind.ECDSA, SMTP_RSA: KeyKind.RSA}


def requests_for(staging: Staging, node: str) -> KeyRequests:
    """Return requests for a node's certificates, with keys that are made where there are none."""
    link, smtp, smtp_rsa = (_request(staging, place, node) for place in _KINDS)
    return KeyRequests(link=link, smtp=smtp, smtp_rsa=smtp_rsa)


def _request(staging: Staging, place: str, node: str) -> str:
    name = f"{place}.key"
    pem = staging.get(name)
    if pem is None:
        pem = key_pem(new_key(_KINDS[place]))
        staging.put(name, pem)
    return new_request(load_key(pem), node)


def put_certificates(staging: Staging, certificates: Certificates) -> None:
    """Gather certificates beside the keys that they are for.

    Raises:
        EnvironmentFailure: one is for another key.
    """
    given = {LINK: certificates.link, SMTP: certificates.smtp, SMTP_RSA: certificates.smtp_rsa}
    for place, pem in given.items():
        check_pair(pem.encode(), staging.get(f"{place}.key") or b"")
        staging.put(f"{place}.crt", pem.encode())


def wireguard_key_in(staging: Staging) -> str:
    """Return the private WireGuard key that is gathered, base64; it is made where there is none."""
    kept = staging.get(WIREGUARD_KEY)
    if kept is not None:
        return kept.decode("ascii").strip()
    made = base64.b64encode(X25519PrivateKey.generate().private_bytes_raw()).decode()
    staging.put(WIREGUARD_KEY, f"{made}\n".encode())
    return made


def public_half(private_key: str) -> str:
    """Return the public key of a private WireGuard key, both base64."""
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private_key))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()
