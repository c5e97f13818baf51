"""Which honest mail does the corpus have?

Touches the files of ``tests/mail``; the rest is made. Each class is a way in which honest mail
looks like spam to some filter: without SPF, forwarded, changed by a mailing list, in bulk, from a
listed line, with archives.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage

from tests.support.smtp import corpus
from tests.support.spam_corpus.letters import (
    RECIPIENT,
    CorpusLetter,
    message,
    octets,
    paragraphs,
    words,
)
from tests.support.spam_corpus.world import (
    DYNAMIC,
    FORWARDER,
    FREEMAIL,
    LISTS,
    PARTNER,
    SHOP,
    SMALL,
    STRAYED,
    Host,
)

EACH = 20  # of a class

WORK = words(
    "the meeting offer draft contract Tuesday budget figures attached please confirm "
    "delivery schedule next week regards colleague report project phase customer answer "
    "question review number invoice payment thirty days thanks morning call changed "
    "version team plan"
)
GERMAN = words(
    "das Angebot die Besprechung am Dienstag bitte bestätigen Lieferung Rechnung Zahlung "
    "Vertrag Entwurf anbei freundliche Grüße Kollegen Frage Antwort nächste Woche für "
    "Rückfragen"
)
JAPANESE = words(
    "会議 は 火曜日 に 変更 されました よろしく お願い いたします 見積書 を 添付 します"
)


def ham() -> Iterator[CorpusLetter]:
    """Yield all honest mail, the same each time."""
    for kind, make in _KINDS.items():
        chance = random.Random(kind)
        for number in range(EACH):
            host, sender, data = make(chance, number)
            yield CorpusLetter(kind=kind, is_spam=False, host=host, sender=sender, octets=data)
    for name in corpus.everyday_names():
        yield CorpusLetter(
            kind="everyday mail of all forms",
            is_spam=False,
            host=SMALL,
            sender="bea@small.example",
            octets=corpus.message(name),
        )


_Made = tuple[Host, str, bytes]


def _letter(
    chance: random.Random, number: int, author: str, vocabulary: tuple[str, ...] = ()
) -> EmailMessage:
    text = paragraphs(vocabulary or WORK, chance, chance.randint(2, 6))
    return message(author=author, subject=f"{text.split('.')[0][:40]} {number}", text=text)


def _partner(chance: random.Random, number: int) -> _Made:
    made = _letter(chance, number, f"Ann Field <ann{number}@partner.example>")
    return PARTNER, f"ann{number}@partner.example", octets(made, signed_by="partner.example")


def _small_firm(chance: random.Random, number: int) -> _Made:
    made = _letter(chance, number, f"Bea <bea{number}@small.example>")
    return SMALL, f"bea{number}@small.example", octets(made)


def _dynamic_line(chance: random.Random, number: int) -> _Made:
    made = _letter(chance, number, f"Bea <bea{number}@small.example>")
    return DYNAMIC, f"bea{number}@small.example", octets(made)


def _mistaken(chance: random.Random, number: int) -> _Made:
    made = _letter(chance, number, f"Carl <carl{number}@mistaken.example>")
    return STRAYED, f"carl{number}@mistaken.example", octets(made)


def _foreign(chance: random.Random, number: int) -> _Made:
    theirs = GERMAN if number % 2 else JAPANESE
    made = _letter(chance, number, f"Jörg <joerg{number}@partner.example>", theirs)
    return PARTNER, f"joerg{number}@partner.example", octets(made, signed_by="partner.example")


def _newsletter(chance: random.Random, number: int) -> _Made:
    items = "".join(
        f'<li><a href="https://www.shop.example/item/{chance.randrange(10**6)}">{word}</a></li>'
        for word in chance.sample(WORK, 8)
    )
    made = message(
        author="The Shop <news@shop.example>",
        subject=f"Our offers of week {number}",
        text="See our offers on www.shop.example.\n\n" + paragraphs(WORK, chance, 3),
        html=f"<html><body><h1>Offers</h1><ul>{items}</ul></body></html>",
        fields=[
            ("List-Id", "<news.shop.example>"),
            ("List-Unsubscribe", "<https://www.shop.example/unsubscribe>"),
            ("Precedence", "bulk"),
        ],
    )
    sender = f"bounce-{number}@shop.example"
    return SHOP, sender, octets(made, signed_by="shop.example")


def _mailing_list(chance: random.Random, number: int) -> _Made:
    """A list changes subject and text, so that the author's signature breaks."""
    author = f"Dee <dee{number}@college.example>"
    data = octets(_letter(chance, number, author), signed_by="college.example")
    data = (
        data.replace(b"Subject: ", b"Subject: [staff] ", 1)
        + b"-- \r\nhttps://lists.example/staff\r\n"
    )
    return LISTS, "staff-bounces@lists.example", b"List-Id: <staff.lists.example>\r\n" + data


