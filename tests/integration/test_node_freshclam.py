"""Does a node's freshclam, as it is rendered, fetch from the core by the node's own certificate?

A real freshclam, the core's real door, and a rendered cluster: settings, certificates and the
environment of the unit are those that a node gets. Official databases are signed by ClamAV's makers
alone: what comes whole here is a database of others, and of the official ones it is seen who is
asked.
"""

from __future__ import annotations

import asyncio
import getpass
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from common.definitions import Manifest
from common.rpc import TlsFiles
from common.settings.core import CoreDefinitionsSettings
from core.definitions.door import Door, Visitors
from core.definitions.programs import BoundedProgram
from core.definitions.sets import DefinitionsSource, SetFolder, StoredSet
from core.fleet.roster import Roster
from core.settings import load_settings
from inventory.load import load_inventory
from inventory.render.folder import render_folder
from inventory.render.node_freshclam import (
    FRESHCLAM_FILE,
    FRESHCLAM_KEYS_UNIT,
    FRESHCLAM_TIMER,
    FRESHCLAM_UNIT,
    freshclam_text,
    freshclam_units,
)

SERIAL = 20260101000000
HDB = b"44d88612fea8a8f36de82e1278abb02f:68:Eicar\n"
FILES = {FRESHCLAM_FILE, FRESHCLAM_KEYS_UNIT, FRESHCLAM_TIMER, FRESHCLAM_UNIT}
INVENTORY = """\
cluster: {name: example, mail_domain: mx.scout.example, vpn: 10.77.0.0/16}
core:
  name: core
  public: 192.0.2.1
  vpn_address: 10.77.0.1
  settings:
    definitions: {freshclam: {custom_urls: ["https://feed.example/own/local.hdb"]}}
engines: [{name: clamav, kind: clamd, address: "unix:/run/clamav/clamd.ctl"}]
sites:
  - name: london
    location: [51.5072, -0.1276]
    nodes: [{name: lon1, public: 192.0.2.10, vpn_address: 10.77.1.1}]
customers:
  - name: acme
    domains: [{name: acme.example, deliver_to: ["mail.acme.example:25"], location: [52.37, 4.89]}]
"""
needs_freshclam = pytest.mark.skipif(
    shutil.which("freshclam") is None, reason="freshclam is not installed"
)


class OneSet:
    """One set, which is in use."""

    def __init__(self, folder: Path) -> None:
        self._folder = SetFolder(folder / "sets")
        self._folder.open()
        path = folder / "local.hdb"
        path.write_bytes(HDB)
        source = DefinitionsSource(name=path.name, path=path, is_custom=True)
        files = self._folder.stage([source], like=None)
        manifest = Manifest(
            family="clamav", serial=SERIAL, made_us=7_000_000, version="v", files=files
        )
        self.current: StoredSet | None = self._folder.keep(manifest)

    async def stored_set(self, serial: int) -> StoredSet:
        return self._folder.stored(serial)


