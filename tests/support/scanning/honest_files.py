"""Files as honest people send them: nothing that looks at them may raise an alarm.

Pure. Each has the name of its kind, or of the oddity that scanners have stumbled over.
"""

from __future__ import annotations

import base64
import gzip
import io
import lzma
import zipfile
import zlib

from tests.mail.pieces import pdf
from tests.support.scanning.compound_files import compound_file
from tests.support.scanning.messages import WINDOWS_PROGRAM, with_attachment, zipped
from tests.support.scanning.office_files import (
    blank_tiff,
    excel,
    native_package,
    new_word,
    noise,
    notebook,
    open_document,
    outlook_message,
    presentation,
    self_extracting,
    streamed_zip,
    tar_gz,
    with_backslashes,
    word,
    zip_by,
)
from tests.support.scanning.real_files import ARCHIVES, PDF_DOCUMENTS
from tests.support.scanning.winmail import winmail

TEXTS = (("readme.txt", b"Read me.\r\n" * 50), ("data/table.csv", b"a;b\r\n1;2\r\n" * 99))
JAVA_CLASS = bytes.fromhex("CAFEBABE00000034") + b"\0" * 60
PICTURE = b"\x89PNG\r\n\x1a\n" + noise(3000)
PAGE = (
    b'<html><img src="data:image/png;base64,%s"><style>@font-face { src: '
    b'url("data:font/woff2;base64,d09GMgAB") }</style><script>load("%s")</script></html>\r\n'
)
YENC = b"It begins so:\r\n\r\n=ybegin line=128 size=4096 name=a.jpg\r\n"
_TABLE = zlib.compress(b"a;b\r\n1;2\r\n" * 99)
PDF_WITH_FILE = (
    b"%%PDF-1.7\n1 0 obj\n<</Type/EmbeddedFile/Filter/FlateDecode/Length %d>>\nstream\n%s\n"
    b"endstream\nendobj\n2 0 obj\n<</Length 9>>\nstream\nBT ET q Q\nendstream\nendobj\n%%%%EOF\n"
)
END_RECORD = b"PK\x05\x06" + noise(40)  # as pictures and tables have it by chance


def _gzipped_log() -> bytes:
    return gzip.compress(b"a line of a log, and one is like the other\n" * 20_000, mtime=0)


def _with_comment() -> bytes:
    buffer = io.BytesIO(zipped(*TEXTS))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"made by hand, PK\x05\x06 included"
    return buffer.getvalue()


def _forwarded(depth: int) -> bytes:
    message = b"From: a@b.example\r\nSubject: lunch\r\n\r\nAt noon?\r\n"
    for level in range(depth):
        message = (
            b"From: a@b.example\r\nSubject: FW: lunch\r\nMIME-Version: 1.0\r\n"
            b'Content-Type: multipart/mixed; boundary="f%d"\r\n\r\n--f%d\r\n'
            b"Content-Type: message/rfc822\r\n\r\n%s\r\n--f%d--\r\n"
        ) % (level, level, message, level)
    return message


def _as_files(depth: int) -> bytes:
    message = b"From: a@b.example\r\nSubject: lunch\r\n\r\nAt noon?\r\n"
    for _ in range(depth):
        message = with_attachment(message)
    return message


