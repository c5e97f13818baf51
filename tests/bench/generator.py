"""How is mail sent to a gateway, and what arrives behind it?

Touches processes: ``smtpload.c`` is source and sink in one process and on one clock. It is built
when it is missing or older than its source, and never outlives its deadline.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.bench import signed_mail, templates
from tests.bench.loads import SIGNED, Load
from tests.bench.peers import name_server

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
        self._folder = folder
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

    def command(self, load: Load, *, target: str, sink: str) -> list[str]:
        """Return the command that sends a load, without how much of it.

        Args:
            load: what to send.
            target: the gateway, HOST:PORT.
            sink: where the gateway delivers to, HOST:PORT.
        """
        command = [str(self._binary), "--target", target, "--sink", sink]
        command += ["--concurrency", str(load.sessions), "--per-conn", str(load.per_session)]
        command += ["--rate", str(load.rate_per_s)]
        if load.source_net:
            command += ["--source-net", load.source_net]
        for share in templates.MIXES[load.mix]:
            kind = "infected" if share.is_infected else "clean"
            for weight, message in self._messages(load, share):
                command += ["--template", f"{weight:g}:{kind}:{message}"]
        return command

    def _messages(self, load: Load, share: templates.Share) -> Iterator[tuple[float, str]]:
        """Yield weight and file, perhaps with its sender, of each message of a share."""
        if load.mix != SIGNED.mix:
            yield share.weight, str(self._templates / f"{share.message}.eml")
            return
        signed = signed_mail.ready(self._folder / name_server.SIGNED_FOLDER)
        alike = [one for one in signed if one.kind == share.message]
        for one in alike:
            yield share.weight / len(alike), f"{one.file}:{one.sender}"

    def send(
        self, load: Load, *, target: str, sink: str, messages: int, seconds_max: float
    ) -> dict[str, Any]:
        """Send a load and return what became of it, as ``smtpload`` prints it.

        Args:
            seconds_max: no message is begun later; what was begun may end.

        Raises:
            GeneratorFailed: it ended wrongly, or not at all.
        """
        command = self.command(load, target=target, sink=sink)
        command += ["--messages", str(messages), "--seconds", str(seconds_max)]
        command += ["--idle-timeout", str(IDLE_S)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=seconds_max + 120
            )
        except subprocess.TimeoutExpired as error:
            raise GeneratorFailed(f"the load did not end within {error.timeout} s") from error
        return parsed(done.returncode, done.stdout, done.stderr)

    def begin(self, command: Sequence[str]) -> Sending:
        """Start sending, and return at once.

        Args:
            command: from ``command``, with further options.
        """
        return Sending(command)


class Sending:
    """A load that is being sent; a context manager that ends it."""

    def __init__(self, command: Sequence[str]) -> None:
        self.progress: dict[str, Any] = {}
        self._told: list[str] = []
        self._news = threading.Condition()
        self._is_over = False  # nothing more will be said
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, name="progress", daemon=True)
        self._reader.start()

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def start_sink(self) -> None:
        """Let a sink that waits take mail from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def wait_for(self, key: str, *, deadline_s: float) -> Any:
        """Return what the progress says about ``key``, once it says something.

        Raises:
            GeneratorFailed: it does not in time, or has ended before.
        """
        with self._news:
            told = self._news.wait_for(lambda: key in self.progress or self._is_over, deadline_s)
        if not told or key not in self.progress:
            raise GeneratorFailed(f"no word of {key}: {self.progress} {''.join(self._told)}")
        return self.progress[key]

    def wait(self, *, deadline_s: float) -> dict[str, Any]:
        """Return what became of the load, when it has ended.

        Raises:
            GeneratorFailed: it ended wrongly, or not in time.
        """
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired as error:
            raise GeneratorFailed(f"the load did not end: {self.progress}") from error
        return self.result()

    def result(self) -> dict[str, Any]:
        """Return what became of the load, once it has ended.

        Raises:
            GeneratorFailed: it ended wrongly, or not yet.
        """
        if self._process.poll() is None:
            raise GeneratorFailed("the load has not ended")
        self._reader.join()
        assert self._process.stdout is not None
        return parsed(self._process.returncode, self._process.stdout.read(), "".join(self._told))

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                if line.startswith("{"):
                    self.progress |= json.loads(line)
                else:
                    self._told.append(line)
                self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()


def parsed(status: int, printed: str, complaint: str) -> dict[str, Any]:
    """Return what ``smtpload`` printed.

    Raises:
        GeneratorFailed: it ended wrongly.
    """
    if status:
        raise GeneratorFailed(f"smtpload ended with {status}: {complaint.strip()[-500:]}")
    result: dict[str, Any] = json.loads(printed)
    return result
