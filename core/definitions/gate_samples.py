"""What must definitions still find, and what must they leave alone?

Pure. The harmful one is the test file that every scanner knows (EICAR), in ten wrappings that mail
really comes in; it is put together here and stands whole in no file. The harmless ones are mail as
anybody gets it. Customers add their own to the latter.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Mapping
from functools import cache

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

_DAY = (2026, 1, 1, 0, 0, 0)  # in archives, so that they are the same each time
_HEAD = (
    "From: Alice <alice@sender.example>\r\nTo: Bob <bob@recipient.example>\r\n"
    "Subject: {subject}\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    "Message-ID: <{name}@sender.example>\r\nMIME-Version: 1.0\r\n"
)


@cache
def harmful() -> Mapping[str, bytes]:
    """Return messages with the test file, by the name of the wrapping."""
    zipped = _zip("eicar.com", EICAR)
    tarred = _tar("eicar.com", EICAR)
    found = {
        "base64": _attached("eicar.com", EICAR),
        "zip": _attached("a.zip", zipped),
        "stored zip": _attached("b.zip", _zip("eicar.com", EICAR, packed=False)),
        "zip in zip": _attached("c.zip", _zip("a.zip", zipped)),
        "gzip": _attached("eicar.com.gz", gzip.compress(EICAR, mtime=0)),
        "bzip2": _attached("eicar.com.bz2", bz2.compress(EICAR)),
        "xz": _attached("eicar.com.xz", lzma.compress(EICAR)),
        "tar": _attached("a.tar", tarred),
        "tar.gz": _attached("a.tar.gz", gzip.compress(tarred, mtime=0)),
    }
    return found | {"forwarded": _forwarded(found["zip"])}


@cache
def harmless() -> Mapping[str, bytes]:
    """Return messages that nobody should stop, by a word for each."""
    plain = "Hello Bob,\r\n\r\nsee you on Monday at ten, as agreed.\r\n\r\nAlice\r\n"
    page = (
        "<html><head><style>p {color: #333}</style></head><body><h1>News of January</h1>"
        '<p>Read more at <a href="https://www.sender.example/news">our site</a>.</p>'
        '<img src="https://www.sender.example/logo.png" alt="logo"></body></html>\r\n'
    )
    meeting = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//EN\r\nMETHOD:REQUEST\r\n"
        "BEGIN:VEVENT\r\nUID:1@sender.example\r\nDTSTART:20260105T100000Z\r\n"
        "DTEND:20260105T110000Z\r\nSUMMARY:Meeting\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    sums = "".join(f"{day},{day * 17 % 101}.50,EUR\r\n" for day in range(1, 32))
    report = b"All went well in January; the figures are attached.\r\n" * 40
    return {
        "nothing": b"",
        "plain text": _text("plain", plain),
        "newsletter": _text("html", page),
        "invitation": _text("calendar", meeting),
        "table": _attached("january.csv", sums.encode()),
        "archive": _attached("report.zip", _zip("report.txt", report)),
        "program text": _attached("build.sh", b"#!/bin/sh\nset -eu\nmake all && make install\n"),
        "document": _attached("letter.pdf", _pdf()),
        "picture": _attached("dot.gif", base64.b64decode(_DOT)),
        "forwarded": _forwarded(_text("plain", plain)),
    }


_DOT = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"  # one transparent point


def _head(name: str) -> bytes:
    return _HEAD.format(subject=name.capitalize(), name=name.replace(" ", "-")).encode()


def _text(subtype: str, content: str) -> bytes:
    kind = f"Content-Type: text/{subtype}; charset=utf-8\r\n\r\n"
    return _head(subtype) + kind.encode() + content.encode()


def _attached(file_name: str, content: bytes) -> bytes:
    return _multipart(
        file_name,
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="{file_name}"\r\n',
        base64.encodebytes(content).replace(b"\n", b"\r\n"),
    )


def _forwarded(message: bytes) -> bytes:
    return _multipart("forwarded", "Content-Type: message/rfc822\r\n", message)


def _multipart(name: str, fields: str, content: bytes) -> bytes:
    kind = 'Content-Type: multipart/mixed; boundary="=_part"\r\n\r\n'
    text = "--=_part\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n\r\n--=_part\r\n"
    whole = kind.encode() + text.encode() + fields.encode() + b"\r\n" + content
    return _head(name) + whole + b"\r\n--=_part--\r\n"


def _zip(name: str, content: bytes, *, packed: bool = True) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as archive:
        entry = zipfile.ZipInfo(name, _DAY)
        entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        archive.writestr(entry, content)
    return octets.getvalue()


def _tar(name: str, content: bytes) -> bytes:
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return octets.getvalue()


def _pdf() -> bytes:
    return (
        b"%PDF-1.4\n1 0 obj\n<</Type /Catalog /Pages 2 0 R>>\nendobj\n"
        b"2 0 obj\n<</Type /Pages /Kids [3 0 R] /Count 1>>\nendobj\n"
        b"3 0 obj\n<</Type /Page /Parent 2 0 R /MediaBox [0 0 200 200]>>\nendobj\n"
        b"trailer\n<</Root 1 0 R>>\n%%EOF\n"
    )
