"""Messages for tests of scanning."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from hashlib import sha256
from pathlib import Path

from common.ids import MessageId
from satellite.scanning.sample import Sample
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.compound_files import compound_file

WINDOWS_PROGRAM = b"MZ" + b"\0" * 58 + b"\x80\0\0\0" + b"\0" * 64 + b"PE\0\0" + b"\0" * 200
MACRO_DOCUMENT = compound_file({"Macros": {"VBA": {"_VBA_PROJECT": b"\xcc\x61\xff\xff" * 20}}})


def sample_of(data: bytes, *, name: str = "01TEST") -> Sample:
    return Sample(id=MessageId(name), size=len(data), sha256=sha256(data).digest(), data=data)


def watched(data: bytes, event: asyncio.Event, *, offset: int = 0) -> Sample:
    """Return a sample that sets ``event`` once it is read from ``offset`` or beyond."""

    class Watched(Sample):
        def read(self, start: int, length: int) -> bytes:
            if start >= offset:
                event.set()
            return Sample.read(self, start, length)

    base = sample_of(data)
    return Watched(id=base.id, size=base.size, sha256=base.sha256, data=data)


def file_sample(path: Path, data: bytes) -> Sample:
    path.write_bytes(data)
    return Sample(id=MessageId("01FILE"), size=len(data), sha256=sha256(data).digest(), path=path)


def plain(text: bytes) -> bytes:
    return b"From: a@b.example\r\nSubject: test\r\n\r\n" + text + b"\r\n"


def with_attachment(*contents: bytes) -> bytes:
    """Return a message with base64 attachments, nearly always one."""
    return (
        b"From: a@b.example\r\nSubject: test\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nsee attachment\r\n"
        + b"".join(
            b"--b\r\nContent-Type: application/octet-stream\r\n"
            b'Content-Disposition: attachment; filename="a.bin"\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(content).replace(b"\n", b"\r\n")
            + b"\r\n"
            for content in contents
        )
        + b"--b--\r\n"
    )


def zipped(*members: tuple[str, bytes]) -> bytes:
    """Return an archive; no time of day is in it, so that each run has the same octets."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def locked(archive: bytes) -> bytes:
    """Return a ZIP archive whose members all say that they need a password."""
    changed = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = changed.find(signature)
        while place >= 0:
            changed[place + offset] |= 1
            place = changed.find(signature, place + 4)
    return bytes(changed)


def numbered_sample(number: int, *, infected: bool) -> Sample:
    return sample_of(plain(b"number %d " % number + (EICAR if infected else b"harmless")))
