"""``borderscout doctor``: is everything here fit for its work, and if not, what mends it?

Touches whatever it looks at, and changes nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sized
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.checks import SKEW_S_MAX, DoctorCheck, judged
from cli.client import Client, CoreFailure, TokenFile, Url
from cli.core_checks import checks_of_the_core
from cli.definitions_checks import definitions_of_the_node
from cli.filter_checks import servers_of_filters
from cli.handshake_checks import handshake_with_the_core
from cli.link_checks import TIME
from cli.output import AsJson, console, plain, print_lines
from cli.spool_checks import mail_of_a_node, mail_of_the_node
from cli.tunnel_checks import tunnel_of_the_core
from cli.tunnel_look import look_at_tunnel, told_of_tunnel
from common.errors import SettingsError
from common.settings.satellite import SatelliteSettings, SmtpSettings
from common.settings.scan_server import ScanServerSettings

EXAMPLE = "Example: borderscout doctor --config out/lon1/satellite.yaml"

SQLITE_FLOOR = (3, 51, 3)  # the write-ahead log could be damaged before
SCAN_RESERVE_BYTES = 64 << 20  # a scan server reserves nothing: a message that it scans fits
SYNC_MS_MAX = 50.0  # above it, 250 comes late on every message


def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", help="A satellite.yaml, scan.yaml or core.yaml.")
    ] = None,
    tunnel: Annotated[
        Path | None,
        typer.Option("--tunnel", help="A wg0.conf whose tunnel is looked at; takes root."),
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Look at this machine, a satellite or a scan server, and the core; exit 1 for a fault.

    Of a satellite and of a scan server it looks at the settings, the engines and the mail. What the
    mail of a scan server passes through is greeted, and gets no message. Of a core's file it looks
    at the settings and what they name; the core itself is asked with --url.
    """
    checks = list(_machine())
    if config is not None:
        checks.extend(_program(config))
    if tunnel is not None:
        checks.extend(look_at_tunnel(tunnel))
    if url:
        checks.extend(_reached_core(Client(url, token_file)))
    if as_json:
        print_lines(asdict(check) for check in checks)
    else:
        for check in checks:
            line = Text.assemble(_mark(check), f"{check.name}: {plain(check.found)}")
            if not check.ok:
                line.append(f"; {plain(check.remedy)}")
            console.print(line)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _mark(check: DoctorCheck) -> tuple[str, str]:
    if not check.ok:
        return ("✘ ", "red")
    return ("• ", "yellow") if check.note else ("✔ ", "green")


def _machine() -> Iterator[DoctorCheck]:
    import apsw

    version = apsw.sqlite_lib_version()
    yield DoctorCheck(
        name="sqlite",
        ok=tuple(int(part) for part in version.split(".")) >= SQLITE_FLOOR,
        found=version,
        remedy="install the apsw that the constraints file names",
    )
    for program, use in (("wg", "wireguard-tools"), ("clamd", "clamav-daemon")):
        path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        yield DoctorCheck(
            name=program,
            ok=True,  # neither is needed on every machine
            found=path or f"not here; where it is needed: apt-get install {use}",
        )


def _program(config: Path) -> Iterator[DoctorCheck]:
    from core.settings import is_of_core
    from satellite.scan_server.settings_file import is_of_scan_server

    try:
        look = _core_file if is_of_core(config) else _satellite
        yield from (_scan_server if is_of_scan_server(config) else look)(config)
    except SettingsError as error:
        yield from _complaints("settings", error)


def _core_file(config: Path) -> Iterator[DoctorCheck]:
    from core.settings import read_settings

    settings = read_settings(config)
    yield DoctorCheck(name="settings", ok=True, found=str(config))
    yield _certificate("link certificate", settings.tls.certificate, settings.tls.key)
    if settings.wireguard.state:
        yield from told_of_tunnel(Path(settings.wireguard.state))


