"""What arrives although no standard allows it, or at the very edge of what one allows?

Pure. Most of it is delivered: a gateway that repairs mail breaks signatures, and one that refuses
it loses a customer's fax machine. What could be read as two messages is refused, and what nobody
can look through is quarantined.
"""

from __future__ import annotations

from tests.mail.pieces import (
    DATE,
    Part,
    attachment,
    header,
    html,
    message,
    multipart,
    plain,
    text,
    usual,
    whole,
)
from tests.mail.specimens import Expectation, Specimen, specimens

_TEXT = "Content-Type: text/plain; charset=us-ascii"


def line_of_998() -> bytes:
    """The longest line that RFC 5322 section 2.1.1 allows."""
    return message(usual("998", _TEXT), b"x" * 998 + b"\r\n")


def line_of_5000() -> bytes:
    return message(usual("5000", _TEXT), b"y" * 5000 + b"\r\nafter\r\n")


def line_of_900_kilobytes() -> bytes:
    page = b"<html><body>" + b"<i>z</i>" * 115_200 + b"</body></html>\r\n"
    return whole(usual("900 kilobytes"), Part(html("").header, page))


def no_date() -> bytes:
    head = header("From: ada@sender.example", "To: bo@acme.example", "Subject: No date")
    return message(head, text("When was this?\n"))


def no_from() -> bytes:
    head = header("To: bo@acme.example", "Subject: No from", f"Date: {DATE}")
    return message(head, text("Who was this?\n"))


def no_header_at_all() -> bytes:
    return text("Just text, as a script with a socket sends it.\n\nSecond paragraph.\n")


def no_blank_line() -> bytes:
    """A header, and nothing more: neither the empty line nor a body."""
    return usual("No blank line")


def text_directly_after_header() -> bytes:
    """The header ends because a line is no field, not because of an empty line."""
    return usual("No separator") + text("This line is no header field and has no name\nMore.\n")


def begins_with_empty_line() -> bytes:
    """No header; what looks like one is text."""
    return b"\r\n" + usual("Is text") + text("\nAll of this is the body.\n")


def empty_body() -> bytes:
    return message(usual("Empty body", _TEXT), b"")


def nothing() -> bytes:
    """DATA and at once the final dot."""
    return b""


def missing_boundary() -> bytes:
    head = usual("Missing boundary", "Content-Type: multipart/mixed")
    return message(head, text("--gone\n\nText.\n--gone--\n"))


def unclosed_multipart() -> bytes:
    full = multipart("mixed", "open-1", plain("Cut off here.\n"))
    return whole(usual("Unclosed"), Part(full.header, full.content.removesuffix(b"--open-1--\r\n")))


def boundary_never_used() -> bytes:
    head = usual("Unused boundary", 'Content-Type: multipart/mixed; boundary="a"')
    return message(head, text("There is no part at all.\n"))


def wrong_base64() -> bytes:
    part = attachment("broken.bin", "application/octet-stream", b"some octets that are cut")
    broken = part.content.replace(b"b", b"!")[:-4] + b"=\xff=\r\n"
    return whole(
        usual("Wrong base64"),
        multipart("mixed", "b64-1", plain("See attached.\n"), Part(part.header, broken)),
    )


def duplicate_content_type() -> bytes:
    """Two readers may see two different messages."""
    head = usual("Two types", _TEXT, 'Content-Type: multipart/mixed; boundary="two-1"')
    return message(head, multipart("mixed", "two-1", plain("Which am I?\n")).content)


def unknown_charset() -> bytes:
    kind = "Content-Type: text/plain; charset=x-klingon; charset=utf-8"
    head = usual("=?x-klingon?Q?tlh=C3?=", kind, "Content-Transfer-Encoding: 9bit", mark="unknown")
    return message(head, text("nuqneH\n"))


def two_subjects() -> bytes:
    more = ("Subject: The second", "From: eve@other.example", _TEXT)
    return message(usual("The first", *more), text("Which one counts?\n"))


def latin1_header() -> bytes:
    """Raw 8 bits in the header, in no declared character set."""
    head = usual("Rechnung f\u00fcr M\u00e4rz", _TEXT, mark="latin1header").decode("utf-8")
    return message(head.encode("latin-1"), text("See the subject.\n"))


