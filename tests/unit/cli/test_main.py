"""Whatever goes wrong in a command is a line on stderr and an exit code, never a traceback."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from typer.exceptions import Abort

from cli import main
from common.errors import DiskFull, SettingsError
from tests.support.cli.shell import Shell
from tests.support.core.face import Face
from tests.support.core.rooms import document

ROOT = Path(__file__).parents[3]


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every command fail."""
    app = typer.Typer()

    @app.command()
    def _fails() -> None:
        raise error

    monkeypatch.setattr(main, "app_for", lambda typed: app)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DiskFull("no room", hint="free some space"), "borderscout: no room; free some space"),
        (
            FileNotFoundError(2, "No such file or directory", "a.yaml"),
            "borderscout: a.yaml: No such file or directory; check the file and its rights",
        ),
        (
            PermissionError(13, "Permission denied"),
            "borderscout: Permission denied; check the file and its rights",
        ),
        (SettingsError(["a.yaml:1:2: wrong; mend it"]), "a.yaml:1:2: wrong; mend it"),
        (DiskFull("\x1b[2Jhi", hint="x"), "borderscout: �[2Jhi; x"),
        (Abort(), "borderscout: aborted; nothing was done"),
    ],
)
async def test_an_error_is_one_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, error: BaseException, line: str
) -> None:
    failing(monkeypatch, error)

    assert (await shell()).check_failed() == line


async def test_every_complaint_about_settings_has_its_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, SettingsError(["a:1:1: x; y", "a:2:1: x; y"]))

    said = await shell()

    assert (said.status, said.err) == (1, "a:1:1: x; y\na:2:1: x; y\n")


async def test_a_reader_that_has_gone_is_no_traceback(core: Face) -> None:
    entries = [document("list", f"black/cluster/d{n}.example", {}) for n in range(3000)]
    await core.database.preferences.publish(entries, who="test")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "cli", "list", "show", "black"],
            cwd=ROOT,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writing)
    _, told = await asyncio.to_thread(child.communicate, timeout=60)

    assert child.returncode == 1
    assert "Traceback" not in told


def test_a_command_imports_no_other_one() -> None:
    code = "import sys; from cli.main import run; run(['track', '--help']); print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = set(said.stdout.splitlines()[-1].split())

    assert "cli.track" in imported
    others = {target.partition(":")[0] for target in {**main.COMMANDS, **main.GROUPS}.values()}
    assert imported & others == {"cli.track"}


def test_to_say_the_version_imports_no_command() -> None:
    code = "import sys; from cli.main import run; run(['--version']); print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    version, imported = said.stdout.splitlines()

    assert version.startswith("borderscout ")
    others = {target.partition(":")[0] for target in {**main.COMMANDS, **main.GROUPS}.values()}
    assert others.isdisjoint(imported.split())


def test_the_command_is_there_under_its_name() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "cli", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "borderscout" in said.stdout


def test_an_interrupt_while_a_command_is_loaded_is_no_traceback() -> None:
    code = """
import os, signal
from cli import __main__, main, running
signal.signal(signal.SIGINT, signal.default_int_handler)
main.app_for = lambda typed: INTERRUPTED
running.ended = lambda app, typed: print(signal.getsignal(signal.SIGINT).__name__)
__main__.main()
"""

    def run(found: str) -> subprocess.CompletedProcess[str]:
        said = [sys.executable, "-c", code.replace("INTERRUPTED", found)]
        return subprocess.run(said, cwd=ROOT, capture_output=True, text=True, check=False)

    loading, loaded = run("os.kill(os.getpid(), signal.SIGINT)"), run("None")

    assert (loading.returncode, loading.stderr) == (-signal.SIGINT, "")
    assert loaded.stdout == "default_int_handler\n"


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == f"borderscout {project['version']}\n"