HONEST: dict[str, bytes] = {
    "a text that begins as an LHA archive has its method": b"my-phd-thesis is done at last\r\n" * 9,
    "a file that begins as one of compress": b"\x1f\x9d\x00\x01" + noise(900),
    "a text about BinHex": b"It says:\r\n(This file must be converted with BinHex 4.0)\r\nHow?\r\n",
    "a program that speaks of base64": b"def encoded(octets):\r\n"
    + b"    # as base64 has it\r\n\r\n    return of_base64(octets)\r\n\r\n" * 60,
    "a program that speaks of base64, and has names for it": b"const kinds = {\r\n"
    + b"    kind: 'base64',\r\n\r\nother: 'base64',\r\n\r\n" * 60,
    "a list of words in a script": b"<script>const words = atob([\r\n"
    + b"".join(b'    "Abdomen%d",\r\n' % number for number in range(4000))
    + b"])</script>\r\n",
    "a text about yEnc": YENC
    + b"That is the header; what follows are the octets, each plus 42.\r\n",
    "a text about yEnc, in German": YENC
    + "Das ist der Anfang; danach die größeren Teile.".encode(),
    "a text that speaks of archives": b"xar! hsqs ITSF koly ZOO 2.10 Archive.\r\n" * 9,
    "a file that begins as LZMA does": b"\x5d\0\0\1\0" + noise(900),
    "a text in UTF-16": "Ein Brief, größer als der letzte.\r\n".encode("utf-16"),
    "a text in UTF-16 without a mark": ("A report.\r\n" * 30).encode("utf-16-le"),
    "a page with pictures in it": PAGE % (base64.b64encode(PICTURE), base64.b64encode(noise(4000))),
    "a page with references": (
        b"<p>It&#39;s &#8217;&nbsp;&amp; &quot;this&quot; &#x41; data: %d</p>\r\n" % 5
    )
    * 200,
    "a page with a chart": b"<script>new Array([" + b"12, 300, 4, 255, " * 90 + b"7])</script>",
    "a page with a drawing": b'<p style="background: url(data:image/svg+xml,%3Csvg%20xmlns=%27a%27'
    + b"%20" * 60
    + b'%3E)">',
    "a page with a script": PAGE % (b"", b"A" * 90),
    "a forwarded message, twelve deep": _forwarded(12),
    "messages as files, eleven deep": _as_files(11),
    "an RTF document with a picture": b"{\\rtf1{\\pict\\pngblip %s}}" % PICTURE.hex().encode(),
    "an RTF document with a workbook": b"{\\rtf1{\\object{\\*\\objdata %s}}}"
    % excel().hex().encode(),
    "a PDF with an attached table": PDF_WITH_FILE % (len(_TABLE), _TABLE),
    "a Word document": word(),
    "an Excel workbook": excel(),
    "a PowerPoint presentation": presentation(),
    "a PowerPoint presentation with many themes": presentation(themes=40),
    "a workbook with the octets of an end record": excel(noise(3000) + END_RECORD + noise(3000)),
    "a workbook with an archive in it": excel(noise(700) + zipped(*TEXTS) + noise(700)),
    "a notebook": notebook(PICTURE, new_word()),
    "an event with a picture": b"BEGIN:VCALENDAR\r\nATTACH;ENCODING=BASE64;VALUE=BINARY:%s\r\n"
    b"END:VCALENDAR\r\n" % base64.b64encode(PICTURE),
    "a document with a package": compound_file({"\x01Ole10Native": native_package(new_word())}),
    "an RTF document with a package": b"{\\rtf1{\\object{\\*\\objdata\r\n%s\r\n}}}"
    % (b"\1\5\0\0\2\0\0\0\x08\0\0\0Package\0" + bytes(8) + native_package(PICTURE)).hex().encode(),
    "a winmail.dat": winmail(new_word(), b"text " * 40),
    "an Outlook message": outlook_message(),
    "an Outlook message with a document": outlook_message(new_word(), b"text " * 40),
    "an Outlook message with a long archive": outlook_message(zip_by(0, ("a", noise(40_000)))),
    "an Outlook message with an Outlook message": outlook_message(outlook_message(word())),
    "a new Word document": new_word(),
    "a document with a workbook in it": new_word(("word/embeddings/a.xlsx", zipped(*TEXTS))),
    "a document with an old one in it": new_word(("word/embeddings/oleObject1.bin", excel())),
    "an OpenDocument text": open_document(),
    "a PDF": pdf("A report"),
    **{
        f"a PDF that may not be printed, {algorithm}": document
        for (algorithm, password), document in PDF_DOCUMENTS.items()
        if not password
    },
    "a blank page as TIFF, packed": zipped(("page.tif", blank_tiff())),
    "a blank page as TIFF": blank_tiff(2),
    "a picture with the octets of an end record": b"\xff\xd8\xff\xe0" + noise(5000) + END_RECORD,
    "a program with the octets of an end record": WINDOWS_PROGRAM + noise(900) + END_RECORD,
    "a stored ZIP": zip_by(zipfile.ZIP_STORED, *TEXTS),
    "a deflated ZIP": zip_by(zipfile.ZIP_DEFLATED, *TEXTS),
    "a ZIP by bzip2": zip_by(zipfile.ZIP_BZIP2, *TEXTS),
    "a ZIP by LZMA": zip_by(zipfile.ZIP_LZMA, *TEXTS),
    "a ZIP by LZMA of 7-Zip": ARCHIVES["LZMA.zip"],
    "a ZIP by XZ": ARCHIVES["XZ.zip"],
    "a ZIP by bzip2 of 7-Zip": ARCHIVES["BZip2.zip"],
    "a ZIP of nothing": zip_by(zipfile.ZIP_STORED),
    "a ZIP of a folder": zipped(("folder/", b""), *TEXTS),
    "a ZIP in a ZIP": zip_by(zipfile.ZIP_STORED, ("inner.zip", zip_by(0, *TEXTS)), *TEXTS),
    "a ZIP from a pipe": streamed_zip(*TEXTS),
    "a ZIP with both kinds of slashes": with_backslashes(zipped(*TEXTS), "data/table.csv"),
    "a ZIP with a comment": _with_comment(),
    "a ZIP with something behind it": zipped(*TEXTS) + b"\r\n-- \r\nsent from somewhere\r\n",
    "a self-extracting archive": self_extracting(zipped(*TEXTS)),
    "a JAR": zipped(("META-INF/MANIFEST.MF", b"Main: A\n"), ("A.class", JAVA_CLASS)),
    "a tar.gz": tar_gz(*TEXTS, ("n" * 150 + ".txt", b"a long name")),
    "a packed log": _gzipped_log(),
    "a packed file by xz": lzma.compress(b"text\n" * 999),
}
