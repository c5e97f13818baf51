"""Which messages does the load send?

Pure, but for the folder that ``write`` fills. The token ``BENCHID0`` is replaced by the load
generator with the number of each message: it stands in the headers, in the text and inside the
encoded attachments, so that no two messages nor attachments are alike, and no scanner answers from
a cache.
"""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass
from pathlib import Path

TOKEN = "BENCHID0"
BOUNDARY = "=_bench_4711"
SEED = 4711  # the same messages in every run
MARK_EVERY_LINES = 100  # of an attachment
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
TEXT = (
    "time order note price report invoice meeting server border mail queue letter paper "
    "answer question delivery customer number account office signed final please kindly "
    "attached regards tomorrow monday project budget plan release"
)
WORDS = tuple(TEXT.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of a mix one message is.

    Args:
        weight: against the others of the mix.
        message: the template's name.
        is_infected: whether a scanner must find something in it.
    """

    weight: float
    message: str
    is_infected: bool = False


MIXES: dict[str, tuple[Share, ...]] = {
    "plain4k": (Share(weight=1, message="plain4k"),),
    "mix": (
        Share(weight=80, message="plain4k"),
        Share(weight=15, message="multi60k"),
        Share(weight=4, message="multi500k"),
        Share(weight=1, message="eicar", is_infected=True),
    ),
    # Likewise, of many senders who sign: the files are those of ``signed_mail``.
    "signed": (
        Share(weight=80, message="plain4k"),
        Share(weight=15, message="multi60k"),
        Share(weight=4, message="multi500k"),
        Share(weight=1, message="eicar", is_infected=True),
    ),
    # Long runs: mostly small mail, some with attachments, and one in a thousand for the quarantine.
    "soak": (
        Share(weight=979, message="plain4k"),
        Share(weight=20, message="multi60k"),
        Share(weight=1, message="eicar", is_infected=True),
    ),
}


def messages(*, seed: int = SEED) -> dict[str, str]:
    """Return every template by name; with another seed, others of the same kinds."""
    source = random.Random(seed)
    return {
        "plain4k": _plain(source, 4096),
        "multi60k": _multipart(source, _noise(source, 60 * 1024), "report.bin"),
        "multi500k": _multipart(source, _noise(source, 500 * 1024), "report.bin"),
        "eicar": _multipart(source, _encoded(EICAR), "eicar.com"),
        "html4k": _page(source, 4096),
    }


def write(folder: Path) -> None:
    """Write the templates into a folder, as ``NAME.eml``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in messages().items():
        (folder / f"{name}.eml").write_text(text, encoding="ascii")


def _head(source: random.Random, content_type: str) -> str:
    return (
        "From: Sender <sender@bench.test>\n"
        "To: User <user@bench.test>\n"
        f"Subject: bench message {TOKEN}\n"
        "Date: Mon, 24 Nov 2025 10:00:00 +0000\n"
        f"Message-ID: <{TOKEN}.{source.randrange(10**9)}@bench.test>\n"
        f"X-Bench-Id: {TOKEN}\n"
        "MIME-Version: 1.0\n"
        f"Content-Type: {content_type}\n"
    )


def _text(source: random.Random, octets: int) -> str:
    lines, line, count = [f"Reference {TOKEN}"], "", 20
    while count < octets:
        word = source.choice(WORDS)
        line = f"{line} {word}".lstrip()
        count += len(word) + 1
        if len(line) > 60:
            lines.append(line)
            line = ""
    return "\n".join(lines) + "\n"


def _encoded(octets: bytes) -> str:
    return base64.encodebytes(octets).decode("ascii")


def _noise(source: random.Random, octets: int) -> str:
    """Return an attachment that makes a message of about ``octets``, marked here and there."""
    lines = _encoded(source.randbytes((octets - 2500) * 57 // 77)).splitlines()
    for place in range(1, len(lines) - 1, MARK_EVERY_LINES):
        lines[place] = TOKEN + lines[place][len(TOKEN) :]
    return "\n".join(lines) + "\n"


def _plain(source: random.Random, octets: int) -> str:
    head = _head(source, "text/plain; charset=utf-8")
    return head + "\n" + _text(source, octets - len(head))


def _page(source: random.Random, octets: int) -> str:
    """Return a page as newsletters are: a style, a heading, paragraphs, links and a picture."""
    head = _head(source, "text/html; charset=utf-8")
    lines = [
        "<html><head><title>News</title>",
        "<style>p { margin: 0 0 1em; } .note { color: #444; font-size: 12px; }</style></head>",
        f"<body><h1>Reference {TOKEN}</h1>",
        '<img src="https://pictures.bench.test/top.png" width="600" alt="">',
    ]
    left = octets - len(head) - sum(len(line) + 1 for line in lines) - 20
    while left > 0:
        words = [source.choice(WORDS) for _ in range(25)]
        link = f'<a href="https://shop{len(lines) % 5}.bench.test/{words[0]}">{words[1]}</a>'
        lines.append(f'<p class="note"><b>{words[2]}</b> {" ".join(words[3:])} {link}</p>')
        left -= len(lines[-1]) + 1
    return head + "\n" + "\n".join([*lines, "</body></html>"]) + "\n"


def _multipart(source: random.Random, attachment: str, name: str) -> str:
    return (
        _head(source, f'multipart/mixed; boundary="{BOUNDARY}"')
        + f"\nThis is a multi-part message in MIME format.\n--{BOUNDARY}\n"
        + "Content-Type: text/plain; charset=utf-8\n\n"
        + _text(source, 1500)
        + f'--{BOUNDARY}\nContent-Type: application/octet-stream; name="{name}"\n'
        + f'Content-Disposition: attachment; filename="{name}"\n'
        + "Content-Transfer-Encoding: base64\n\n"
        + attachment
        + f"--{BOUNDARY}--\n"
    )