def _forwarded(chance: random.Random, number: int) -> _Made:
    made = _letter(chance, number, f"Ann Field <ann{number}@partner.example>")
    return FORWARDER, f"ann{number}@partner.example", octets(made, signed_by="partner.example")


def _documents(chance: random.Random, number: int) -> _Made:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"figures-{number}.csv", "a;b;c\r\n" * chance.randint(50, 500))
        archive.writestr("read me.txt", paragraphs(WORK, chance, 4))
    made = message(
        author="Books <books@partner.example>",
        subject=f"Figures {number}",
        text=paragraphs(WORK, chance, 2),
        files=[
            (f"figures-{number}.zip", box.getvalue(), "application/zip"),
            (f"invoice.{number}.pdf", _PDF + str(number).encode(), "application/pdf"),
        ],
    )
    return PARTNER, "books@partner.example", octets(made, signed_by="partner.example")


_PDF = b"%PDF-1.4\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"


def _machine(chance: random.Random, number: int) -> _Made:
    """What servers write each night is alike, and wanted."""
    made = message(
        author="root <root@small.example>",
        subject="Cron <root@backup> /usr/local/bin/backup",
        text=f"backup of 2026-11-{number + 1:02} done\n{chance.randrange(10**6)} files copied\n",
        fields=[("Auto-Submitted", "auto-generated")],
    )
    return SMALL, "root@small.example", octets(made)


def _receipt(chance: random.Random, number: int) -> _Made:
    total = chance.randint(10, 900)
    made = message(
        author="The Shop <orders@shop.example>",
        subject=f"Your order {4000 + number}: pay now",
        text=f"Thank you for your order. The total of {total} EUR is due within 14 days.\n"
        f"Pay at https://pay.shop.example/{chance.randrange(10**9)} or click the button.\n",
        html=f"<p>The total of <b>{total} EUR</b> is due.</p>"
        f'<p><a href="https://pay.shop.example/{chance.randrange(10**9)}">PAY NOW</a></p>',
    )
    return SHOP, f"orders+{number}@shop.example", octets(made, signed_by="shop.example")


def _private(chance: random.Random, number: int) -> _Made:
    made = _letter(chance, number, f"Eve <eve{number}@freemail.example>")
    return FREEMAIL, f"eve{number}@freemail.example", octets(made, signed_by="freemail.example")


def _bounce(chance: random.Random, number: int) -> _Made:
    made = message(
        author="Mail Delivery System <mailer-daemon@partner.example>",
        subject="Undelivered Mail Returned to Sender",
        text=f"<nobody{number}@partner.example>: no such mailbox\n" + paragraphs(WORK, chance, 1),
        fields=[("Auto-Submitted", "auto-replied")],
        recipient=RECIPIENT,
    )
    return PARTNER, "", octets(made, signed_by="partner.example")


_KINDS: dict[str, Callable[[random.Random, int], _Made]] = {
    "letters of a partner": _partner,
    "letters of a firm without SPF": _small_firm,
    "letters from a listed line": _dynamic_line,
    "a sender whose SPF is wrong": _mistaken,
    "German and Japanese": _foreign,
    "a newsletter": _newsletter,
    "a mailing list": _mailing_list,
    "forwarded letters": _forwarded,
    "archives and documents": _documents,
    "mail of machines": _machine,
    "receipts": _receipt,
    "private letters": _private,
    "honest bounces": _bounce,
}
