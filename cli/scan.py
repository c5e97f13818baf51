"""``borderscout scan``: what do our engines and filters say of messages or files on disk?

Touches the files and, through ``satellite.app.assessment``, the engines. It needs neither a node
that runs nor a core.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer
from typer.core import TyperGroup

from cli.documents import preferences_in
from cli.output import (
    AsJson,
    coloured,
    complain,
    complain_of_settings,
    console,
    fail,
    octets,
    plain,
    print_json,
    print_table,
    settings_of_a_service,
)
from cli.progress import progress_bar
from common.address import AddressError, parse_address
from common.clock import SystemClock
from common.errors import BorderScoutError, LocalError, SettingsError
from common.hang_up import ignore_hang_up
from common.preferences import Preferences
from common.telemetry import without_diagnostics
from common.verdict import Outcome, Verdict, version_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.settings.satellite import SatelliteSettings
    from common.settings.scan_server import ScanServerSettings
    from satellite.app.assessment import Assessment, Assessor

EXAMPLE = "Example: borderscout scan --config out/lon1/satellite.yaml message.eml archive.zip"
FILES_EXAMPLE = "Example: borderscout scan files --config satellite.yaml message.eml archive.zip"
SERVE_EXAMPLE = "Example: borderscout scan serve --config scan.yaml"
RELEASE_EXAMPLE = "Example: borderscout scan release --config scan.yaml 01M8KNY535P24DBW1Q8JNB3R8P"
FILES = "files"  # the command that is meant where none is named
AT_ONCE = 4  # as many as a worker scans; each has a copy on disk and little in memory
FOUND, NOT_SCANNED = 1, 2  # exit codes
STDIN = "-"


class _FilesUnlessNamed(TyperGroup):
    """``scan FILE...`` is ``scan files FILE...``: it was there first, and is what people type."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the command that is meant where none is named."""
        is_named = args and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if is_named or not args else [FILES, *args])


app = typer.Typer(
    cls=_FilesUnlessNamed,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Scan files, or the mail of another mail server.",
    epilog=EXAMPLE,
)


@app.callback()
def _group() -> None:
    """Scan files, or the mail of another mail server."""


@app.command(epilog=SERVE_EXAMPLE)
def serve(config: Annotated[Path, typer.Option("--config", help="Its settings file.")]) -> None:
    """Scan the mail that a mail server passes through by SMTP, LMTP or as a milter, until SIGTERM.

    Nothing is acknowledged before the next hop, or the mail server itself, has taken it. SIGHUP
    reads the file of preferences anew.
    """
    import uvloop

    from satellite.app.scan_server import serve as serve_mail
    from satellite.scan_server.settings_file import read_scan_settings

    ignore_hang_up()  # until it listens for it
    with settings_of_a_service():
        settings = read_scan_settings(config)
        file = Path(settings.preferences) if settings.preferences else None
        uvloop.run(serve_mail(settings, partial(_preferences, file)))


@app.command(epilog=RELEASE_EXAMPLE)
def release(
    message: Annotated[str, typer.Argument(metavar="ID", help="Of a message in state/kept.")],
    config: Annotated[Path, typer.Option("--config", help="The scanning server's settings.")],
    as_json: AsJson = False,
) -> None:
    """Bring a message that a scanning server keeps to its next hop, and forget it then.

    Exit code 1 when the next hop did not take it for every recipient; it is kept for those.
    """
    from satellite.scan_server.kept_release import release as released
    from satellite.scan_server.settings_file import read_scan_settings

    with without_diagnostics():
        results = asyncio.run(released(read_scan_settings(config), message))
    for one in results:
        if as_json:
            print_json(
                {"recipient": one.address, "delivered": one.is_delivered, "answer": one.answer}
            )
        else:
            console.print(f"{plain(one.address)}: {plain(one.answer)}")
    if not all(one.is_delivered for one in results):
        raise typer.Exit(1)


