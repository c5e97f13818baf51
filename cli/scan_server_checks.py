"""Can a scanning server do its work, and does it, if it runs here?

Touches the ports that it listens on, its pages, its next hop and its folder of kept mail, and
changes nothing: a port is only greeted, and no message is passed.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

from cli.checks import DoctorCheck, judged
from cli.output import octets
from common.counted import counted
from common.errors import BorderScoutError
from common.settings.values import split_endpoint
from common.telemetry import without_diagnostics

if TYPE_CHECKING:
    from common.settings.scan_server import ScanServerSettings

ANSWER_S = 5.0
FULL = 0.9  # of kept_bytes_max; at all of it mail is put off
START = "start it: systemctl start borderscout-scan; why it ended: journalctl -u borderscout-scan"
RESTART = "restart it: systemctl restart borderscout-scan"
UNIX = "unix:"
PAGE_BYTES_MAX = 4 << 20


def scan_server_here(settings: ScanServerSettings) -> Iterator[DoctorCheck]:
    """Yield what is known of a scanning server beside its settings and its engines.

    Args:
        settings: with absolute paths.
    """
    yield from _preferences(settings)
    yield from _kept(settings)
    if settings.next_hop:
        yield _next_hop(settings)
    listening = list(_listening(settings))
    yield from listening
    if settings.metrics and all(check.ok and not check.note for check in listening):
        yield from _pages(settings.metrics)


def _preferences(settings: ScanServerSettings) -> Iterator[DoctorCheck]:
    from cli.documents import preferences_in

    if not settings.preferences:
        return
    try:
        found = preferences_in(Path(settings.preferences))
    except BorderScoutError as error:
        yield DoctorCheck(name="preferences", ok=False, found=error.what, remedy=error.hint)
    else:
        what = f"{counted(len(found.documents()), 'document')} in {settings.preferences}"
        yield DoctorCheck(name="preferences", ok=True, found=what)


def _kept(settings: ScanServerSettings) -> Iterator[DoctorCheck]:
    from satellite.scan_server.kept_mail import FOLDER

    folder = Path(settings.state) / FOLDER
    if settings.quarantine != "keep" or not folder.is_dir():
        return
    try:
        sizes = {path: path.stat().st_size for path in folder.iterdir()}
    except OSError as error:
        what, remedy = f"{folder}: {error.strerror}", "look as the user that it runs as, or as root"
        yield DoctorCheck(name="kept mail", ok=True, note=True, found=f"{what}; {remedy}")
        return
    messages = sum(path.suffix == ".eml" for path in sizes)
    what = f"{counted(messages, 'message')}, {octets(sum(sizes.values()))}"
    yield judged(
        "kept mail",
        (
            (
                sum(sizes.values()) >= FULL * settings.kept_bytes_max,
                f"{what} of {octets(settings.kept_bytes_max)}: at all of it mail hears 452",
            ),
        ),
        f"look through {folder}; borderscout scan release ID --config FILE, or remove the files",
    )
    if messages:
        yield DoctorCheck(name="kept mail", ok=True, note=True, found=f"{what} in {folder}")


def _next_hop(settings: ScanServerSettings) -> DoctorCheck:
    name, where = f"next hop {settings.next_hop}", settings.next_hop
    reason = asyncio.run(_away(settings))
    if reason:
        return DoctorCheck(
            name=name,
            ok=False,
            found=f"does not answer: {reason}",
            remedy="start the mail server's second port; until then mail hears 451",
        )
    if _is_elsewhere(where):
        what = "answers; it is elsewhere, and by TLS nobody checks who it is: keep the way private"
        return DoctorCheck(name=name, ok=True, note=True, found=what)
    return DoctorCheck(name=name, ok=True, found="answers")


async def _away(settings: ScanServerSettings) -> str:
    """Return why the next hop does not answer; empty when it does."""
    from common.preferences.deliver_to import parse_deliver_to
    from satellite.delivery.hop.session import SessionFailed
    from satellite.scan_server.passage import NextServer

    target = parse_deliver_to(settings.next_hop)
    server = NextServer(target, hostname=settings.hostname, timeout_s=ANSWER_S)
    with without_diagnostics():
        try:
            async with asyncio.timeout(2 * ANSWER_S):
                session = await server.session()
                await session.quit()
        except SessionFailed as error:
            return error.what
        except TimeoutError:
            return f"not within {2 * ANSWER_S:g} s"
    return ""


def _is_elsewhere(next_hop: str) -> bool:
    from common.preferences.deliver_to import parse_deliver_to

    host = parse_deliver_to(next_hop).host
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


# ---- the server itself, if it runs


def _listening(settings: ScanServerSettings) -> Iterator[DoctorCheck]:
    """Yield whether it answers at each of its doors; that it does not run is worth a note."""
    if settings.smtp is not None:
        for endpoint in settings.smtp.listen:
            yield _door(endpoint, greeting=f"220 {settings.hostname} ")
    if settings.milter is not None:
        for endpoint in settings.milter.listen:
            yield _door(endpoint, greeting="")


def _door(endpoint: str, *, greeting: str) -> DoctorCheck:
    name = f"scan server at {endpoint}"
    try:
        said = asyncio.run(_greeting(endpoint, waits=bool(greeting)))
    except TimeoutError:
        what = f"takes connections, and says nothing within {ANSWER_S:g} s"
        return DoctorCheck(name=name, ok=False, found=what, remedy=RESTART)
    except OSError as error:
        what = f"does not run: {error.strerror or error}; {START}"
        return DoctorCheck(name=name, ok=True, note=True, found=what)
    if not said.startswith(greeting):
        return DoctorCheck(
            name=name,
            ok=False,
            found=f"another program answers: {said[:80]}",
            remedy="give the two different ports, or end the other one",
        )
    return DoctorCheck(name=name, ok=True, found="answers")


async def _greeting(endpoint: str, *, waits: bool) -> str:
    """Return the first line that is said at an endpoint; empty when nobody waits for one.

    Raises:
        OSError: nobody is there.
        TimeoutError: nothing is said.
    """
    async with asyncio.timeout(ANSWER_S):
        if endpoint.startswith(UNIX):
            reader, writer = await asyncio.open_unix_connection(endpoint.removeprefix(UNIX))
        else:
            host, port = split_endpoint(endpoint)
            reader, writer = await asyncio.open_connection(_reached_at(host), port)
        try:
            line = await reader.readline() if waits else b""
            if waits:
                writer.write(b"QUIT\r\n")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    return line.decode("ascii", "replace").rstrip()


def _reached_at(host: str) -> str:
    """Return where a server is reached that listens on a host, or on all addresses."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def _pages(metrics: str) -> Iterator[DoctorCheck]:
    """Yield what a running server says of itself."""
    host, port = split_endpoint(metrics)
    where = _reached_at(host)
    base = f"http://{f'[{where}]' if ':' in where else where}:{port}"
    try:
        ready, page = _page(f"{base}/readyz"), _page(f"{base}/metrics")
    except (OSError, ValueError) as error:
        yield DoctorCheck(
            name="metrics",
            ok=False,
            found=f"{base} does not answer: {error}",
            remedy=f"another program may have the port; else {RESTART}",
        )
        return
    if ready != "ready":
        remedy = "until then mail hears 451"
        yield DoctorCheck(name="scan server", ok=False, found=ready, remedy=remedy)
    for engine, is_up in _engines(page):
        yield judged(
            f"engine {engine}",
            ((not is_up, "does not answer"),),
            "start it; until then mail hears 451, or does what `unavailable` says",
        )


def _page(url: str) -> str:
    """Return a page's text, whatever its status; a reason for not being ready is a text too."""
    try:
        with urlopen(url, timeout=ANSWER_S) as answer:  # noqa: S310 - of our own settings
            return str(answer.read(PAGE_BYTES_MAX).decode("utf-8", "replace")).strip()
    except HTTPError as error:
        with error:
            return error.read(PAGE_BYTES_MAX).decode("utf-8", "replace").strip()


def _engines(page: str) -> Iterator[tuple[str, bool]]:
    """Yield each engine of a page of metrics, and whether it answers."""
    from prometheus_client.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(page):
        if family.name == "borderscout_engine_up":
            for sample in family.samples:
                yield sample.labels.get("engine", ""), sample.value == 1
