"""How does a test have a lab, and type the commands of its page?

Touches processes, namespaces and the folder that it is given; takes root and what a lab runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import shlex
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from cli.main import run
from inventory.lab.lab_report import LabReport, lab_report
from inventory.lab.standing_lab import StandingLab
from tests.support.cluster.commands import COMMAND, Said
from tests.support.our_files import ROOT

PAGE = ROOT / "docs" / "lab.md"
UP_S = 480.0


def yaml_of_the_page() -> tuple[str, str]:
    """Return the inventory that the page has whole, and the site that is put into it."""
    text = PAGE.read_text(encoding="utf-8")
    whole, site = re.findall(r"(?ms)^```yaml\n(.*?)^```$", text)
    return whole, site


def commands_of_the_page() -> list[str]:
    """Return what the page says to type, in its order."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text)
    lines = [line for kind, block in blocks if not kind for line in block.splitlines()]
    return [line for line in lines if line.startswith("borderscout ")]


class TypedLab:
    """A lab whose commands are typed in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "lab.yaml").write_text(yaml_of_the_page()[0], encoding="utf-8")

    async def start(self) -> Process:
        """Start ``lab up``; it may be ended at any time."""
        return await asyncio.create_subprocess_exec(
            COMMAND, "lab", "up", "lab.yaml", cwd=self.folder, stdout=PIPE, stderr=PIPE
        )

    async def type(self, line: str) -> Said:
        """Type a command of ours."""
        words = shlex.split(line)[1:]
        # These take long, or become another program.
        if words[:2] in (["lab", "up"], ["lab", "exec"]):
            process = await asyncio.create_subprocess_exec(
                COMMAND, *words, cwd=self.folder, stdout=PIPE, stderr=PIPE
            )
            async with asyncio.timeout(UP_S):
                out, err = await process.communicate()
            assert process.returncode is not None
            return Said(process.returncode, out.decode(), err.decode())
        return await asyncio.to_thread(self._type, words)

    def _type(self, words: list[str]) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = run(words)
        return Said(status, out.getvalue(), err.getvalue())

    async def report(self) -> LabReport:
        """Return what the lab is doing."""
        return await asyncio.to_thread(lambda: lab_report(StandingLab.find()))
