"""How is mail sent to a gateway, and what arrives behind it?

Touches processes: ``smtpload.c`` is source and sink in one process and on one clock. It is built
when it is missing or older than its source, and never outlives its deadline.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.bench import templates
from tests.bench.loads import Load

SOURCE = Path(__file__).with_name("smtpload.c")
IDLE_S = 15.0  # without an arrival, the rest counts as missing


class GeneratorFailed(Exception):
    """The load could not be sent."""


class Generator:
    """The load generator.

    Args:
        folder: where it is built and the templates are written.
    """

    def __init__(self, folder: Path) -> None:
        self._binary = folder / "smtpload"
        self._templates = folder / "templates"
        folder.mkdir(parents=True, exist_ok=True)
        templates.write(self._templates)
        if not self._binary.exists() or self._binary.stat().st_mtime < SOURCE.stat().st_mtime:
            subprocess.run(
                ["cc", "-O2", "-pthread", str(SOURCE), "-o", str(self._binary)],
                check=True,
                timeout=120,
            )

    def command(self, load: Load, *, target: str, sink: str, messages: int) -> list[str]:
        """Return the command that sends a load.

        Args:
            load: what to send.
            target: the gateway, HOST:PORT.
            sink: where the gateway delivers to, HOST:PORT.
            messages: how many.
        """
        command = [str(self._binary), "--target", target, "--sink", sink]
        command += ["--concurrency", str(load.sessions), "--per-conn", str(load.per_session)]
        command += ["--messages", str(messages), "--rate", str(load.rate_per_s)]
        command += ["--idle-timeout", str(IDLE_S)]
        for share in templates.MIXES[load.mix]:
            kind = "infected" if share.is_infected else "clean"
            file = self._templates / f"{share.message}.eml"
            command += ["--template", f"{share.weight}:{kind}:{file}"]
        return command

    def send(
        self, load: Load, *, target: str, sink: str, messages: int, seconds_max: float
    ) -> dict[str, Any]:
        """Send a load and return what became of it, as ``smtpload`` prints it.

        Args:
            seconds_max: no message is begun later; what was begun may end.

        Raises:
            GeneratorFailed: it ended wrongly, or not at all.
        """
        command = self.command(load, target=target, sink=sink, messages=messages)
        command += ["--seconds", str(seconds_max)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=seconds_max + 120
            )
        except subprocess.TimeoutExpired as error:
            raise GeneratorFailed(f"the load did not end within {error.timeout} s") from error
        return parsed(done.returncode, done.stdout, done.stderr)


def parsed(status: int, printed: str, complaint: str) -> dict[str, Any]:
    """Return what ``smtpload`` printed.

    Raises:
        GeneratorFailed: it ended wrongly.
    """
    if status:
        raise GeneratorFailed(f"smtpload ended with {status}: {complaint.strip()[-500:]}")
    result: dict[str, Any] = json.loads(printed)
    return result
