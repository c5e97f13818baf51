"""What does the page say of engines in trouble, and how is it written?

Touches the page, and all engines that can be had here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.our_files import ROOT
from tests.support.scanning.c_icap import what_is_missing
from tests.support.scanning.clamd import clamd_binary
from tests.support.scanning.engine_faults import Fault, FaultBench
from tests.support.scanning.engine_faults.file_security import FileSecurityBench
from tests.support.scanning.engine_faults.programs import CommandBench, YaraBench
from tests.support.scanning.engine_faults.real_servers import RealClamdBench, RealIcapBench
from tests.support.scanning.engine_faults.servers import ClamdBench, IcapBench
from tests.support.scanning.engine_faults.stale import STALE_CASES, StaleBench
from tests.support.scanning.engine_faults.weighing import CASES, Cell, PolicyCase

PAGE = ROOT / "docs" / "engine-faults.md"
WRITE = "python -m tests.support.scanning.engine_faults"

Row = tuple[str, Fault]
Table = Mapping[Row, Sequence[Cell]]

_HEAD = """\
# Engines in trouble

What becomes of a message whose engine is killed, hangs, talks nonsense or has no licence, under
each policy? Each cell below is a message that was judged: by the real stage, with the real engine,
whose server, program or helper was put into that state. The message bore the test virus, which the
engine would have named; a second engine read it and found nothing, or was away as well where the
column says so. This page is written by `{write}`, and a test compares.

- No answer of an engine in trouble is `clean`. One with old definitions did read the mail, and what
  its word is worth is said by the policy key `stale`.
- Nothing is delivered that no engine has read: `delivered` and `marked` stand only where the second
  one had read it.
- What waits is asked for again. When the engine was well again, every message that waited was
  scanned and found: none was lost, none passed.

`quarantined` is by the key that stands with it. A message that ends our own helper twice, or holds
it, is `unscannable`, whatever engine answers beside. Which outcome counts as which key stands in
[engines.md](engines.md), *What a verdict leads to*. Engines are played by scripted peers, which do
octet for octet what is documented, but where it says that it was the real one. A fault that is not
in an engine's table is one that it cannot suffer.
"""


def benches(folder: Path) -> Iterator[FaultBench]:
    """Yield what can be put into trouble here."""
    yield YaraBench()
    yield ClamdBench(folder)
    yield IcapBench("eset")
    yield IcapBench("trend-iwsva")
    yield FileSecurityBench()
    yield CommandBench(folder)
    yield StaleBench(folder)
    if clamd_binary() is not None:
        yield RealClamdBench(folder)
    if not what_is_missing():
        yield RealIcapBench(folder)


def rows_of(bench: FaultBench) -> Iterator[Fault]:
    """Yield what this one can suffer."""
    yield from (fault for fault in Fault if fault not in bench.impossible)


def cases_of(engine: str) -> Sequence[PolicyCase]:
    """Return the policies under which an engine's faults are weighed."""
    return STALE_CASES if engine == StaleBench.engine else CASES


def text(table: Table) -> str:
    """Return the page."""
    lines = [_HEAD.format(write=WRITE).rstrip()]
    engine = ""
    for (name, fault), cells in table.items():
        if name != engine:
            engine = name
            head = ["fault", "verdict", *(case.words for case in cases_of(name))]
            lines += ["", f"## {engine}", "", _line(head), _line(["---"] * len(head))]
        lines.append(line(fault, cells))
    return "\n".join(lines) + "\n"


def line(fault: Fault, cells: Sequence[Cell]) -> str:
    """Return one line of a table."""
    verdicts = sorted({cell.outcome for cell in cells})
    return _line([str(fault), " or ".join(verdicts), *(_shown(cell) for cell in cells)])


def on_the_page() -> Mapping[str, Sequence[str]]:
    """Return the lines of each engine's table as they stand on the page."""
    found: dict[str, list[str]] = {}
    for text_line in PAGE.read_text(encoding="utf-8").splitlines():
        if title := re.fullmatch(r"## (.+)", text_line):
            found[title[1]] = []
        elif (
            found and text_line.startswith("| ") and not text_line.startswith(("| fault", "| ---"))
        ):
            found[list(found)[-1]].append(text_line)
    return found


def _shown(cell: Cell) -> str:
    return cell.happened.replace("delivered, marked", "marked")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
