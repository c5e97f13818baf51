"""Which processes does the demonstration consist of, and how are they started and ended?

Touches processes, files and loopback. They are the very programs that run in a cluster, started
from the folders that ``inventory render --loopback`` writes.
"""

from __future__ import annotations

import asyncio
import json
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
from cli.demonstration.engines import DemoEngines
from cli.demonstration.process import DemoProcess, free_port, until
from common.errors import EnvironmentFailure
from inventory.load import load_inventory
from inventory.render.folder import render_folder

READY_S = 45.0


@dataclass(slots=True)
class DemoCluster:
    """A core, three satellites, their engines and the customers' mail server."""

    folder: Path
    engines: DemoEngines = field(init=False)
    mailbox: Mailbox = field(default_factory=Mailbox)
    endpoints: dict[str, Any] = field(default_factory=dict)
    players: dict[str, DemoProcess] = field(default_factory=dict)
    _customer: asyncio.Server | None = None
    _http: httpx.AsyncClient | None = None

    def __post_init__(self) -> None:
        self.engines = DemoEngines(self.folder / "engines")

    async def start(self, told: Callable[[str], None]) -> None:
        """Render the inventory and start everything.

        Raises:
            EnvironmentFailure: something does not get ready.
        """
        told("starting the engines")
        await self.engines.start(told)
        port = free_port()
        self._customer = await serve(self.mailbox, port)
        file = self.folder / "inventory.yaml"
        tree = mail.inventory(f"127.0.0.1:{port}", engines=self.engines.entries)
        file.write_text(json.dumps(tree, indent=2))
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
            base_url=self.url,
            headers={"Authorization": f"Bearer {token.strip()}"},
            timeout=30,
            trust_env=False,
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
            async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
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
        """Stop everything, satellites first and engines last."""
        try:
            ending = [player.end() for name, player in self.players.items() if name != "core"]
            await asyncio.gather(*ending)
            if "core" in self.players:
                await self.players["core"].end()
            if self._http is not None:
                await self._http.aclose()
            if self._customer is not None:
                self._customer.close()
        finally:
            await self.engines.end()
