"""Which spam does the corpus have?

Pure. Each class is a way of sending it; some are made so that no filter of ours alone knows them.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Iterator

from tests.support.spam_corpus.letters import CorpusLetter, message, octets, paragraphs, words
from tests.support.spam_corpus.world import BOTS, FREEMAIL, FRESH, LURES, Host

EACH = 20  # of most classes
MANY = 60  # of those that are about many

PILLS = words(
    "cheap pills online without prescription discreet worldwide shipping best price "
    "guaranteed doctors hate this secret order today limited discount satisfied customers "
    "amazing results"
)
MONEY = words(
    "dear friend I am the widow of a late minister and wish to transfer the sum of "
    "millions to your account in confidence kindly reply with your particulars bank fee "
    "inheritance lawyer"
)
PROGRAM = b"MZ" + bytes(58) + b"\x40\x00\x00\x00" + b"PE\x00\x00" + bytes(500)
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

_Made = tuple[Host, str, bytes]


def spam() -> Iterator[CorpusLetter]:
    """Yield all spam, the same each time."""
    for kind, (count, make) in _KINDS.items():
        chance = random.Random(kind)
        for number in range(count):
            host, sender, data = make(chance, number)
            recipient = f"{kind.split()[0]}@acme.example" if count == MANY else "joe@acme.example"
            yield CorpusLetter(
                kind=kind, is_spam=True, host=host, sender=sender, octets=data, recipient=recipient
            )


def _botnet(chance: random.Random, number: int) -> _Made:
    host = BOTS[number % len(BOTS)]
    text = paragraphs(PILLS, chance, 3)
    made = message(author=f"x{number}@pool.example", subject=text[:30], text=text)
    return host, f"x{number}@pool.example", octets(made)


def _lure(chance: random.Random, number: int) -> _Made:
    host = FRESH[number % len(FRESH)]
    name = LURES[number % len(LURES)]
    text = paragraphs(PILLS, chance, 2)
    made = message(
        author=f"offers@{host.helo}",
        subject=text[:30],
        text=text,
        html=f'<p>{text}</p><a href="http://www.{name}/?id={chance.randrange(10**6)}">here</a>',
    )
    return host, f"r{number}@snow.example", octets(made)


def _phishing(chance: random.Random, number: int) -> _Made:
    host = FRESH[(40 + number) % len(FRESH)]
    made = message(
        author="Your Bank <service@bank.example>",
        subject=f"Your account is locked, case {chance.randrange(10**6)}",
        text=f"Confirm your data at http://c{chance.randrange(10**6)}.snow.example/ today.\n",
    )
    return host, "service@bank.example", octets(made)


def _program(chance: random.Random, number: int) -> _Made:
    host = FRESH[(60 + number) % len(FRESH)]
    content, name, media = (
        PROGRAM + str(number).encode(),
        f"invoice-{number}.pdf.exe",
        "application/pdf",
    )
    if number % 2:
        box = io.BytesIO()
        with zipfile.ZipFile(box, "w") as archive:
            archive.writestr(f"scan-{number}.js", f"new ActiveXObject('x{number}');")
        content, name, media = box.getvalue(), f"scan-{number}.zip", "application/zip"
    made = message(
        author=f"Accounts <a{number}@snow.example>",
        subject=f"Invoice {chance.randrange(10**6)}",
        text="Please see the attached invoice.\n",
        files=[(name, content, media)],
    )
    return host, f"a{number}@snow.example", octets(made)


def _bulk(chance: random.Random, number: int) -> _Made:
    """One text with small changes from a hundred clean hosts."""
    host = FRESH[number % len(FRESH)]
    same = paragraphs(PILLS, random.Random("one mailing"), 8)
    text = f"Hello {chance.choice(PILLS)}{number},\n\n{same}\n\nOrder {chance.randrange(10**9)}\n"
    made = message(author=f"b{number}@snow.example", subject=f"Offer {number}", text=text)
    return host, f"b{number}@snow.example", octets(made)


def _backscatter(chance: random.Random, number: int) -> _Made:
    host = Host(f"192.0.2.{120 + number}", f"mx{number}.innocent-{number}.example")
    made = message(
        author=f"Mail Delivery System <mailer-daemon@innocent-{number}.example>",
        subject="Undelivered Mail Returned to Sender",
        text=f"<nobody{chance.randrange(10**6)}@innocent-{number}.example>: no such mailbox\n",
    )
    return host, "", octets(made)


def _mail_bomb(chance: random.Random, number: int) -> _Made:
    """Honest servers confirm subscriptions that the mailbox never asked for."""
    host = Host(f"192.0.2.{60 + number}", f"mail.forum-{number}.example")
    made = message(
        author=f"Forum {number} <noreply@forum-{number}.example>",
        subject=f"Confirm your subscription to forum {number}",
        text=f"Follow https://forum-{number}.example/confirm/{chance.randrange(10**9)}\n",
    )
    return host, f"noreply@forum-{number}.example", octets(made)


def _advance_fee(chance: random.Random, number: int) -> _Made:
    """From an honest provider, each written anew: only what it says gives it away."""
    made = message(
        author=f"Mrs. Widow <w{number}@freemail.example>",
        subject=f"Confidential {chance.randrange(10**4)}",
        text=paragraphs(MONEY, chance, 4),
    )
    return FREEMAIL, f"w{number}@freemail.example", octets(made, signed_by="freemail.example")


def _gtube(chance: random.Random, number: int) -> _Made:
    made = message(author="t@snow.example", subject=f"Test {number}", text=f"{GTUBE}\n")
    return FRESH[number], "t@snow.example", octets(made)


_KINDS: dict[str, tuple[int, Callable[[random.Random, int], _Made]]] = {
    "sent by listed bots": (EACH, _botnet),
    "links to listed domains": (EACH, _lure),
    "phishing in a bank's name": (EACH, _phishing),
    "programs as invoices": (EACH, _program),
    "bulk with small changes": (MANY, _bulk),
    "backscatter": (MANY, _backscatter),
    "subscriptions (a mail bomb)": (MANY, _mail_bomb),
    "advance fees from a provider": (EACH, _advance_fee),
    "the GTUBE mark": (EACH, _gtube),
}
