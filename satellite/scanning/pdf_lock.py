"""Does a PDF document need a password?

Pure. Many are encrypted so that they may not be printed, and open for everybody: the empty password
opens them, and nobody would call them locked. So that is tried, as each reader does it. What cannot
be understood of an encryption counts as locked.

Source: PDF 32000-1 section 7.6 (revisions 2 to 4), Adobe Supplement to ISO 32000 (5), PDF 32000-2
section 7.6.4 (6).
"""

from __future__ import annotations

import re
from hashlib import md5, sha256, sha384, sha512
from itertools import islice

_REFERENCE = re.compile(rb"/Encrypt\s*(?:(\d{1,9})\s+(\d{1,5})\s+R|(?=<<))")
REFERENCES_MAX = 64  # to what is looked for; each costs a pass over the document
_OBJECT_BYTES_MAX = 8192
_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|\r?\n|(.))", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_LITERAL_BYTES_MAX = 1024
_ROUNDS_MAX = 512  # of revision 6; chance ends it below a hundred


def is_locked(document: bytes) -> bool:
    """Say whether a document can only be read by whoever has a password."""
    found = islice(_REFERENCE.finditer(document), REFERENCES_MAX)
    return any(_is_closed(document, one) for one in {one[0]: one for one in found}.values())


def _is_closed(document: bytes, found: re.Match[bytes]) -> bool:
    """Say whether the empty password does not suit an encryption that a document names."""
    described = _described(document, found)
    if described is None or not re.search(rb"/Filter\s*/Standard\b", described):
        return True  # by certificates, or by a server of somebody's
    revision = _number(described, b"R")
    owner, user = _string(described, b"O"), _string(described, b"U")
    if owner is None or user is None:
        return True
    if revision in (2, 3, 4):
        return not _opens_old(document, described, revision, owner, user)
    if revision in (5, 6) and len(user) >= 40:
        salt = user[32:40]
        found_hash = sha256(salt).digest() if revision == 5 else _hash_6(salt)
        return found_hash != user[:32]
    return True


def _described(document: bytes, found: re.Match[bytes]) -> bytes | None:
    """Return the octets that begin with the encryption dictionary."""
    if found[1] is None:
        return document[found.end() : found.end() + _OBJECT_BYTES_MAX]
    head = b"%d %d obj" % (int(found[1]), int(found[2]))
    place = len(document)
    for _ in range(REFERENCES_MAX):
        place = document.rfind(head, 0, place)  # the last definition holds
        if place <= 0 or not document[place - 1 : place].isdigit():
            break
    if place < 0:
        return None
    start = place + len(head)
    return document[start : start + _OBJECT_BYTES_MAX].partition(b"endobj")[0]


def _opens_old(document: bytes, described: bytes, revision: int, owner: bytes, user: bytes) -> bool:
    length = (_number(described, b"Length") or 40) // 8 if revision > 2 else 5
    if revision == 4:
        length = 16
    permissions = _number(described, b"P") or 0
    digest = md5(_PADDING, usedforsecurity=False)
    digest.update(owner[:32])
    digest.update((permissions & 0xFFFFFFFF).to_bytes(4, "little"))
    digest.update(identity := _identity(document))
    if revision == 4 and re.search(rb"/EncryptMetadata\s+false", described):
        digest.update(b"\xff\xff\xff\xff")
    key = digest.digest()
    if not 5 <= length <= 16:
        return False
    if revision == 2:
        return _rc4(key[:5], _PADDING) == user[:32]
    for _ in range(50):
        key = md5(key[:length], usedforsecurity=False).digest()
    key = key[:length]
    check = md5(_PADDING + identity, usedforsecurity=False).digest()
    for turn in range(20):
        check = _rc4(bytes(octet ^ turn for octet in key), check)
    return check == user[:16]


def _identity(document: bytes) -> bytes:
    """Return the first half of the document's id; empty where there is none."""
    place = len(document)
    for _ in range(REFERENCES_MAX):
        place = document.rfind(b"/ID", 0, place)
        if place < 0:
            break
        bracket = re.compile(rb"\s*\[\s*").match(document, place + 3)
        if bracket is not None:
            return _string_at(document, bracket.end()) or b""
    return b""


def _number(described: bytes, name: bytes) -> int | None:
    found = re.search(rb"/%s\s+(-?\d{1,12})" % name, described)
    return int(found[1]) if found else None


def _string(described: bytes, name: bytes) -> bytes | None:
    found = re.search(rb"/%s\s*(?=[(<])" % name, described)
    return _string_at(described, found.end()) if found else None


def _string_at(octets: bytes, place: int) -> bytes | None:
    """Return a string object, written in hexadecimal or literally."""
    if octets[place : place + 1] == b"<":
        digits = re.sub(rb"\s", b"", octets[place + 1 : place + 1025].partition(b">")[0])
        try:
            return bytes.fromhex(digits.decode("ascii") + "0" * (len(digits) % 2))
        except ValueError:
            return None
    depth = 0
    stop = place
    for stop in range(place, min(len(octets), place + _LITERAL_BYTES_MAX)):
        escaped = 0
        while octets[stop - 1 - escaped : stop - escaped] == b"\\":
            escaped += 1
        if escaped % 2 == 0:
            depth += {b"(": 1, b")": -1}.get(octets[stop : stop + 1], 0)
        if depth == 0:
            break
    return _ESCAPE.sub(_unescaped, octets[place + 1 : stop])


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes([int(found[1], 8) & 0xFF])
    return _ESCAPES.get(found[2] or b"", found[2] or b"")


def _rc4(key: bytes, octets: bytes) -> bytes:
    state = list(range(256))
    other = 0
    for place in range(256):
        other = (other + state[place] + key[place % len(key)]) & 0xFF
        state[place], state[other] = state[other], state[place]
    out = bytearray()
    place = other = 0
    for octet in octets:
        place = (place + 1) & 0xFF
        other = (other + state[place]) & 0xFF
        state[place], state[other] = state[other], state[place]
        out.append(octet ^ state[(state[place] + state[other]) & 0xFF])
    return bytes(out)


def _hash_6(salt: bytes) -> bytes:
    """Return the hash of the empty password, algorithm 2.B."""
    # Loaded when the first such document comes: it costs some megabytes.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = sha256(salt).digest()
    for turn in range(_ROUNDS_MAX):
        cipher = Cipher(algorithms.AES(key[:16]), modes.CBC(key[16:32])).encryptor()
        mixed = cipher.update(key * 64)
        key = (sha256, sha384, sha512)[sum(mixed[:16]) % 3](mixed).digest()
        if turn >= 63 and mixed[-1] <= turn - 31:
            break
    return key[:32]
