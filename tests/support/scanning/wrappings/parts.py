"""What are the wrappings made of?

Pure.
"""

from __future__ import annotations

import base64

from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import zipped

TOP = b"From: a@b.example\r\nTo: x@acme.example\r\nSubject: test\r\nMIME-Version: 1.0\r\n"
NOTE = b"--b\r\nContent-Type: text/plain\r\n\r\nsee attachment\r\n"
MIXED = b'Content-Type: multipart/mixed; boundary="b"\r\n'
OCTETS = b'Content-Type: application/octet-stream; name="a.com"\r\n'
BASE64 = b"Content-Transfer-Encoding: base64\r\n"
# Long enough that it is what people send, with the test file packed so that nobody sees it raw.
ARCHIVE = zipped(("a.txt", b"".join(b"line %d\r\n" % n for n in range(400))), ("a.com", EICAR))


def encoded(content: bytes = EICAR) -> bytes:
    """Return base64 in lines."""
    return base64.encodebytes(content).replace(b"\n", b"\r\n")


def attached(header: bytes, body: bytes, *, kind: bytes = MIXED) -> bytes:
    """Return a message with a note and one attachment.

    Args:
        header: of the attachment, with its line breaks.
        body: of the attachment, encoded.
        kind: the field that makes the message a multipart with the boundary ``b``.
    """
    return TOP + kind + b"\r\n" + NOTE + b"--b\r\n" + header + b"\r\n" + body + b"\r\n--b--\r\n"


def file(content: bytes, kind: bytes = OCTETS) -> bytes:
    """Return a message with a file attached as everybody does it."""
    return attached(kind + BASE64, encoded(content))
