"""How near are two contents to each other, by their fuzzy digests?

Pure. A fuzzy digest is a MinHash: of 64 random orders of all that a content is made of, the first
thing in each, as one octet. As many of them agree as the two contents share of what they have
together. So satellites that make digests, and a core that sums them up, compare them alike; and
whoever can only count finds near ones by their keys, of which two near contents share one.

Source: A. Broder, *On the resemblance and containment of documents* (1997); P. Li and A. König,
*b-Bit Minwise Hashing* (2010); J. Leskovec et al., *Mining of Massive Datasets*, section 3.4
(banding). What was measured: docs/filters.md, *checksums*.
"""

from __future__ import annotations

import re

FORM = "m1"  # another way of making them gets another one: digests of two forms are never near
VALUES = 64  # of one digest, an octet each
LENGTH = len(FORM) + 1 + 2 * VALUES  # characters of one
NEAR_MAX = 0.35  # distance of copies of one mailing; of others it was never below 0.5, measured
_KEY_VALUES = 8  # values of one key: no two other mailings shared one, measured

_WHOLE = re.compile(rf"{FORM}:[0-9a-f]{{{2 * VALUES}}}")


def fuzzy_digest(values: bytes) -> str:
    """Return the digest of ``VALUES`` octets as it is written: a form, a colon, hexadecimal."""
    assert len(values) == VALUES
    return f"{FORM}:{values.hex()}"


def is_fuzzy(text: str) -> bool:
    """Say whether a text is a digest of the form of now."""
    return _WHOLE.fullmatch(text) is not None


def distance(one: str, other: str) -> float:
    """Return how far two contents are from each other, 0.0 (alike) to 1.0.

    It is about the share of what only one of them has. What is no digest, or one of another form,
    is as far as can be.
    """
    if not is_fuzzy(one) or not is_fuzzy(other):
        return 1.0
    pairs = zip(_values(one), _values(other), strict=True)
    return sum(mine != theirs for mine, theirs in pairs) / VALUES


def keys_of(digest: str) -> tuple[bytes, ...]:
    """Return 8 keys of 9 octets, for counting; none when it is no digest.

    Two contents that differ in a tenth share one nearly always, two that have half in common in one
    of thirty cases. The first octet says which of the keys it is.
    """
    if not is_fuzzy(digest):
        return ()
    values = _values(digest)
    starts = range(0, VALUES, _KEY_VALUES)
    return tuple(bytes([start]) + values[start : start + _KEY_VALUES] for start in starts)


def _values(digest: str) -> bytes:
    return bytes.fromhex(digest[len(FORM) + 1 :])
