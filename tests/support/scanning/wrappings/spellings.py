"""How may the fields of an attachment be spelled?

Pure. Source: RFC 5322 sections 3.2 and 4.5, RFC 2045 sections 5.1 and 6.1, RFC 2231.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.scanning.wrappings.parts import ARCHIVE, OCTETS, attached, encoded

FAMILY = "fields of the attachment"

_ENCODINGS = {
    "as everybody": b"Content-Transfer-Encoding: base64\r\n",
    "upper case": b"CONTENT-TRANSFER-ENCODING: BASE64\r\n",
    "no blank": b"Content-Transfer-Encoding:base64\r\n",
    "many blanks": b"Content-Transfer-Encoding:        base64\r\n",
    "a tab": b"Content-Transfer-Encoding:\tbase64\r\n",
    "folded": b"Content-Transfer-Encoding:\r\n base64\r\n",
    "folded twice": b"Content-Transfer-Encoding:\r\n \r\n\tbase64\r\n",
    "trailing blank": b"Content-Transfer-Encoding: base64 \r\n",
    "trailing tab": b"Content-Transfer-Encoding: base64\t\r\n",
    "trailing fold": b"Content-Transfer-Encoding: base64\r\n \r\n",
    "comment behind": b"Content-Transfer-Encoding: base64 (as usual)\r\n",
    "comment before": b"Content-Transfer-Encoding: (as usual) base64\r\n",
    "comment at once": b"Content-Transfer-Encoding: base64(as usual)\r\n",
    "comment in comment": b"Content-Transfer-Encoding: (a (b \\) c)) base64\r\n",
    "quoted": b'Content-Transfer-Encoding: "base64"\r\n',
    "quoted pair": b'Content-Transfer-Encoding: "ba\\se64"\r\n',
    "semicolon": b"Content-Transfer-Encoding: base64;\r\n",
    "parameter": b"Content-Transfer-Encoding: base64; x=y\r\n",
    "blank before the colon": b"Content-Transfer-Encoding : base64\r\n",
    "tab before the colon": b"Content-Transfer-Encoding\t: base64\r\n",
    "then 7bit": b"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n",
    "7bit first": b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n",
    "quoted-printable first": b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"Content-Transfer-Encoding: base64\r\n",
    "not said": b"",
    "said to be 8bit": b"Content-Transfer-Encoding: 8bit\r\n",
    "an unknown word": b"Content-Transfer-Encoding: x-base64\r\n",
    "two words": b"Content-Transfer-Encoding: base 64\r\n",
    "with an encoded word": b"Content-Transfer-Encoding: =?us-ascii?q?base64?=\r\n",
    "a line that is no field before it": b"no field\r\nContent-Transfer-Encoding: base64\r\n",
    "a field without a name before it": b": x\r\nContent-Transfer-Encoding: base64\r\n",
    "parameters that come whole and in pieces": b"X-A: b\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Type: application/zip; name*=utf-8''a.zip; name*0=a; name*1=.zip\r\n",
}
_TYPES = {
    "text": b"Content-Type: text/plain\r\n",
    "octets": OCTETS,
    "a type that is none": b"Content-Type: nonsense\r\n",
    "a message": b"Content-Type: message/rfc822\r\n",
}


def wrappings() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the octets of each."""
    for type_name, kind in _TYPES.items():
        for encoding_name, encoding in _ENCODINGS.items():
            name = f"base64 {encoding_name}, {type_name}"
            yield name, attached(kind + encoding, encoded(ARCHIVE))
    for encoding_name, encoding in _ENCODINGS.items():
        yield f"base64 {encoding_name}, a short file", attached(OCTETS + encoding, encoded())
