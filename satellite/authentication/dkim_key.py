"""Which key does a DKIM key record hold, and does it sign this?

Pure. Source: RFC 6376 section 3.6.1; RFC 8301 section 3.2 (how long an RSA key must be);
RFC 8463 section 4 (Ed25519).
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from common.errors import PeerError
from common.frozen import dataclass
from satellite.authentication.tag_list import TagListWrong, parse_tag_list, without_blanks

RSA_BITS_MIN = 1_024  # RFC 8301: what is shorter proves nothing
RSA_BITS_MAX = 4_096  # likewise: verifiers need no longer ones, and those take their time
EXPONENT_MAX = 1 << 32  # all real ones are 65 537; a long one makes us work
KEYS_READ_MAX = 512  # kept ready: a few domains send most of the mail
ED25519_BYTES = 32


class DkimKeyWrong(PeerError):
    """A record holds no key that could verify anything; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """A key that may be used.

    Args:
        public: the key.
        is_testing: its domain tries DKIM out (``t=y``).
        is_strict: an identity must be of the very domain (``t=s``).
    """

    public: RSAPublicKey | Ed25519PublicKey
    is_testing: bool = False
    is_strict: bool = False

    def signs(self, algorithm: str) -> bool:
        """Say whether the key is one of an algorithm."""
        wanted = Ed25519PublicKey if algorithm.startswith("ed25519") else RSAPublicKey
        return isinstance(self.public, wanted)

    def verifies(self, signature: bytes, octets: bytes) -> bool:
        """Say whether it was this key that signed some octets with SHA-256."""
        digest = hashlib.sha256(octets).digest()
        try:
            if isinstance(self.public, Ed25519PublicKey):
                self.public.verify(signature, digest)
            else:
                self.public.verify(signature, digest, padding.PKCS1v15(), Prehashed(SHA256()))
        except InvalidSignature:
            return False
        return True


@functools.lru_cache(maxsize=KEYS_READ_MAX)
def parse_dkim_key(record: str) -> DkimKey:
    """Return the key that a record holds.

    Raises:
        DkimKeyWrong: it is revoked, not for mail, too short, too long, or nonsense.
    """
    try:
        tags = parse_tag_list(record)
    except TagListWrong as error:
        raise DkimKeyWrong(f"the key record is wrong: {error.what}") from None
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
        raise DkimKeyWrong("the record is no key of DKIM")
    if "p" not in tags:
        raise DkimKeyWrong("the record has no key")
    if not _allows(tags.get("h"), "sha256"):
        raise DkimKeyWrong("the key is not for sha256")
    if not _allows(tags.get("s"), "email"):
        raise DkimKeyWrong("the key is not for mail")
    flags = without_blanks(tags.get("t", "")).split(":")
    return DkimKey(
        public=_public(tags.get("k", "rsa").lower(), without_blanks(tags["p"])),
        is_testing="y" in flags,
        is_strict="s" in flags,
    )


def _allows(value: str | None, word: str) -> bool:
    if value is None:
        return True
    words = without_blanks(value).lower().split(":")
    return word in words or "*" in words


def _public(kind: str, text: str) -> RSAPublicKey | Ed25519PublicKey:
    if not text:
        raise DkimKeyWrong("the key is revoked")
    try:
        octets = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise DkimKeyWrong("the key is not base64") from None
    match kind:
        case "rsa":
            return _rsa(octets)
        case "ed25519" if len(octets) == ED25519_BYTES:
            return Ed25519PublicKey.from_public_bytes(octets)
        case "ed25519":
            raise DkimKeyWrong("the key has not the length of its kind")
        case _:
            raise DkimKeyWrong("the key is of an unknown kind")


def _rsa(octets: bytes) -> RSAPublicKey:
    try:
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise DkimKeyWrong("the key cannot be read") from None
    if not isinstance(key, RSAPublicKey):
        raise DkimKeyWrong("the key is not of its kind")
    if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise DkimKeyWrong(f"the key has {key.key_size} bits")
    if key.public_numbers().e > EXPONENT_MAX:
        raise DkimKeyWrong("the key has a huge exponent")
    return key