def strange_folds() -> bytes:
    """Tabs, a fold before the value, white space before the colon, a line of white space only."""
    head = (
        b"From:\r\n\tada@sender.example\r\nTo : bo@acme.example\r\nSUBJECT:strange\r\n \r\n"
        b"\t folds\r\nx-empty:\r\nX-Tab:\tvalue\t\r\n" + header(f"Date: {DATE}")
    )
    return message(head, text("Folded.\n"))


def long_header_line() -> bytes:
    tokens = " ".join(f"token{n:04}" for n in range(900))
    return message(usual("Long header", f"X-Tokens: {tokens}", _TEXT), text("See above.\n"))


def dot_lines() -> bytes:
    body = ".\n..\n...\n.leading\n. \n..two\n\n.\n.\n"
    return message(usual("Dots", _TEXT), text(body))


def only_a_dot() -> bytes:
    """Without header; the one line is a dot, which SMTP has to double."""
    return b".\r\n"


def trailing_white_space() -> bytes:
    body = "ends in spaces   \nends in a tab\t\n \n\n\n\n"
    return message(usual("White space", _TEXT), text(body))


def control_characters() -> bytes:
    """A terminal's escapes in subject and text, and a form feed."""
    head = usual("\x1b[2J\x1b[31mred\x07", _TEXT, mark="controls")
    return message(head, text("\x1b]0;title\x07page one\x0cpage two\x7f\n"))


def a_hundred_parts() -> bytes:
    return _of_parts(100)


def too_many_parts() -> bytes:
    """More than anybody writes: a reader that gives up half way has not seen the rest."""
    return _of_parts(3000)


def deeply_nested() -> bytes:
    return _nested(15)


def too_deeply_nested() -> bytes:
    return _nested(150)


def _of_parts(count: int) -> bytes:
    parts = [Part((), b"%d\r\n" % n) for n in range(count)]
    return whole(usual(f"{count} parts"), multipart("mixed", "m", *parts))


def _nested(depth: int) -> bytes:
    part = plain("At the bottom.\n")
    for level in range(depth):
        part = multipart("mixed", f"d{level}", part)
    return whole(usual(f"{depth} deep"), part)


def external_body() -> bytes:
    """A part that stands elsewhere: nobody may fetch it."""
    kind = (
        "Content-Type: message/external-body; access-type=URL;\n"
        ' URL="http://127.0.0.1:1/private"; size=10'
    )
    return message(usual("External", kind), text("Content-Type: image/gif\n\n"))


def bare_line_feed() -> bytes:
    """Some server behind us may take the text after it for a second message."""
    return message(usual("Bare line feed", _TEXT), b"one\ntwo\n.\nMAIL FROM:<eve@x.example>\r\n")


def bare_carriage_return() -> bytes:
    return message(usual("Bare carriage return", _TEXT), b"one\rtwo\r\n")


SPECIMENS = (
    *specimens(
        line_of_998,
        line_of_5000,
        no_date,
        no_from,
        no_header_at_all,
        no_blank_line,
        text_directly_after_header,
        begins_with_empty_line,
        empty_body,
        nothing,
        missing_boundary,
        unclosed_multipart,
        boundary_never_used,
        wrong_base64,
        duplicate_content_type,
        unknown_charset,
        two_subjects,
        latin1_header,
        strange_folds,
        long_header_line,
        dot_lines,
        only_a_dot,
        trailing_white_space,
        control_characters,
        a_hundred_parts,
        deeply_nested,
        external_body,
    ),
    *(
        Specimen(
            name=name,
            make=make,
            expectation=Expectation.QUARANTINE,
            finding="unscannable",
        )
        for name, make in (
            ("too-many-parts", too_many_parts),
            ("too-deeply-nested", too_deeply_nested),
        )
    ),
    Specimen(name="line-of-900-kilobytes", make=line_of_900_kilobytes, in_file=False),
    Specimen(name="bare-line-feed", make=bare_line_feed, expectation=Expectation.REFUSE),
    Specimen(
        name="bare-carriage-return", make=bare_carriage_return, expectation=Expectation.REFUSE
    ),
)
