"""In which texts and documents may the test file lie so that a program takes it out?

Pure. Source: RFC 2397, RFC 2152, RFC 2781, RFC 5545, RTF 1.9.1, [MS-ONESTORE] 2.6.13, PDF 32000-1
section 7.11.4.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Iterator

from satellite.scanning.ole_objects import NATIVE_STREAM
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.compound_files import compound_file
from tests.support.scanning.messages import zipped
from tests.support.scanning.office_files import native_package, notebook
from tests.support.scanning.winmail import winmail
from tests.support.scanning.wrappings.parts import ARCHIVE, BASE64, TOP, attached, encoded, file

FAMILY = "texts and documents"

_HTML = b"Content-Type: text/html\r\n"
_UTF7_SIGNS = EICAR.decode("ascii").encode("utf-16-be")


def wrappings() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the octets of each."""
    for name, page in _pages().items():
        yield f"a page, {name}", TOP + _HTML + b"\r\n" + page
        yield f"a page that is attached, {name}", file(page, _HTML)
    for name, text in _texts().items():
        kind = b"Content-Type: text/html; charset=utf-16\r\n"
        yield f"a text, {name}", attached(kind + BASE64, encoded(text))
    shifted = b"+" + base64.b64encode(_UTF7_SIGNS).rstrip(b"=") + b"-"
    kind = b"Content-Type: text/html; charset=utf-7\r\n"
    yield "a text in UTF-7", TOP + kind + b"\r\n" + shifted + b"\r\n"
    for name, said in {
        "its name with a quoted pair": b'charset="utf\\-7"',
        "its name with a sign escaped": b"charset*=us-ascii''utf%2D7",
        "its older name": b"charset=unicode-1-1-utf-7",
    }.items():
        yield (
            f"a text in UTF-7, {name}",
            attached(b"Content-Type: text/html; %s\r\n" % said, shifted),
        )
    yield "a text in UTF-7, in base64", attached(kind + BASE64, encoded(shifted))
    for name, document in _documents().items():
        yield name, file(document)
    for name, kind, calendar in _calendars():
        yield name, TOP + kind + b"\r\n" + calendar
        yield f"{name}, as a file", file(calendar, kind)
    kind = b"Content-Type: application/mac-binhex40\r\n"
    yield "BinHex that does not say so", attached(kind, b':$f*TEQKPH#jKDJ#3"%9K!!!:\r\n')


def _pages() -> dict[str, bytes]:
    signs = base64.b64encode(ARCHIVE)
    in_pieces = b'" + "'.join(signs[at : at + 40] for at in range(0, len(signs), 40))
    in_lines = b"\\\r\n".join(signs[at : at + 76] for at in range(0, len(signs), 76))
    script = b"<html><script>var a = %s; save(atob(a));</script></html>\r\n"
    link = b'<a download="a.zip" href="data:application/zip;base64,%s">open</a>\r\n'
    return {
        "a link with the file": link % signs,
        "a link in upper case": link.replace(b"base64", b"BASE64") % signs,
        "a link with signs escaped": link % signs.replace(b"+", b"%2B").replace(b"=", b"%3D"),
        "a literal": script % (b'"%s"' % signs),
        "a literal in pieces of Basic": script % (b'"%s"' % in_pieces.replace(b"+", b"& _\r\n")),
        "a literal with breaks as escapes": script
        % (b'"%s"' % in_lines.replace(b"\\\r\n", b"\\n")),
        "a literal in single quotes": script % (b"'%s'" % signs),
        "a literal in pieces": script % (b'"%s"' % in_pieces),
        "a literal in lines": script % (b"`%s`" % in_lines),
        "a literal with signs of URLs": script % (b'"%s"' % base64.urlsafe_b64encode(ARCHIVE)),
        "a link with signs of its word as references": link.replace(b"64,", b"&#54;4&comma;")
        % signs,
        "a link with its word in lines": link.replace(b"base64", b"ba\r\n\tse64") % signs,
        "a link with blanks": link.replace(b";base64,", b"; base64 ,") % signs,
        "a link without base64": b'<a href="data:application/zip,%s">open</a>\r\n'
        % b"".join(b"%%%02X" % octet for octet in ARCHIVE),
        "a link with shifts in it": b"<meta charset=iso-2022-jp>"
        + link.replace(b"base64", b"ba\x1b(Bse64") % signs,
        "a page in an attribute": b'<iframe srcdoc="&lt;script>x(&quot;%s&quot;)&lt;/script>">\r\n'
        % signs,
        "a call in an attribute": b'<img onerror="script(atob(&quot;%s&quot;))">\r\n' % signs,
        "a literal of escapes": script % (b'"%s"' % b"".join(b"\\x%02x" % sign for sign in signs)),
        "a literal of hexadecimal digits": script % (b'"%s"' % ARCHIVE.hex().encode("ascii")),
        "a literal of numbers": script % (b"[%s]" % b", ".join(b"%d" % octet for octet in ARCHIVE)),
        "a picture with a script": b"<svg><script>x('%s')</script></svg>\r\n" % signs,
    }


def _texts() -> dict[str, bytes]:
    page = _pages()["a literal"].decode("ascii")
    text = EICAR.decode("ascii")
    return {
        "UTF-16 with a mark": text.encode("utf-16"),
        "UTF-16, the high octet first": text.encode("utf-16-be"),
        "UTF-16 without a mark": text.encode("utf-16-le"),
        "UTF-32": text.encode("utf-32"),
        "UTF-16 of a page": page.encode("utf-16"),
    }


