"""Where is what in the code?

Touches the product's files, of which it reads the docstrings. The question at the head of each file
is its line on the page; a place of the index that does not exist stops the drawing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

PAGE = "map.md"
ROOT = Path(__file__).parents[2]
PACKAGES = ("satellite", "core", "common", "inventory", "cli")
LEFT_OUT = "core/store/migrations/versions"  # steps that are over, one file each

HEAD = """# Where is what

Each file of the product answers one question, which is the first line of its docstring. Here they
all are, room by room: look for the question that you have. What the rooms are to each other says
[architecture.md](architecture.md), the words are in [glossary.md](glossary.md), the wire between
core and satellites is in [`proto/`](../proto/borderscout/v1).

This page is drawn from the docstrings by `make docs`; its index is checked by the same.

## Where is …?

| | look in |
| --- | --- |
"""

# What people look for under a word of theirs, and the files where to begin.
INDEX: Mapping[str, tuple[str, ...]] = {
    "an engine (virus scanner)": (
        "satellite/scanning/engine.py",
        "satellite/scanning/engines/",
        "examples/engine/",
    ),
    "a filter (spam test)": (
        "satellite/filtering/filter.py",
        "satellite/filtering/filters/",
        "examples/filter/",
    ),
    "what outsiders may import": ("satellite/plugin.py",),
    "the score": ("satellite/judging/score.py",),
    "how much of a thing was seen lately, at all sites": (
        "satellite/filtering/tallies.py",
        "satellite/tallies/shared_tallies.py",
        "core/fleet/tally_sums.py",
    ),
    "a policy key, its bounds and default": ("common/preferences/policy.py",),
    "what is done with a message, and why": ("satellite/judging/disposition.py",),
    "who may send to whom (relaying)": ("satellite/smtp/admission.py",),
    "an SMTP reply of ours": ("satellite/smtp/replies.py",),
    "the end of the data (smuggling)": ("satellite/smtp/data.py",),
    "the states of a recipient": ("common/states.py", "satellite/spool/model/states.py"),
    "recovery after a crash": ("satellite/spool/recovery.py", "satellite/spool/mending/rescue.py"),
    "the moment before 250 (the commit)": ("satellite/spool/commits.py",),
    "the retry schedule": ("satellite/delivery/decisions/schedule.py",),
    "the hold of seven days": (
        "satellite/delivery/decisions/hold.py",
        "satellite/spool/model/age.py",
    ),
    "the next hop of a domain (routes, MX look-up)": (
        "satellite/delivery/decisions/routing.py",
        "satellite/delivery/hop/lookup.py",
    ),
    "the text of a DSN": (
        "satellite/delivery/dsn/bounce.py",
        "satellite/delivery/dsn/status_part.py",
    ),
    "a header of ours, and a forged one": ("satellite/headers/ours.py",),
    "who answers for the sender (SPF, DKIM, DMARC, ARC)": (
        "satellite/authentication/authenticator.py",
        "satellite/filtering/filters/authentication.py",
    ),
    "a scanning server beside another mail server": (
        "satellite/scan_server/passing_session.py",
        "satellite/scan_server/milter_session.py",
        "satellite/app/scan_server.py",
        "docs/scan-server.md",
    ),
    "the Received line": ("satellite/smtp/trace.py",),
    "a limit on hostile mail": ("satellite/scanning/limits.py",),
    "a limit of a node, a setting": (
        "common/settings/satellite.py",
        "common/settings/core.py",
        "docs/settings.md",
    ),
    "when mail is refused for a while": ("satellite/overload/pressure.py",),
    "a log record (its events and fields)": ("common/records",),
    "what the core makes of records": ("core/records/intake.py", "core/records/messages.py"),
    "a metric": (
        "satellite/smtp/metrics.py",
        "satellite/scanning/run.py",
        "satellite/filtering/run.py",
        "satellite/delivery/turns/metrics.py",
        "satellite/spool/metrics.py",
        "satellite/link/metrics.py",
        "common/certificate.py",
        "core/web/metrics.py",
        "docs/metrics.md",
    ),
    "the feed of revisions": (
        "core/feed/feed.py",
        "core/feed/session.py",
        "satellite/link/follower.py",
    ),
    "publishing and roll-back": ("core/preferences/ledger.py",),
    "positions and acknowledgements": ("common/stream.py", "common/identity.py"),
    "who may call over the link": ("core/link/calls.py",),
    "a table of the core's database": ("core/store/tables.py",),
    "quarantine and release": ("core/quarantine/cases.py", "core/custody/release.py"),
    "a core that comes back: backup, restore, a new epoch": (
        "core/recovery/backup.py",
        "core/recovery/restore.py",
        "core/preferences/epochs.py",
        "docs/operating/restore.md",
    ),
    "the MX formula": ("inventory/mx/planner.py", "docs/mx.md"),
    "a DNS format": ("inventory/mx/formats/",),
    "a key of the inventory": ("inventory/model.py",),
    "what is rendered for a node": ("inventory/render/node.py", "inventory/render/folder.py"),
    "a certificate, a WireGuard key": ("inventory/certificates.py", "inventory/keys.py"),
    "a command": ("cli/main.py", "docs/cli.md"),
    "what is asked of a running node": (
        "satellite/console/questions.py",
        "satellite/console/shard_console.py",
        "cli/shards.py",
    ),
    "what `doctor` looks at": ("cli/doctor.py",),
}


class NowhereError(Exception):
    """A place of the index is gone; INDEX in docs/generate/map.py has to name its new one."""


def text() -> str:
    """Return the page."""
    rows = "".join(
        f"| {what} | {', '.join(map(_link, _found(what, places)))} |\n"
        for what, places in INDEX.items()
    )
    return HEAD + rows + "\n" + "\n".join(_sections())


def question(path: Path) -> str:
    """Return the first line of a file's docstring."""
    found = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    return re.sub(r"``(.+?)``", r"`\1`", found.partition("\n")[0]).replace("|", r"\|")


def rooms() -> Iterator[Path]:
    """Yield each folder of the product that has files of its own, a room before those in it."""
    for package in PACKAGES:
        for init in sorted((ROOT / package).rglob("__init__.py"), key=lambda path: path.parent):
            if not _name(init).startswith(LEFT_OUT):
                yield init.parent


def _sections() -> Iterator[str]:
    for room in rooms():
        depth = len(room.relative_to(ROOT).parts)
        yield f"{'#' * min(depth + 1, 4)} {_name(room)}\n"
        yield f"{question(room / '__init__.py')}\n"
        files = [path for path in sorted(room.glob("*.py")) if path.name != "__init__.py"]
        if files:
            yield "| file | its question |\n| --- | --- |"
            yield from (f"| [{p.stem}](../{_name(p)}) | {question(p)} |" for p in files)
            yield ""


def _found(what: str, places: tuple[str, ...]) -> Iterator[str]:
    """Yield the places as they are written: a file, or a folder with a slash at its end."""
    for place in places:
        path = ROOT / place
        if not path.suffix and path.with_suffix(".py").is_file():
            yield f"{place}.py"
        elif path.exists():
            yield f"{place.rstrip('/')}/" if path.is_dir() else place
        else:
            raise NowhereError(f"{what}: {place} is not there; correct INDEX in {__file__}")


def _link(place: str) -> str:
    return f"[{place}](../{place})"


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
