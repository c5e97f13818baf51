"""``borderscout demo``: a whole cluster on this machine, with mail flowing."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import AsJson, console, fail, plain, print_json

EXAMPLE = "Example: borderscout demo --check"


def demo(
    check: Annotated[
        bool, typer.Option("--check", help="Play once, check every outcome, and end.")
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Keep its files here; it goes on from them."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a core, three satellites and a customers' mail server on loopback, with mail flowing.

    Three engines read each message: our own, and ClamAV and c-icap where they are installed. In
    place of one that is not, a peer answers that is called scripted; nothing else in it is a mock.

    With --check the last line is a JSON summary, and the exit code says
    whether all held.
    """
    with ExitStack() as stack:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            folder = keep.resolve()
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="borderscout-")))
        if not check:
            with suppress(KeyboardInterrupt, asyncio.CancelledError):
                asyncio.run(_play(folder, quiet=as_json))
            return
        try:
            summary = asyncio.run(_check(folder, quiet=as_json))
        except asyncio.CancelledError:
            fail("demo: it was told to end before all was checked")
    if not as_json:
        for one in summary["checks"]:
            mark = "✔" if one["ok"] else "✘"
            console.print(f"{mark} {plain(one['name'])}: {plain(one['found'])}", markup=False)
    print_json(summary)
    raise typer.Exit(0 if summary["ok"] else 1)


async def _play(folder: Path, *, quiet: bool) -> None:
    from cli.demonstration.cluster import DemoCluster
    from cli.demonstration.run import keep_running_mail

    _end_when_told()
    cluster = DemoCluster(folder)
    try:
        await cluster.start(_teller(quiet))
        await keep_running_mail(cluster)
    finally:
        await cluster.end()


async def _check(folder: Path, *, quiet: bool) -> dict[str, Any]:
    from cli.demonstration.cluster import DemoCluster
    from cli.demonstration.run import check_once

    _end_when_told()
    began_s = time.monotonic()
    cluster = DemoCluster(folder)
    try:
        await cluster.start(_teller(quiet))
        found = await check_once(cluster, _teller(quiet))
    except OSError as error:
        fail(f"demo: {error}")
    finally:
        await cluster.end()
    return {
        "ok": all(one.ok for one in found),
        "passed": sum(one.ok for one in found),
        "failed": sum(not one.ok for one in found),
        "seconds": round(time.monotonic() - began_s, 1),
        "delivered": cluster.mailbox.total,
        "checks": [asdict(one) for one in found],
    }


def _end_when_told() -> None:
    """Have SIGTERM end everything in order, once: a second one would leave processes behind."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    ending = task

    def end() -> None:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ending.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)


def _teller(quiet: bool) -> Any:
    def tell(what: str) -> None:
        if not quiet:
            print(f"{what} ...", file=sys.stderr)

    return tell
