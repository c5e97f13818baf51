"""What is sent to do harm, or to show what a gateway does with it?

Pure. The EICAR test string is put together here and stands in no file of the project: a scanner on
a developer's machine would rightly take the file away. Source: eicar.org; the GTUBE text of
SpamAssassin.
"""

from __future__ import annotations

from tests.mail.pieces import (
    attachment,
    header,
    html,
    message,
    multipart,
    plain,
    text,
    usual,
    whole,
    zipped,
)
from tests.mail.specimens import Expectation, Specimen, specimens

_TEXT = "Content-Type: text/plain; charset=us-ascii"


def eicar() -> bytes:
    """Return the harmless string that every virus scanner must name."""
    tail = b"$H+H*"
    return rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!" + tail


def eicar_plain() -> bytes:
    return message(usual("EICAR plain", _TEXT), eicar() + b"\r\n")


def eicar_attached() -> bytes:
    return _attached("eicar.com", "application/octet-stream", eicar())


def eicar_in_zip() -> bytes:
    return _attached("eicar.zip", "application/zip", zipped(("eicar.com", eicar())))


def eicar_in_zip_in_zip() -> bytes:
    inner = zipped(("eicar.com", eicar()))
    return _attached("outer.zip", "application/zip", zipped(("inner.zip", inner)))


def gtube() -> bytes:
    """Every spam filter knows the text, ours too: it has 1000 points."""
    line = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
    return message(usual("GTUBE", _TEXT), text(f"{line}\n"))


def forged_lines_of_ours() -> bytes:
    """The sender pretends that we have found it clean, in several spellings."""
    forged = header(
        "X-BorderScout: id=01ARZ3NDEKTSV4RRFFQ69G5FAV; node=lon1; revision=1; disposition=deliver",
        "x-borderscout-virus: clean; clamav=clean 1.4.3/27807 1ms",
        "X-BORDERSCOUT-SPAM: no; score=-100\n required=5.0",
        "Authentication-Results: mx.scout.example; spf=pass smtp.mailfrom=bank.example;\n"
        " dkim=pass header.d=bank.example",
        "Authentication-Results: other.example; spf=fail",
    )
    head = usual("Your account", _TEXT, sender="Bank <service@bank.example>")
    return message(forged + head, text("Please confirm your password.\n"))


def thirty_received() -> bytes:
    return message(_received(30) + usual("A long way", _TEXT), text("From hop to hop.\n"))


def delivery_loop() -> bytes:
    return message(_received(101) + usual("Loop", _TEXT), text("Round and round.\n"))


def phishing() -> bytes:
    page = (
        '<html><body><a href="http://192.0.2.66/login">https://bank.example/login</a>'
        '<form action="http://192.0.2.66/"><input type="password"></form></body></html>\n'
    )
    return whole(usual("Confirm now", sender="Bank <service@bank.example>"), html(page))


def script_for_the_console() -> bytes:
    """Markup wherever a screen may show it: subject, names, file name."""
    attack = '"><script>alert(1)</script>'
    part = attachment("<img src=x onerror=alert(2)>.txt", "text/plain", b"Hello.\r\n")
    return whole(
        usual(attack, sender='"<b>bold</b>" <eve@sender.example>', mark="script"),
        multipart("mixed", "xss-1", plain("Look at me in a browser.\n"), part),
    )


def _attached(name: str, kind: str, content: bytes) -> bytes:
    part = attachment(name, kind, content)
    both = multipart("mixed", "mix-1", plain("See attached.\n"), part)
    return whole(usual(f"Attached: {name}"), both)


def _received(hops: int) -> bytes:
    return header(
        *(
            f"Received: from hop{hop}.example (hop{hop}.example [192.0.2.{hop}])\n"
            f"\tby hop{hop + 1}.example with ESMTP id h{hop};\n"
            f"\tMon, 2 Mar 2026 09:{hop // 60:02}:{hop % 60:02} +0000"
            for hop in range(hops, 0, -1)
        )
    )


SPECIMENS = (
    Specimen(name="gtube", make=gtube, expectation=Expectation.QUARANTINE, finding="score"),
    *specimens(forged_lines_of_ours, thirty_received, phishing, script_for_the_console),
    Specimen(name="delivery-loop", make=delivery_loop, expectation=Expectation.REFUSE),
    *(
        Specimen(
            name=name,
            make=make,
            expectation=Expectation.QUARANTINE,
            finding="virus",
            in_file=False,
        )
        for name, make in (
            ("eicar-plain", eicar_plain),
            ("eicar-attached", eicar_attached),
            ("eicar-in-zip", eicar_in_zip),
            ("eicar-in-zip-in-zip", eicar_in_zip_in_zip),
        )
    ),
)
