"""Whose nodes know a core: of which authority is its state?

Touches the file of the authority's certificate. Two clusters may have one name, such as a rehearsal
and what it rehearses. Their nodes tell them apart by the authority, and so does whoever restores.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def authority_keys(file: str) -> tuple[str, ...]:
    """Return the SHA-256 of each public key (SubjectPublicKeyInfo, DER) in a file of certificates.

    A renewed certificate has the same one. None: the file cannot be read, and nothing is known.
    """
    try:
        found = x509.load_pem_x509_certificates(Path(file).read_bytes())
    except (OSError, ValueError):
        return ()
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    keys = {hashlib.sha256(one.public_key().public_bytes(*form)).hexdigest() for one in found}
    return tuple(sorted(keys))