@app.command(FILES, epilog=FILES_EXAMPLE)
def scan(
    config: Annotated[Path, typer.Option("--config", help="A satellite.yaml, or a scan.yaml.")],
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Messages or any files; -: stdin.")
    ],
    recipient: Annotated[str, typer.Option(help="Whose policy is asked.")] = "",
    documents: Annotated[
        Path | None, typer.Option(help="Preferences, as policy show --json prints them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what engines and filters find in files, and what would be done with such mail.

    Exit code 0: nothing was found; 1: something was; 2: nothing was, but something could not be
    scanned, or nothing was scanned at all.
    """
    try:
        settings = _settings(config)
        own = getattr(settings, "preferences", "")  # of a scanning server, which has no core
        preferences = _preferences(documents or (Path(own) if own else None))
        whose = _address(recipient)
        with without_diagnostics():  # the verdicts say what went wrong, and stdout is the result
            codes = asyncio.run(_scanned(files, settings, preferences, whose, as_json))
    except SettingsError as error:  # 1 would say that something was found
        complain_of_settings(error)
        raise typer.Exit(NOT_SCANNED) from None
    except LocalError as error:
        fail(str(error), status=NOT_SCANNED)
    except typer.Exit:  # it was told already
        raise typer.Exit(NOT_SCANNED) from None
    raise typer.Exit(FOUND if FOUND in codes else max(codes, default=0))


def _settings(config: Path) -> SatelliteSettings | ScanServerSettings:
    """Return what a node's or a scanning server's file says; only the former names a core.

    Raises:
        SettingsError: with every complaint.
    """
    from satellite.scan_server.settings_file import is_of_scan_server, read_scan_settings
    from satellite.settings import load_settings

    if is_of_scan_server(config):
        return read_scan_settings(config)
    settings = load_settings(config, with_what_it_names=True)
    if not settings.engines:
        fail(f"{config}: there is no engine in it, so that nothing can be scanned", status=2)
    return settings


def _address(recipient: str) -> str:
    try:
        return parse_address(recipient).folded if recipient else "somebody@localhost"
    except AddressError as error:
        fail(error.what, status=2)


def _preferences(file: Path | None) -> Preferences:
    return preferences_in(file) if file is not None else Preferences()


async def _scanned(
    files: Sequence[str],
    settings: Any,
    preferences: Preferences,
    recipient: str,
    as_json: bool,
) -> set[int]:
    """Print what is said of each file, in their order; return the exit codes that they ask for."""
    from satellite.app.assessment import assessor

    codes: set[int] = set()
    making = assessor(settings, preferences=preferences, recipient=recipient, clock=SystemClock())
    with progress_bar() as step:
        async with making as ready:
            done = 0
            async for name, said in _in_order(files, ready):
                done += 1
                step(f"scanning {plain(name)[-40:]}", done, len(files))
                codes.add(_say(name, said, as_json=as_json))
    return codes


async def _in_order(
    files: Sequence[str], ready: Assessor
) -> AsyncIterator[tuple[str, Assessment | Exception]]:
    """Yield what is said of each file; a few are scanned at once, however many there are."""
    begun: deque[tuple[str, asyncio.Task[Assessment | Exception]]] = deque()
    async with asyncio.TaskGroup() as group:
        for name in files:
            if len(begun) == AT_ONCE:
                first, task = begun.popleft()
                yield first, await task
            begun.append((name, group.create_task(_one(name, ready))))
        for first, task in begun:
            yield first, await task


async def _one(name: str, ready: Assessor) -> Assessment | Exception:
    try:
        with _opened(name) as file:
            return await ready.assess(file)
    except (OSError, BorderScoutError) as error:
        return error


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == STDIN:
        yield sys.stdin.buffer
    else:
        with Path(name).open("rb") as file:
            yield file


def _say(name: str, said: Assessment | Exception, *, as_json: bool) -> int:
    """Print what is said of one file, and return the exit code that it asks for."""
    if isinstance(said, Exception):
        what = said.strerror if isinstance(said, OSError) and said.strerror else str(said)
        if as_json:
            print_json({"file": name, "error": what})
        else:
            complain(f"{name}: not scanned: {what}")
        return NOT_SCANNED
    if as_json:
        print_json(_as_json(name, said))
    else:
        disposed = said.disposed
        console.print(f"{plain(name)} ({octets(said.size)} as a message)")
        rows = [_row(one) for one in said.verdicts if _says(one)]
        print_table(("!By", "!Outcome", ">ms", "What"), rows, indent=2)
        console.print(f"  {disposed.disposition}: {plain(disposed.reason)}")
    if said.has_found:
        return FOUND
    return 0 if said.is_whole else NOT_SCANNED


def _says(verdict: Verdict) -> bool:
    return verdict.outcome is not Outcome.SCORED or bool(verdict.tests)


def _row(verdict: Verdict) -> tuple[object, ...]:
    tests = [f"{test.name}:{test.score:g} {test.detail}".strip() for test in verdict.tests]
    scoped = [f"by {one.rules} of {one.scope}" for one in verdict.scoped]
    told = [", ".join(verdict.threats), *scoped, verdict.detail, "; ".join(tests)]
    told.append(version_line(verdict.version, verdict.definitions))
    ms = verdict.ms if verdict.outcome is not Outcome.SCORED else ""
    return (verdict.by, coloured(verdict.outcome), ms, "; ".join(filter(None, told)))


def _as_json(name: str, said: Assessment) -> dict[str, Any]:
    disposed = said.disposed
    return {
        "file": name,
        "size": said.size,
        "found": [
            {"kind": str(one.kind), "by": one.by, "detail": one.detail} for one in said.findings
        ],
        "verdicts": [_verdict_json(one) for one in said.verdicts],
        "disposition": str(disposed.disposition),
        "marked": disposed.marked,
        "cause": str(disposed.cause),
        "reason": disposed.reason,
        "spam": disposed.spam,
        "score": disposed.score,
        "required": disposed.required,
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "by": verdict.by,
        "outcome": str(verdict.outcome),
        "version": verdict.version,
        "definitions": verdict.definitions,
        "definitions_us": verdict.definitions_us,
        "ms": verdict.ms,
        "threats": list(verdict.threats),
        "detail": verdict.detail,
        "unreadable": list(verdict.unreadable),
        "scoped": [
            {
                "rules": one.rules,
                "scope": one.scope,
                "outcome": str(one.outcome),
                "threats": list(one.threats),
            }
            for one in verdict.scoped
        ],
        "tests": [
            {"name": one.name, "score": one.score, "detail": one.detail} for one in verdict.tests
        ],
    }
