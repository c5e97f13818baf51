"""What does each engine say of each wrapping, and is that what the page of the docs says?

Touches the page, and the engines that it is given.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import JsonValue

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from satellite.scanning.engine import Engine, EngineContext, build_engines
from satellite.scanning.helper import Helper
from tests.support.our_files import ROOT
from tests.support.scanning.messages import sample_of
from tests.support.scanning.wrappings import catalogue

PAGE = ROOT / "docs" / "wrappings.md"
WRITE = "python -m tests.support.scanning.wrappings"
AT_ONCE = 4
DEADLINE_S = 60.0

YARA, CLAMD, ICAP, COMMAND, CLAMSCAN = COLUMNS = (
    "yara",
    "clamd",
    "icap: c-icap",
    "command: clamscan",
    "`clamscan` itself",
)

Wrapping = tuple[str, str]
Said = Mapping[Wrapping, str]

_HEAD = """\
# Wrappings

In how many ways can a file be wrapped so that some mail program opens it, and what do the engines
say of each? Here it is the harmless file that every scanner knows, alone or in an archive.
`infected`: it was found. `limits`, `encrypted`, `unreadable`: it could not be read to its end, and
is said to be so; policy decides then, and by default keeps it back or marks it. `clean`: delivered.
No wrapping is `clean` for our own reader, with or without another engine beside; a test holds it
for each row of this page.

How mail is read stands in [engines.md](engines.md). This page is written by
`{write}`, and a test compares. clamd was ClamAV {version}, with its
defaults and the two settings that [engines.md](engines.md) asks for; c-icap asked one like it;
`command` started `clamscan` by the profile that is shown there, with the same two settings; the
last column is what `clamscan` says of the same messages in files, as anybody types it.

| engine | {outcomes} |
| --- |{rule}
"""


async def said_by_yara() -> Said:
    """Return what our own reader says of each wrapping."""
    return await _said(EngineSettings(name="yara", kind="yara"))


async def said_by_clamd(address: str) -> tuple[Said, str]:
    """Return what a clamd says of each wrapping, and its version."""
    return await _said(_clamd(address)), await version_of(address)


async def version_of(address: str) -> str:
    """Return the version of a clamd."""
    (fitted,) = build_engines([_clamd(address)], _context())
    health = await fitted.engine.probe()
    await fitted.engine.close()
    return health.version.partition("/")[0]


async def said_by_c_icap(address: str) -> Said:
    """Return what a c-icap says of each wrapping."""
    options: dict[str, JsonValue] = {"service": "virus_scan"}
    return await _said(EngineSettings(name="c-icap", kind="icap", address=address, options=options))


async def said_by_command(program: str, database: Path, *, only: Collection[Wrapping]) -> Said:
    """Return what the engine that starts clamscan says of some wrappings.

    Args:
        program: where clamscan is.
        database: the folder of its signatures.
        only: which; each costs the start of a program.
    """
    own: dict[str, JsonValue] = {
        "programs": [program],
        "arguments": [
            f"--database={database}",
            "--alert-exceeds-max=yes",
            "--alert-encrypted=yes",
            "--stdout",
            "{sample}",
        ],
        "exit_codes": {"clean": [0], "found": [1]},
        "threats": ["(?m)^.*: (.+) FOUND$"],
        "no_threats": "^Heuristics\\.(Limits|Encrypted)",
        "limits": ["Heuristics\\.Limits\\.Exceeded.* FOUND"],
        "encrypted": ["Heuristics\\.Encrypted.* FOUND"],
        "clean": "(?m)^Infected files: 0$",
    }
    options: dict[str, JsonValue] = {"own": own}
    settings = EngineSettings(name="clamscan", kind="command", options=options)
    return await _said(settings, only=only)


def said_by_clamscan(program: str, database: Path, folder: Path) -> Said:
    """Return what clamscan says of each wrapping, in a file of an empty folder."""
    files: dict[str, Wrapping] = {}
    for number, (wrapping, message) in enumerate(catalogue().items()):
        path = folder / f"{number}.eml"
        path.write_bytes(message)
        files[str(path)] = wrapping
    command = [program, f"--database={database}", "--stdout", "--no-summary", str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = dict(re.findall(r"(?m)^(.+?): (?:.* )?(FOUND|OK)$", said))
    return {wrapping: found.get(file, "?") for file, wrapping in files.items()}


def text(table: Mapping[str, Said], *, version: str) -> str:
    """Return the page.

    Args:
        table: what each column says.
        version: of clamd.
    """
    counts = {column: Counter(said.values()) for column, said in table.items()}
    outcomes = sorted({one for column in COLUMNS[:-1] for one in counts[column]})
    lines = [
        _HEAD.format(
            write=WRITE,
            version=version,
            outcomes=" | ".join(outcomes),
            rule=" --- |" * len(outcomes),
        ).rstrip(),
        *(_line(name, *(str(counts[name][one]) for one in outcomes)) for name in COLUMNS[:-1]),
    ]
    ok, found = counts[CLAMSCAN]["OK"], counts[CLAMSCAN]["FOUND"]
    lines += ["", f"`clamscan` itself says `OK` to {ok} and `FOUND` to {found}."]
    family = ""
    for wrapping in catalogue():
        if wrapping[0] != family:
            family = wrapping[0]
            title = family[0].upper() + family[1:]
            lines += ["", f"## {title}", "", _line("wrapping", *COLUMNS)]
            lines.append(_line(*["---"] * (1 + len(COLUMNS))))
        lines.append(_line(wrapping[1], *(table[column][wrapping] for column in COLUMNS)))
    return "\n".join(lines) + "\n"


def on_the_page() -> tuple[Mapping[str, Said], str]:
    """Return what the page says of each column, and clamd's version."""
    page = PAGE.read_text(encoding="utf-8")
    table: dict[str, dict[Wrapping, str]] = {column: {} for column in COLUMNS}
    family = ""
    for line in page.splitlines():
        cells = line.strip("| ").split(" | ")
        if line.startswith("## "):
            family = line[3:].lower()
        elif family and len(cells) == 1 + len(COLUMNS) and cells[0] not in ("wrapping", "---"):
            for column, cell in zip(COLUMNS, cells[1:], strict=True):
                table[column][family, cells[0]] = cell
    version = re.search(r"clamd was ClamAV (\S+),", page)
    assert version is not None
    return table, version[1]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


async def _said(settings: EngineSettings, *, only: Collection[Wrapping] | None = None) -> Said:
    context = _context()
    (fitted,) = build_engines([settings], context)
    places = asyncio.Semaphore(AT_ONCE)

    async def outcome(message: bytes) -> str:
        async with places:
            return await _outcome(fitted.engine, message)

    wanted = {
        wrapping: message
        for wrapping, message in catalogue().items()
        if only is None or wrapping in only
    }
    try:
        outcomes = await asyncio.gather(*map(outcome, wanted.values()))
    finally:
        await fitted.engine.close()
        await context.helper.close()
    return dict(zip(wanted, outcomes, strict=True))


def _clamd(address: str) -> EngineSettings:
    return EngineSettings(name="clamav", kind="clamd", address=address)


def _context() -> EngineContext:
    clock = SystemClock()
    return EngineContext(clock=clock, helper=Helper(clock=clock))


async def _outcome(engine: Engine, message: bytes) -> str:
    verdict = await engine.scan(sample_of(message), deadline_s=DEADLINE_S)
    return verdict.outcome.value
