"""What do engines see of a file on disk, be it a message or not?

Touches the file and a copy of it, octets at a time: memory has a bound, and the file may be a pipe.
A message is copied with the line ends that it has on the wire. Anything else becomes the attachment
of a message that we make, since that is how it would come: engines and our own reader open archives
and documents there as they do in mail.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from common.errors import LocalError
from common.ids import MessageId
from satellite.headers import HEADER_BYTES_MAX
from satellite.scanning.sample import Sample

IN_MEMORY_BYTES = 65_536  # smaller ones are shown as octets, larger ones as a file
CHUNK_BYTES = 57 * 4096  # 57 octets are one line of base64

_FIRST_LINE = re.compile(rb"From |[!-9;-~]{1,76}[ \t]*:")
_FIELD_OF_MAIL = re.compile(
    rb"(?im)^(received|return-path|delivered-to|from|to|subject|date|message-id|mime-version"
    rb"|content-type|content-transfer-encoding)[ \t]*:"
)
_WRAPPING = (
    b"Subject: a file\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)


class FileTooLarge(LocalError):
    """A file is larger than any message may be."""


def sample_of(file: BinaryIO, copy: Path, *, id: MessageId, bytes_max: int) -> Sample:  # noqa: A002
    """Return what engines see of an open file.

    Args:
        file: read from where it stands to its end.
        copy: what is written, and is there for as long as the sample is used.
        id: for log lines.
        bytes_max: of the message that comes of it; 0: no limit.

    Raises:
        FileTooLarge: it is larger.
        OSError: it cannot be read, or the copy not be written.
    """
    digest, size = sha256(), 0
    with copy.open("wb") as written:
        for chunk in _message(file):
            digest.update(chunk)
            size += len(chunk)
            if bytes_max and size > bytes_max:
                raise FileTooLarge(
                    f"it is larger than {bytes_max} octets as a message",
                    hint="smtp.message_bytes_max says how large mail may be",
                )
            written.write(chunk)
    data = copy.read_bytes() if size <= IN_MEMORY_BYTES else None
    return Sample(id=id, size=size, sha256=digest.digest(), data=data, path=copy)


def _message(file: BinaryIO) -> Iterator[bytes]:
    head = _read(file, HEADER_BYTES_MAX)
    return _with_wire_ends(head, file) if _is_mail(head) else _wrapped(head, file)


def _is_mail(head: bytes) -> bool:
    section = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    return bool(_FIRST_LINE.match(section) and _FIELD_OF_MAIL.search(section))


def _with_wire_ends(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    left = b""
    for chunk in _chunks(head, file):
        text, left = left + chunk, b""
        if text.endswith(b"\r"):  # its other half may come with the next one
            text, left = text[:-1], b"\r"
        yield text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield left


def _wrapped(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    yield _WRAPPING
    left = b""
    for chunk in _chunks(head, file):
        octets = left + chunk
        whole = len(octets) - len(octets) % 57
        left = octets[whole:]
        yield base64.encodebytes(octets[:whole]).replace(b"\n", b"\r\n")
    yield base64.encodebytes(left).replace(b"\n", b"\r\n")


def _chunks(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    yield head
    while chunk := _read(file, CHUNK_BYTES):
        yield chunk


def _read(file: BinaryIO, count: int) -> bytes:
    """Return so many octets, fewer only at the end: a pipe gives less at a time."""
    found = b""
    while len(found) < count and (more := file.read(count - len(found))):
        found += more
    return found
