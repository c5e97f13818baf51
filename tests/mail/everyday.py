"""What do people write to each other?

Pure. Text in all the ways that programs encode it.
"""

from __future__ import annotations

from tests.mail.pieces import (
    GIF,
    Part,
    header,
    html,
    in_base64,
    message,
    multipart,
    plain,
    text,
    usual,
    whole,
)
from tests.mail.specimens import specimens

_HTML = "<html><body><h1>Offer</h1><p>Dear Bo, the offer is <b>below</b>.</p></body></html>\n"


def plain_text() -> bytes:
    body = "Dear Bo,\n\nthe parcel left this morning.\n\n-- \nAda\n"
    return message(usual("The parcel", "Content-Type: text/plain; charset=us-ascii"), text(body))


def quoted_printable() -> bytes:
    body = (
        "Gr=C3=BC=C3=9Fe aus K=C3=B6ln. This line is so long that it is broken in the =\n"
        "middle, and this one ends in a space=20\n1 + 1 =3D 2\n"
    )
    return message(
        usual(
            "Quoted printable",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
        ),
        text(body),
    )


def base64_text() -> bytes:
    return message(
        usual(
            "Base64 text",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: base64",
        ),
        in_base64(text("Ein kurzer Gruß, in base64 verpackt.\n")),
    )


def html_only() -> bytes:
    return whole(usual("HTML only"), html(_HTML))


def alternative() -> bytes:
    parts = (plain("Dear Bo, the offer is below.\n"), html(_HTML))
    return whole(usual("Alternative"), multipart("alternative", "alt-1", *parts))


def nested_multipart() -> bytes:
    inner = multipart("alternative", "in-1", plain("Text.\n"), html(_HTML))
    middle = multipart("related", "mid-1", inner, _image(), parameters='; type="text/html"')
    note = Part(
        ("Content-Type: text/plain", 'Content-Disposition: attachment; filename="note.txt"'),
        text("A note.\n"),
    )
    return whole(usual("Nested"), multipart("mixed", "out-1", middle, note))


def inline_image() -> bytes:
    page = html('<html><body><img src="cid:logo@sender.example">Hello</body></html>\n')
    related = multipart("related", "rel-1", page, _image(), parameters='; type="text/html"')
    return whole(usual("Inline image"), related)


def _image() -> Part:
    return Part(
        (
            'Content-Type: image/gif; name="logo.gif"',
            "Content-Transfer-Encoding: base64",
            "Content-ID: <logo@sender.example>",
            'Content-Disposition: inline; filename="logo.gif"',
        ),
        in_base64(GIF),
    )


def latin1_without_mime() -> bytes:
    """What programs sent before MIME, and printers still do."""
    head = header(
        "From: scanner@acme.example", "To: bo@acme.example", "Subject: Stoerung am Geraet 4"
    )
    return message(head, text("Gerät 4: Papier fehlt. Kosten: 5 £\n", "latin-1"))


def utf8_header() -> bytes:
    """Raw UTF-8 in the header (RFC 6532)."""
    return message(
        usual(
            "Grüße aus Köln und 東京",
            "Content-Type: text/plain; charset=utf-8",
            sender="Jürgen Müller <jürgen@müller.example>",
            mark="utf8header",
        ),
        text("Viele Grüße\n"),
    )


def encoded_words() -> bytes:
    """RFC 2047: a character that two words share, both encodings, a language, and a fold."""
    return message(
        usual(
            "=?utf-8?B?R3LDvMOfZSBhdXMgS8M=?=\n =?utf-8?B?tmxu?= =?iso-8859-1*de?Q?f=FCr_alle?=",
            "Content-Type: text/plain; charset=us-ascii",
            sender="=?utf-8?q?J=C3=BCrgen?= <juergen@sender.example>",
            mark="encodedwords",
        ),
        text("See the subject.\n"),
    )


def format_flowed() -> bytes:
    body = "This paragraph goes on \nand on over \nthree lines.\n\n> quoted \n> text\n"
    kind = "Content-Type: text/plain; charset=us-ascii; format=flowed; delsp=no"
    return message(usual("Flowed", kind), text(body))


def japanese() -> bytes:
    subject = "=?ISO-2022-JP?B?" + _b64("会議のお知らせ", "iso2022_jp") + "?="
    part = plain("来週の会議は月曜日です。\n", "iso-2022-jp", "7bit")
    return whole(usual(subject, mark="japanese"), part)


def chinese() -> bytes:
    subject = "=?GB18030?B?" + _b64("会议通知", "gb18030") + "?="
    return whole(usual(subject, mark="chinese"), plain("下周一开会。\n", "gb18030"))


def korean() -> bytes:
    subject = "=?EUC-KR?B?" + _b64("회의 안내", "euc-kr") + "?="
    return whole(usual(subject, mark="korean"), plain("다음 주 월요일입니다.\n", "euc-kr"))


def right_to_left() -> bytes:
    """Hebrew and Arabic, and an override that turns a name around (``gpj.exe`` reads jpg)."""
    subject = "שלום مرحبا \u202egpj.exe"
    return whole(usual(subject, mark="righttoleft"), plain("שלום רב, מצורף הדוח.\nمرحبا بكم.\n"))


def emoji() -> bytes:
    return whole(usual("🎉 Party 👩‍👩‍👧", mark="emoji"), plain("Bring 🍰!\n"))


def reply_with_quotes() -> bytes:
    lines = "\n".join(f"{'>' * depth} level {depth}" for depth in range(12, 0, -1))
    head = usual(
        "Re: Re: AW: The parcel",
        "In-Reply-To: <theparcel@sender.example>",
        "References: <first@acme.example>\n <theparcel@sender.example>",
        "Content-Type: text/plain; charset=us-ascii",
    )
    return message(head, text(f"{lines}\n\nYes.\n"))


def three_hundred_recipients() -> bytes:
    """A header field of many folded lines."""
    to = ",\n ".join(f"Person {n} <person{n}@acme.example>" for n in range(300))
    kind = "Content-Type: text/plain; charset=us-ascii"
    return message(usual("To all of you", kind, to=to), text("Hello all.\n"))


def _b64(content: str, charset: str) -> str:
    return in_base64(content.encode(charset)).decode().replace("\r\n", "")


SPECIMENS = specimens(
    plain_text,
    quoted_printable,
    base64_text,
    html_only,
    alternative,
    nested_multipart,
    inline_image,
    latin1_without_mime,
    utf8_header,
    encoded_words,
    format_flowed,
    japanese,
    chinese,
    korean,
    right_to_left,
    emoji,
    reply_with_quotes,
    three_hundred_recipients,
)
