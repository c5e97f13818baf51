"""How may the fields and lines be spelled that make a message of several parts?

Pure. Source: RFC 2046 section 5.1, RFC 2231, RFC 2047; an attack of 2016 had one boundary for two
multiparts.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.scanning.wrappings.parts import (
    ARCHIVE,
    BASE64,
    MIXED,
    NOTE,
    OCTETS,
    TOP,
    attached,
    encoded,
)

FAMILY = "multiparts"

_KINDS = {
    "as everybody": MIXED,
    "not quoted": b"Content-Type: multipart/mixed; boundary=b\r\n",
    "upper case": b'CONTENT-TYPE: MULTIPART/MIXED; BOUNDARY="b"\r\n',
    "folded": b'Content-Type: multipart/mixed;\r\n\tboundary="b"\r\n',
    "folded before the type": b'Content-Type:\r\n multipart/mixed; boundary="b"\r\n',
    "a fold of blanks": b'Content-Type: multipart/mixed;\r\n \r\n boundary="b"\r\n',
    "comment before the type": b'Content-Type: (c) multipart/mixed; boundary="b"\r\n',
    "comment in the type": b'Content-Type: multipart/(c)mixed; boundary="b"\r\n',
    "comment before the boundary": b'Content-Type: multipart/mixed; (c) boundary="b"\r\n',
    "comment before its value": b'Content-Type: multipart/mixed; boundary=(c)"b"\r\n',
    "comment behind its value": b"Content-Type: multipart/mixed; boundary=b(c)\r\n",
    "comment with a boundary in it": b"Content-Type: multipart/mixed; (; boundary=x) "
    b'boundary="b"\r\n',
    "comment with a bracket": b'Content-Type: multipart/mixed; (\\)) boundary="b"\r\n',
    "quoted pair": b'Content-Type: multipart/mixed; boundary="\\b"\r\n',
    "blanks around the sign": b'Content-Type: multipart/mixed; boundary = "b"\r\n',
    "blank before the colon": b'Content-Type : multipart/mixed; boundary="b"\r\n',
    "no semicolon": b'Content-Type: multipart/mixed boundary="b"\r\n',
    "two semicolons": b'Content-Type: multipart/mixed;; boundary="b"\r\n',
    "single quotes": b"Content-Type: multipart/mixed; boundary='b'\r\n",
    "quote not closed": b'Content-Type: multipart/mixed; boundary="b\r\n',
    "two boundaries, first": b'Content-Type: multipart/mixed; boundary="b"; boundary="c"\r\n',
    "two boundaries, last": b'Content-Type: multipart/mixed; boundary="c"; boundary="b"\r\n',
    "in pieces": b'Content-Type: multipart/mixed; boundary*0=""; boundary*1="b"\r\n',
    "by charset": b"Content-Type: multipart/mixed; boundary*=us-ascii''b\r\n",
    "by charset, escaped": b"Content-Type: multipart/mixed; boundary*=us-ascii''%62\r\n",
    "encoded word": b'Content-Type: multipart/mixed; boundary="=?us-ascii?q?b?="\r\n',
    "two fields, first": MIXED + b"Content-Type: text/plain\r\n",
    "two fields, last": b"Content-Type: text/plain\r\n" + MIXED,
    "two fields, two boundaries": MIXED + b'Content-Type: multipart/mixed; boundary="c"\r\n',
    "no field at all": b"",
    "an unknown multipart": b'Content-Type: multipart/x-y; boundary="b"\r\n',
    "a digest": b'Content-Type: multipart/digest; boundary="b"\r\n',
    "encoded as base64": MIXED + BASE64,
    "said to be quoted-printable": MIXED + b"Content-Transfer-Encoding: quoted-printable\r\n",
    "a line that is no field before it": b"no field\r\n" + MIXED,
    "a mailbox line inside": b"From a@b.example Mon\r\n" + MIXED,
}
_FILE = OCTETS + BASE64 + b"\r\n" + encoded(ARCHIVE)


def wrappings() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the octets of each."""
    for name, kind in _KINDS.items():
        yield name, attached(OCTETS + BASE64, encoded(ARCHIVE), kind=kind)
    yield from _lines()
    yield from _nested()
    usual = attached(OCTETS + BASE64, encoded(ARCHIVE))
    yield "a mailbox line first", b"From a@b.example Mon Mar  2 09:30:00 2026\r\n" + usual
    yield "an empty line first", b"\r\n" + usual


def _lines() -> Iterator[tuple[str, bytes]]:
    """Yield what plays with the lines between parts."""
    top = TOP + MIXED + b"\r\n"
    yield "no last separator", top + NOTE + b"--b\r\n" + _FILE
    yield "the first separator ends", top + b"--b--\r\n" + _FILE + b"--b--\r\n"
    yield "behind the end", top + NOTE + b"--b--\r\n--b\r\n" + _FILE + b"--b--\r\n"
    yield "before the first", top + _FILE + NOTE + b"--b--\r\n"
    yield "blanks behind a separator", top + NOTE + b"--b  \t\r\n" + _FILE + b"--b--\r\n"
    yield "more behind a separator", top + NOTE + b"--bc\r\n" + _FILE + b"--b--\r\n"
    yield "a blank before a separator", top + NOTE + b" --b\r\n" + _FILE + b" --b--\r\n"
    yield (
        "no empty line behind the fields",
        top + NOTE + b"--b\r\n" + OCTETS + BASE64 + (encoded(ARCHIVE) + b"--b--\r\n"),
    )
    yield "an empty line before the fields", top + NOTE + b"--b\r\n\r\n" + _FILE + b"--b--\r\n"
    yield (
        "blanks for the empty line",
        top + NOTE + b"--b\r\n" + OCTETS + BASE64 + b" \r\n" + (encoded(ARCHIVE) + b"--b--\r\n"),
    )


def _nested() -> Iterator[tuple[str, bytes]]:
    """Yield what plays with multiparts in each other."""
    inner = MIXED + b"\r\n" + NOTE + b"--b\r\n" + _FILE + b"--b--\r\n"
    yield "outer and inner with one boundary", TOP + MIXED + b"\r\n--b\r\n" + inner + b"--b--\r\n"
    longer = inner.replace(b'"b"', b'"bb"').replace(b"--b", b"--bb")
    yield (
        "the inner boundary begins as the outer",
        (TOP + MIXED + b"\r\n--b\r\n" + longer + b"--b--\r\n"),
    )
    yield (
        "the outer ends inside the inner",
        (
            TOP
            + MIXED
            + b"\r\n--b\r\n"
            + longer.replace(b"--bb\r\n" + OCTETS, b"--b--\r\n" + OCTETS)
        ),
    )
    deep = _FILE
    for level in range(19):
        line = b"--n%d\r\n" % level
        field = b'Content-Type: multipart/mixed; boundary="n%d"\r\n\r\n' % level
        deep = field + line + deep + b"--n%d--\r\n" % level
    yield "nineteen levels", TOP + deep
    many = NOTE * 900 + b"--b\r\n" + _FILE + b"--b--\r\n"
    yield "behind nine hundred parts", TOP + MIXED + b"\r\n" + many
