"""Which processes does the demonstration consist of, and how are they started and ended?

Touches processes, files and loopback. They are the very programs that run in a cluster, started
from the folders that ``inventory render --loopback`` writes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cli.demonstration import mail
from cli.demonstration.customer import Mailbox, serve
from common.errors import EnvironmentFailure
from inventory.load import load_inventory
from inventory.render.folder import render_folder

READY_S = 45.0
END_S = 25.0
POLL_S = 0.1
LAST_WORDS_BYTES = 2_000  # of a log; a traceback ends with what was wrong


@dataclass(slots=True)
class DemoProcess:
    """One process."""

    name: str
    command: list[str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def end(self, *, gently: bool = True) -> None:
        """Stop it; SIGKILL when it must be rough, or when it does not listen."""
        if self.process is None or self.process.returncode is not None:
            return
        if gently:
            self.process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), END_S)
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def last_words(self) -> str:
        """Return the end of its log: without --keep the file is gone when somebody would look."""
        said = self.log.read_bytes()[-LAST_WORDS_BYTES:].decode("utf-8", "replace").split("\n")
        last = next((line for line in reversed(said) if line.strip()), "")
        whole = "see all of its log with: borderscout demo --keep DIR"
        return f"it said last: {last}; {whole}" if last else f"it said nothing; {whole}"

    def check(self) -> None:
        """Raise when it has died by itself."""
        if self.process is not None and self.process.returncode is not None:
            raise EnvironmentFailure(
                f"{self.name} ended with status {self.process.returncode}", hint=self.last_words()
            )


@dataclass(slots=True)
class DemoCluster:
    """A core, three satellites and the customers' mail server."""

    folder: Path
    mailbox: Mailbox = field(default_factory=Mailbox)
    endpoints: dict[str, Any] = field(default_factory=dict)
    players: dict[str, DemoProcess] = field(default_factory=dict)
    _customer: asyncio.Server | None = None
    _http: httpx.AsyncClient | None = None

    async def start(self, told: Callable[[str], None]) -> None:
        """Render the inventory and start everything.

        Raises:
            EnvironmentFailure: something does not get ready.
        """
        port = free_port()
        self._customer = await serve(self.mailbox, port)
        file = self.folder / "inventory.yaml"
        file.write_text(json.dumps(mail.inventory(f"127.0.0.1:{port}"), indent=2))
        told("rendering the inventory: certificates, settings, WireGuard")
        self.endpoints = await asyncio.to_thread(
            lambda: render_folder(
                load_inventory(file),
                self.folder / "cluster",
                loopback=True,
                now_us=time.time_ns() // 1000,
            )
        )
        told("starting the core")
        self._add("core", "core", self.endpoints["core"]["config"])
        await self.players["core"].start()
        await self.ready("core", self.url)
        token = await asyncio.to_thread(self.token_file.read_text)
        self._http = httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {token.strip()}"}, timeout=30
        )
        told("starting three satellites")
        for name, satellite in self.endpoints["satellites"].items():
            self._add(name, "satellite", satellite["config"])
            await self.players[name].start()
        for name in self.satellites:
            await self.ready(name, self.metrics_url(name))

    def _add(self, name: str, what: str, config: str) -> None:
        path = self.folder / "cluster" / config
        command = [sys.executable, "-m", "cli", what, "serve", "--config", str(path)]
        self.players[name] = DemoProcess(name, command, self.folder / f"{name}.log")

    @property
    def url(self) -> str:
        return str(self.endpoints["core"]["url"])

    @property
    def token_file(self) -> Path:
        return Path(self.folder / "cluster", self.endpoints["core"]["token_file"])

    @property
    def satellites(self) -> list[str]:
        return list(self.endpoints["satellites"])

    def smtp(self, name: str) -> tuple[str, int]:
        """Return where a satellite takes mail."""
        host, _, port = self.endpoints["satellites"][name]["smtp"].rpartition(":")
        return host, int(port)

    def metrics_url(self, name: str) -> str:
        return str(self.endpoints["satellites"][name]["metrics"]).removesuffix("/metrics")

    async def ready(self, name: str, url: str) -> None:
        """Return when a process says that it is ready.

        Raises:
            EnvironmentFailure: it does not within ``READY_S``, or has ended.
        """

        async def is_ready() -> bool:
            self.players[name].check()
            async with httpx.AsyncClient(timeout=5) as client:
                with suppress(httpx.HTTPError):
                    return (await client.get(f"{url}/readyz")).status_code == 200
            return False

        if not await until(is_ready, READY_S):
            raise EnvironmentFailure(
                f"{name} is not ready after {READY_S:.0f} s", hint=self.players[name].last_words()
            )

    async def ask(
        self, method: str, path: str, *, query: dict[str, Any] | None = None, body: Any = None
    ) -> Any:
        """Return the core's answer.

        Raises:
            EnvironmentFailure: it gave an error.
        """
        assert self._http is not None
        answer = await self._http.request(method, path, params=query, json=body)
        if answer.is_error:
            raise EnvironmentFailure(
                f"{method} {path}: HTTP {answer.status_code} {answer.text[:300]}"
            )
        return answer.json()

    async def end(self) -> None:
        """Stop everything, satellites first."""
        ending = [player.end() for name, player in self.players.items() if name != "core"]
        await asyncio.gather(*ending)
        if "core" in self.players:
            await self.players["core"].end()
        if self._http is not None:
            await self._http.aclose()
        if self._customer is not None:
            self._customer.close()


async def until(holds: Any, deadline_s: float) -> bool:
    """Return whether an asynchronous condition comes to hold before the deadline."""
    end_s = time.monotonic() + deadline_s
    while not await holds():
        if time.monotonic() > end_s:
            return False
        await asyncio.sleep(POLL_S)
    return True


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