def _satellite(config: Path) -> Iterator[DoctorCheck]:
    from satellite.settings import load_settings

    settings = load_settings(config, with_what_it_names=True)
    yield DoctorCheck(name="settings", ok=True, found=str(config))
    yield from _engines_and_filters(settings)
    yield _isolation()
    yield from definitions_of_the_node(settings.definitions)
    state = Path(settings.state)
    yield from _state(state, config, reserve_bytes=settings.disk_reserve_bytes)
    yield _certificate("link certificate", settings.core.certificate, settings.core.key)
    if settings.wireguard.state:
        of_one = not settings.core.standbys
        yield from told_of_tunnel(Path(settings.wireguard.state), needs_all=of_one)
    yield from handshake_with_the_core(settings)
    yield from _smtp_certificates(settings.smtp)
    yield from mail_of_the_node(state, metrics=settings.metrics)


def _scan_server(config: Path) -> Iterator[DoctorCheck]:
    from cli.scan_server_checks import scan_server_here
    from satellite.scan_server.settings_file import read_scan_settings

    settings = read_scan_settings(config)
    yield DoctorCheck(name="settings", ok=True, found=str(config))
    yield from _engines_and_filters(settings)
    yield _isolation()
    yield from _state(Path(settings.state), config, reserve_bytes=SCAN_RESERVE_BYTES)
    if settings.smtp is not None:
        yield from _smtp_certificates(settings.smtp)
    yield from scan_server_here(settings)


def _state(state: Path, config: Path, *, reserve_bytes: int) -> Iterator[DoctorCheck]:
    folder = state if state.exists() else config.resolve().parent
    for look in (partial(_disk, folder, reserve_bytes), partial(_sync, folder)):
        try:
            yield look()
        except OSError as error:
            what = f"{error.filename or folder}: {error.strerror}"
            yield DoctorCheck(
                name="disk", ok=False, found=what, remedy="give us the right to write there"
            )


def _smtp_certificates(smtp: SmtpSettings) -> Iterator[DoctorCheck]:
    if smtp.certificate:
        yield _certificate("SMTP certificate", smtp.certificate, smtp.key or smtp.certificate)
    if smtp.rsa_certificate:
        key = smtp.rsa_key or smtp.rsa_certificate
        yield _certificate("SMTP certificate (RSA)", smtp.rsa_certificate, key)


def _engines_and_filters(
    settings: SatelliteSettings | ScanServerSettings,
) -> Iterator[DoctorCheck]:
    """Build them as a worker does at its start, ask the servers of filters, and forget them."""
    from prometheus_client import CollectorRegistry

    from common.clock import SystemClock
    from satellite.filtering.catalogue import build_filters
    from satellite.filtering.filter import FilterContext
    from satellite.filtering.resolver import DnsResolver
    from satellite.filtering.tallies import NoTallies
    from satellite.scanning.engine import EngineContext, build_engines
    from satellite.scanning.helper import Helper

    clock = SystemClock()
    for_engines = EngineContext(clock=clock, helper=Helper(clock=clock))
    for_filters = FilterContext(
        clock=clock,
        resolver=DnsResolver(settings.resolver),
        metrics=CollectorRegistry(),
        tallies=NoTallies(),
    )
    yield from _built("engines", partial(build_engines, settings.engines, for_engines))
    try:
        filters = build_filters(settings.filters, for_filters)
    except SettingsError as error:
        yield from _complaints("filters", error)
        return
    yield DoctorCheck(name="filters", ok=True, found=f"{len(filters)} can be had")
    yield from servers_of_filters(filters)


def _isolation() -> DoctorCheck:
    from satellite.scanning.isolation import isolation_problem

    problem = isolation_problem()
    return DoctorCheck(
        name="helper isolation",
        ok=not problem,
        found=problem or "the helper processes can give up network and files",
        remedy="run the node on a kernel with seccomp filters; until then mail is scanned without",
    )


def _built(name: str, build: Callable[[], Sized]) -> Iterator[DoctorCheck]:
    try:
        yield DoctorCheck(name=name, ok=True, found=f"{len(build())} can be had")
    except SettingsError as error:
        yield from _complaints(name, error)


