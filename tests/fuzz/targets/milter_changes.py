"""Does a header section become what a copy's is, by the changes that a milter asks for?

Pure. A mail server is played that inserts, changes and deletes fields by name and number, as
Postfix does; what comes out is held against the copy that a recipient of a node would get.
"""

from __future__ import annotations

import struct

from satellite.headers import HeaderBlock, KeptHeader, render
from satellite.scan_server.milter_changes import changes
from satellite.scan_server.milter_packets import length_of

WORDS = (
    b"X-BorderScout-Virus: clean\r\n", b"x-borderscout: id=1\r\n", b"Subject: hello\r\n",
    b"SUBJECT:\r\n\tfolded\r\n", b"Subject:\r\n", b"Authentication-Results: scan.example; none\r\n",
    b"Authentication-Results: (a comment) SCAN.example;\r\n", b"X-BorderScout :\r\n",
    b"Authentication-Results: other.example;\r\n", b"\r\n\r\n", b"From: <a@sender.example>\r\n",
    b"\x00", b"\r", b"\xc3\xbc", b" \r\n folded\r\n",
)  # fmt: skip
READS_MAIL = True

MAIL_DOMAIN = "scan.example"
Field = tuple[bytes, bytes]


def target(data: bytes) -> None:
    """Change a header section as a milter asks, with and without a subject tag."""
    block = HeaderBlock.parse(data)
    is_told_whole = all(span.is_field and b"\0" not in span.raw for span in block.spans)
    if block.oversized or block.has_bare_cr or block.mailbox_line or not is_told_whole:
        return  # no mail server tells such a section field by field
    section = data[: block.spans[-1].end] if block.spans else b""
    if b"\n" in section.replace(b"\r\n", b"") or not section.endswith(b"\r\n"):
        return
    for subject_tag in ("", "[SPAM]"):
        copy = render(
            KeptHeader(block, mail_domain=MAIL_DOMAIN),
            trace=b"",
            id="1",
            node=MAIL_DOMAIN,
            revision=0,
            disposition_word="deliver",
            verdicts=(),
            scanned_us=0,
            score=0.0,
            required=5.0,
            tests=(),
            spam=False,
            subject_tag=subject_tag,
        )
        whole = copy.head + data[copy.skip :]
        wanted = [_told(span.raw) for span in HeaderBlock.parse(whole).spans]
        for leading_space in (True, False):
            packets = changes(block, copy, mail_domain=MAIL_DOMAIN, leading_space=leading_space)
            found = _changed([_told(span.raw) for span in block.spans], packets, leading_space)
            assert found == wanted


def _told(raw: bytes) -> Field:
    """Return a field as it is told: name, and all that stands behind the colon."""
    name, _, value = raw.partition(b":")
    return name, value.removesuffix(b"\r\n").replace(b"\r\n", b"\n")


def _changed(fields: list[Field], packets: bytes, leading_space: bool) -> list[Field]:
    fields = list(fields)
    while packets:
        length = length_of(packets[:4])
        letter, data, packets = packets[4:5], packets[5 : 4 + length], packets[4 + length :]
        (number,) = struct.unpack("!I", data[:4])
        name, value, rest = data[4:].split(b"\0")
        assert rest == b""
        if not leading_space and value:
            value = b" " + value
        if letter == b"i":
            fields.insert(number, (name, value))
            continue
        assert letter == b"m"
        same = [at for at, (known, _) in enumerate(fields) if known.lower() == name.lower()]
        if value:
            fields[same[number - 1]] = (fields[same[number - 1]][0], value)
        else:
            del fields[same[number - 1]]
    return fields