@pytest.fixture
def rendered(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that renders the inventory with some text replaced."""

    def render(*replacements: tuple[str, str], loopback: bool = False) -> Path:
        text = INVENTORY
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        file, out = tmp_path / "inventory.yaml", tmp_path / "out"
        file.write_text(text)
        now_us = time.time_ns() // 1000
        render_folder(load_inventory(file), out, loopback=loopback, now_us=now_us)
        return out

    return render


def given(out: Path) -> set[str]:
    return {path.name for path in (out / "lon1").iterdir()} & FILES


@pytest.mark.parametrize(
    ("change", "has"),
    [
        (("clamd, address", "clamd, address"), True),
        (("unix:/run/clamav/clamd.ctl", "127.0.0.1:3310"), True),
        (("unix:/run/clamav/clamd.ctl", "192.0.2.50:3310"), False),
        (('clamd, address: "unix:/run/clamav/clamd.ctl"', "yara"), False),
        (
            ("vpn_address: 10.77.1.1", "vpn_address: 10.77.1.1, settings: {definitions:"
             " [{engine: clamav, folder: /var/lib/clamav}]}"),
            False,
        ),
        (('{freshclam: {custom_urls: ["https://feed.example/own/local.hdb"]}}', "{}"), False),
    ],
)  # fmt: skip
def test_only_a_clamd_that_nobody_else_updates_has_a_freshclam(
    rendered: Callable[..., Path], change: tuple[str, str], has: bool
) -> None:
    out = rendered(change)

    assert given(out) == (FILES if has else set())
    assert (FRESHCLAM_TIMER in (out / "lon1" / "install.sh").read_text()) is has


@needs_freshclam
def test_clamconf_takes_every_line(rendered: Callable[..., Path], tmp_path: Path) -> None:
    tool = shutil.which("clamconf")
    if tool is None:
        pytest.skip("clamconf is not installed")
    shutil.copy(rendered() / "lon1" / FRESHCLAM_FILE, tmp_path / "freshclam.conf")

    done = subprocess.run(
        [tool, "--config-dir", tmp_path], capture_output=True, text=True, check=False, timeout=60
    )

    said = done.stdout.partition("Config file: freshclam.conf")[2].partition("Config file:")[0]
    assert "ERROR" not in said, done.stdout
    assert 'PrivateMirror = "https://10.77.0.1:7444"' in said, done.stdout
    assert 'DatabaseCustomURL = "https://10.77.0.1:7444/local.hdb"' in said, done.stdout
    assert "ScriptedUpdates disabled" in said, done.stdout


@needs_freshclam
def test_once_the_core_runs_elsewhere_it_is_asked_there(
    rendered: Callable[..., Path],
) -> None:
    out = rendered(
        (
            "  settings:\n",
            "  standbys: [{name: core2, public: 192.0.2.2, vpn_address: 10.77.0.2}]\n  settings:\n",
        )
    )

    lines = (out / "lon1" / FRESHCLAM_FILE).read_text().splitlines()
    assert [line for line in lines if line.startswith("PrivateMirror")] == [
        "PrivateMirror https://10.77.0.1:7444",
        "PrivateMirror https://10.77.0.2:7444",
    ]


@needs_freshclam
@pytest.mark.parametrize("official", [True, False])
async def test_a_node_fetches_from_the_core_what_the_core_has(
    rendered: Callable[..., Path], tmp_path: Path, official: bool
) -> None:
    out = rendered(loopback=True)
    settings = load_settings(out / "core" / "core.yaml")
    tls = settings.tls
    door = Door(
        ("127.0.0.1", 0),
        tls=TlsFiles(
            certificate=Path(tls.certificate), key=Path(tls.key), authority=Path(tls.authority)
        ),
        visitors=Visitors(cluster="example", roster=Roster(settings.nodes)),
        sets=OneSet(tmp_path),
    )
    await door.start()
    tree = settings.definitions.model_dump(mode="json")
    tree["listen"] = f"127.0.0.1:{door.port}"
    tree["freshclam"]["official"] = official
    folder = tmp_path / "database"
    folder.mkdir()
    text = freshclam_text(
        CoreDefinitionsSettings.model_validate(tree), folder=str(folder), user=getpass.getuser()
    )
    config = tmp_path / "own.conf"
    # No clamd runs here that could be told.
    config.write_text(re.sub(r"(?m)^(NotifyClamd|MaxAttempts) .*\n", "", text) + "MaxAttempts 1\n")
    # As the unit says, with the node's folder where the service manager puts its files.
    unit = freshclam_units()[FRESHCLAM_UNIT]
    told = dict(re.findall(r"(?m)^Environment=(\w+)=%t/borderscout-freshclam/(.+)$", unit))
    environment = {name: str(out / "lon1" / "tls" / file) for name, file in told.items()}
    program = BoundedProgram(
        [str(shutil.which("freshclam")), f"--config-file={config}", "--foreground", "--stdout"],
        memory_bytes=4 << 30,
        cpu_s=60,
        environment=environment,
    )

    await program.start()
    async with asyncio.timeout(120):
        status = await program.ended()
    await door.stop()

    assert len(environment) == 3
    if official:
        assert f"https://127.0.0.1:{door.port}/daily.cvd" in program.printed, program.printed
    else:
        assert status == 0, program.printed
        assert (folder / "local.hdb").read_bytes() == HDB