def _complaints(name: str, error: SettingsError) -> Iterator[DoctorCheck]:
    for complaint in error.complaints:
        what, _, remedy = complaint.rpartition("; ")
        yield DoctorCheck(name=name, ok=False, found=what or complaint, remedy=remedy)


def _disk(folder: Path, reserve_bytes: int) -> DoctorCheck:
    free = shutil.disk_usage(folder).free
    return DoctorCheck(
        name="disk",
        ok=free > 2 * reserve_bytes,
        found=f"{free >> 20} MiB free at {folder}, {reserve_bytes >> 20} MiB reserved",
        remedy="free some space: below the reserve mail gets 452 4.3.1",
    )


def _sync(folder: Path, tries: int = 20) -> DoctorCheck:
    spent = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        for _ in range(tries):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            spent.append((time.perf_counter() - began) * 1000)
    median = sorted(spent)[tries // 2]
    return DoctorCheck(
        name="disk sync",
        ok=median <= SYNC_MS_MAX,
        found=f"{median:.1f} ms, the median of {tries}",
        remedy="put the state folder on a faster disk",
    )


def _certificate(name: str, certificate: str, key: str) -> DoctorCheck:
    from cli.certificate_checks import certificate_of_files

    return certificate_of_files(
        name, certificate=Path(certificate), key=Path(key), now_s=time.time()
    )


def _reached_core(client: Client) -> Iterator[DoctorCheck]:
    try:
        yield from _core(client)
    except CoreFailure as error:
        yield DoctorCheck(name="core", ok=False, found=error.what, remedy=error.hint)


def _node(node: dict[str, Any]) -> DoctorCheck:
    lag, why, refused = node["lag"], node["not_accepting_reason"], node["refused"]
    refuses_mail = not node["accepting"] and node["state"] != "silent"
    remedy = "on the node: borderscout doctor --config satellite.yaml"
    if node["state"] == "silent":
        remedy = (
            "on the node: systemctl status borderscout-satellite; or the path to the core is cut"
        )
    elif node["core_refused"]:
        remedy = node["core_refused"]
    elif refused is not None and not refused["kind"]:
        remedy = f"it refused what this core has: {refused['reason']}"
    elif refused is not None:
        what = f"{refused['kind']} {refused['key']}: {refused['reason']}"
        remedy = f"it refused {what}; publish that document anew with: borderscout policy apply"
    return judged(
        f"node {node['node']}",
        (
            (node["state"] != "live", f"is {node['state']}"),
            (lag != 0, f"lag is {'unknown' if lag is None else lag}"),
            (refuses_mail, f"accepts no mail: {why or 'not every shard listens'}"),
        ),
        remedy,
    )


def _core(client: Client) -> Iterator[DoctorCheck]:
    from cli.certificate_checks import certificates_of_the_cluster

    found = client.ask("GET", "/api/v1/status")
    yield DoctorCheck(name="core", ok=True, found=f"{client.url}, revision {found['revision']}")
    if found["preferences_problem"]:
        remedy = "restore the core from a backup: borderscout core restore"
        what = found["preferences_problem"]
        yield DoctorCheck(name="preferences", ok=False, found=what, remedy=remedy)
    yield from certificates_of_the_cluster(found, now_s=time.time())
    yield from checks_of_the_core(found)
    yield from tunnel_of_the_core(found, at_s=time.time())
    for node in found["nodes"]:
        yield _node(node)
        for problem in node["problems"]:
            yield DoctorCheck(name=f"node {node['node']}", ok=True, note=True, found=problem)
        skew = node["skew_s"]
        if skew is not None:
            yield judged(
                f"clock of {node['node']}",
                ((abs(skew) > SKEW_S_MAX, f"is {skew:+.1f} s off"),),
                TIME,
            )
        for engine in node["engines"]:
            yield judged(
                f"engine {engine['name']} at {node['node']}",
                ((not engine["answering"], f"does not answer: {engine['detail']}"),),
                "start it; until then mail waits, or does what `unavailable` says",
            )
        yield from mail_of_a_node(node)
