"""What are the leaves of a message, as Python's own reader would take it apart?

Pure. In time linear in the message, and within bounds, so that hostile mail costs no more than its
length. Where a message is broken it may be read otherwise than by that reader: whoever compares
digests misses such mail.

Source: RFC 2045 section 5, RFC 2046 section 5.1; the ``email`` package of Python 3.11.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from common.frozen import dataclass

DEPTH_MAX = 40
LEAVES_MAX = 200
HEAD_BYTES_MAX = 65_536

# The first line that is no field and continues none: a blank one, or the body without one before.
_HEAD_END = re.compile(rb"(?m)^(?!From |[!-9;-~]*:|[\t ])")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_FIELD = re.compile(rb"(?im)^(content-type|content-transfer-encoding):[ \t]*([^\r\n]*)")
_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+")
_PARAMETER = re.compile(r'(?i);\s*(boundary|charset)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))')
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _BASE64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One part that holds no others.

    Args:
        media_type: ``type/subtype`` in lower case.
        charset: as it says, in lower case; empty: it does not.
        encoding: of its transfer, in lower case.
        payload: its octets as they came.
    """

    media_type: str
    charset: str
    encoding: str
    payload: bytes

    @property
    def is_text(self) -> bool:
        """Say whether it calls itself text."""
        return self.media_type.startswith("text/")

    def decoded(self) -> bytes:
        """Return its octets without the encoding of the transfer; as they came if it is broken."""
        try:
            if self.encoding == "quoted-printable":
                return binascii.a2b_qp(self.payload)
            if self.encoding == "base64":
                digits = self.payload.translate(None, _NOT_BASE64)
                if len(digits) % 4 == 1:  # six bits are no octet
                    digits = digits[:-1]
                return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
        except binascii.Error:
            pass
        return self.payload


def leaves(octets: bytes) -> Iterator[Leaf]:
    """Yield the leaves of a message in their order, ``LEAVES_MAX`` at most."""
    for number, leaf in enumerate(_leaves(octets, default="text/plain", depth=0)):
        if number == LEAVES_MAX:
            return
        yield leaf


def _leaves(octets: bytes, *, default: str, depth: int) -> Iterator[Leaf]:
    media_type, parameters, encoding, body = _entity(octets, default)
    if depth < DEPTH_MAX and media_type == "message/delivery-status":
        return  # header fields alone
    if depth < DEPTH_MAX and media_type.startswith("message/"):
        yield from _leaves(body, default="text/plain", depth=depth + 1)
        return
    if depth < DEPTH_MAX and media_type.startswith("multipart/"):
        parts = _parts(body, parameters.get("boundary", ""))
        if parts:
            inner = "message/rfc822" if media_type == "multipart/digest" else "text/plain"
            for part in parts:
                yield from _leaves(part, default=inner, depth=depth + 1)
            return
    yield Leaf(
        media_type=media_type,
        charset=parameters.get("charset", "").lower(),
        encoding=encoding,
        payload=body,
    )


def _entity(octets: bytes, default: str) -> tuple[str, dict[str, str], str, bytes]:
    """Return media type, parameters, transfer encoding and body of a message or part."""
    end = _HEAD_END.search(octets)
    at = end.start() if end is not None else len(octets)
    head, body = octets[:at], octets[at:]
    if body.startswith((b"\n", b"\r\n")):
        body = body.partition(b"\n")[2]
    said: dict[bytes, str] = {}
    for name, value in _FIELD.findall(_FOLD.sub(b" ", head[:HEAD_BYTES_MAX])):
        said.setdefault(name.lower(), value.decode("latin-1"))
    line = said.get(b"content-type", default)
    media_type = line.partition(";")[0].strip().lower()
    parameters = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
        for name, quoted, bare in reversed(_PARAMETER.findall(line))
    }
    encoding = said.get(b"content-transfer-encoding", "").strip().lower()
    return media_type if _TYPE.fullmatch(media_type) else "text/plain", parameters, encoding, body


def _parts(body: bytes, boundary: str) -> list[bytes]:
    if not boundary:
        return []
    mark = b"--" + boundary.rstrip().encode("latin-1", "replace")
    parts: list[bytes] = []
    begin: int | None = None
    for start, end, is_last in _marks(body, mark):
        if begin is not None:
            parts.append(_without_line_end(body[begin:start]))
        if is_last or len(parts) > LEAVES_MAX:
            return parts
        begin = end
    if begin is not None:
        parts.append(body[begin:])
    return parts


def _marks(body: bytes, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield where each line with a boundary begins and ends, and whether it is the last one."""
    start = 0 if body.startswith(mark) else body.find(b"\n" + mark) + 1
    while start or body.startswith(mark):
        line_end = body.find(b"\n", start)
        end = len(body) if line_end < 0 else line_end + 1
        behind = body[start + len(mark) : end].rstrip(b"\r\n\t ")
        if behind in (b"", b"--"):
            yield start, end, behind == b"--"
        if (following := body.find(b"\n" + mark, end - 1)) < 0:
            return
        start = following + 1


def _without_line_end(part: bytes) -> bytes:
    return part[:-2] if part.endswith(b"\r\n") else part.removesuffix(b"\n")