def _pdf_documents() -> dict[str, bytes]:
    packed = zlib.compress(EICAR)
    named = b"<</Type/Filespec/F(a.com)/EF<</F 1 0 R>>>>"
    objects = zlib.compress(b"2 0 " + named)
    digits, letters = packed.hex().encode("ascii") + b">", base64.a85encode(packed) + b"~>"
    runs = bytes([len(EICAR) - 1]) + EICAR + b"\x80"
    attached_file = b"/Type/EmbeddedFile/Filter"
    return {
        "a PDF with a file that has no type": _pdf((b"/Filter/FlateDecode", packed)) + named,
        "a PDF with a file, said so in packed objects": _pdf(
            (b"/Filter/FlateDecode", packed), (b"/Type/ObjStm/Filter/FlateDecode", objects)
        ),
        "a PDF with a file in digits": _pdf((attached_file + b"[/AHx/Fl]", digits)),
        "a PDF with a file in letters": _pdf((attached_file + b"[/ASCII85Decode/Fl]", letters)),
        "a PDF with a file packed twice": _pdf(
            (attached_file + b"[/Fl/Fl]", zlib.compress(packed))
        ),
        "a PDF with a file in runs": _pdf((attached_file + b"/RunLengthDecode", runs[::-1])),
        "a PDF with a file, its line ended by a return": _pdf(
            (attached_file + b"/FlateDecode", packed)
        ).replace(b"stream\n", b"stream\r", 1),
    }


def _pdf(*streams: tuple[bytes, bytes]) -> bytes:
    """Return a PDF with streams, each with what is said of it."""
    return b"%PDF-1.7\n" + b"".join(
        b"%d 0 obj\n<<%s/Length %d>>\nstream\n%s\nendstream\nendobj\n"
        % (number, said, len(octets), octets)
        for number, (said, octets) in enumerate(streams, 1)
    )


def _calendars() -> Iterator[tuple[str, bytes, bytes]]:
    """Yield a name, the field that says what it is, and the calendar or card."""
    kind = b"Content-Type: text/%s\r\n"
    event = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    attach = b"ATTACH;FMTTYPE=application/zip;ENCODING=BASE64;VALUE=BINARY:"
    yield "an event with a file", kind % b"calendar", event % _folded(attach)
    card = b"BEGIN:VCARD\r\nVERSION:3.0\r\n%s\r\nEND:VCARD\r\n"
    yield "a card with a key", kind % b"vcard", card % _folded(b"KEY;ENCODING=b:")


def _folded(field: bytes) -> bytes:
    line = field + base64.b64encode(ARCHIVE)
    return b"\r\n ".join(line[at : at + 74] for at in range(0, len(line), 74))


def _uuencoded(content: bytes) -> bytes:
    lines = (content[at : at + 45] for at in range(0, len(content), 45))
    return b"begin 644 a.zip\r\n" + b"".join(map(binascii.b2a_uu, lines)) + b"`\r\nend\r\n"


def _documents() -> dict[str, bytes]:
    digits = (b"\x01\x05\0\0\x02\0\0\0\x08\0\0\0Package\0" + ARCHIVE).hex().encode("ascii")
    in_lines = b"\r\n".join(digits[at : at + 61] for at in range(0, len(digits), 61))
    rtf = b"{\\rtf1{\\object\\objemb{\\*\\objclass Package}{\\*\\objdata %s}}}"
    packed = zlib.compress(EICAR)
    pdf = (
        b"%%PDF-1.7\n1 0 obj\n<</Type/EmbeddedFile/Filter/FlateDecode/Length %d>>\n"
        b"stream\n%s\nendstream\nendobj\n"
    )
    packed_alone = gzip.compress(EICAR)
    in_octets = b"{\\rtf1{\\object\\objemb{\\*\\objdata \\bin%d %s}}}"
    with_junk = digits[:400] + b"{\\*\\zzz 41}" + digits[400:]
    return {
        "an RTF document with an object in octets": in_octets % (len(packed_alone), packed_alone),
        "an RTF document with digits that are none": rtf % with_junk,
        "a compound file with a package": compound_file(
            {NATIVE_STREAM: native_package(packed_alone), "Contents": bytes(9000)}
        ),
        "a notebook": notebook(packed_alone),
        "a Word document as one XML file": b"<?xml version='1.0'?><w:wordDocument><w:binData>%s"
        b"</w:binData></w:wordDocument>" % base64.encodebytes(packed_alone),
        "a Word document as a flat package": b"<?xml version='1.0'?><pkg:package><pkg:binaryData>%s"
        b"</pkg:binaryData></pkg:package>" % base64.b64encode(packed_alone),
        "Office's packed parts": b"ActiveMime\0" + bytes(39) + zlib.compress(ARCHIVE),
        "a text for WinZip, in an archive": zipped(("a.uue", _uuencoded(ARCHIVE))),
        "a text for Macs, in an archive": zipped(
            ("a.hqx", b"(This file must be converted with BinHex 4.0)\r\n\r\n:$f*TEQKPH#jK:")
        ),
        "an RTF document with an object": rtf % digits,
        "an RTF document with an object in lines": rtf % in_lines,
        "an RTF document with an object among groups": rtf
        % (digits[:100] + b"{\\*\\zzz}" + digits[100:]),
        "a winmail.dat": winmail(ARCHIVE, b"x" * 70_000),
        "a winmail.dat with a message": winmail(message=winmail(gzip.compress(EICAR))),
        "a PDF with an attached file": pdf % (len(packed), packed),
        **_pdf_documents(),
    }
