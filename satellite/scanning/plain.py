"""Is a message so plain that it needs no MIME parsing by the helper?

Pure, and linear in its input. A plain message is small, has a clean header section, and its body
is text as it stands: no parts, no encoding, no archive, and nothing that looks encoded. Whoever
takes such a message apart, by whichever reading, finds the body and nothing else; so it needs no
helper process to be taken apart in. In doubt a message is not plain.

Source: RFC 5322 section 2.2, RFC 2045 sections 5 and 6, RFC 2646 (``format``, ``delsp``).
"""

from __future__ import annotations

import re

from satellite.scanning.archives import looks_like_zip
from satellite.scanning.material import has_material, names_base64
from satellite.scanning.page import may_hold_file

PLAIN_BYTES_MAX = 65_536  # what the spool holds in a row; a scan of it takes some 50 µs
HEADER_BYTES_MAX = 16_384

# Fields as every reader sees them: name, colon at once, visible ASCII, no blank folds.
_HEADER = re.compile(rb"(?:[!-9;-~]+:[\t -~]*\r\n(?:[ \t]+[!-~][\t -~]*\r\n)*)+", re.ASCII)
# Behind a line break, which is found at once; ``^`` is tried at each octet.
_MIME_FIELD = re.compile(rb"\n(content-[!-9;-~]*):([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.I)
_TEXT = re.compile(
    rb"text/(?:plain|html)(?:\s*;\s*(?:charset=(?:us-ascii|utf-8|\"us-ascii\"|\"utf-8\")"
    rb"|format=\"?flowed\"?|delsp=\"?(?:yes|no)\"?))*\s*;?",
    re.I,
)
_IDENTITY = frozenset({b"7bit", b"8bit", b"binary"})


def body_of_plain(message: bytes) -> bytes | None:
    """Return the body of a plain message, or None when it is not plain."""
    if len(message) > PLAIN_BYTES_MAX or not message.isascii():
        return None
    end = message.find(b"\r\n\r\n", 0, HEADER_BYTES_MAX)
    if end < 0 or not _HEADER.fullmatch(message, 0, end + 2):
        return None
    if not _is_text_as_it_stands(message[: end + 2]):
        return None
    body = message[end + 4 :]
    if b"\0" in body or looks_like_zip(body) or body.lstrip().startswith(b"{\\rt"):
        return None
    return None if has_material(body) or may_hold_file(body) else body


def _is_text_as_it_stands(header: bytes) -> bool:
    """Say whether the MIME fields, each at most once, ask for no decoding; nor does any other."""
    if names_base64(header):
        return False  # whoever believes no structure decodes what stands behind it
    seen: set[bytes] = set()
    for name, value in _MIME_FIELD.findall(b"\n" + header):
        field = name.lower()
        if field in seen or not _asks_for_nothing(field, value.strip()):
            return False
        seen.add(field)
    return True


def _asks_for_nothing(field: bytes, value: bytes) -> bool:
    match field:
        case b"content-type":
            return _TEXT.fullmatch(value) is not None
        case b"content-transfer-encoding":
            return value.lower() in _IDENTITY
        case _:
            return False
