"""How is the lab's core asked, and how does it get what the inventory says?

Touches the core's machine: its API, and the very commands that are typed there for a real cluster.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import EnvironmentFailure
from common.settings.values import endpoint
from inventory.addressing import HTTP_PORT
from inventory.lab.entering import get_page
from inventory.lab.lab_commands import run_in
from inventory.lab.least_core import UPDATE_KEY_FILE
from inventory.lab.programs import DNS_PORT, PYTHON
from inventory.lab.topology import CLUSTER, DNS_DOMAIN
from inventory.model import CORE_FOLDER
from inventory.render.systemd import SETTINGS_FOLDER

_TOKEN_S = 600  # for which a token is good: it is used at once
_LEFT = 1  # exit status: done, but for somebody who is not there


@dataclass(frozen=True, slots=True)
class LabCore:
    """The core of the lab.

    Args:
        holder: the process that holds its machine's namespaces.
        address: where it is asked.
        folder: the lab's.
    """

    holder: int
    address: str
    folder: Path

    def status(self) -> Any:
        """Return what it says of its nodes.

        Raises:
            OSError: it does not answer.
        """
        return self._ask("/api/v1/status")

    def members(self) -> set[str]:
        """Return the nodes that have joined it.

        Raises:
            OSError: it does not answer.
        """
        found = self._ask("/api/v1/members")["members"]
        return {one["node"] for one in found if not one["revoked"]}

    def join_token(self, node: str) -> str:
        """Return a new token, with which a node joins once.

        Raises:
            OSError: it does not answer, or refuses.
        """
        asked = {"node": node, "for_s": _TOKEN_S, "again": True}
        return str(self._ask("/api/v1/join-tokens", asked)["token"])

    async def apply(
        self, file: Path, *, keep_others: bool = False, is_forced: bool = False
    ) -> dict[str, Any]:
        """Publish what an inventory says, and let the nodes take their settings.

        Args:
            keep_others: take nothing away that the inventory has no more.
            is_forced: also where much would go away.

        Returns:
            what ``inventory apply --json`` says. A node that is not there is no failure.

        Raises:
            EnvironmentFailure: it could not be done, or a node has not taken its settings.
        """
        command = ["inventory", "apply", str(file), "--yes", "--json"]
        command += [*["--keep-others"] * keep_others, *["--force"] * is_forced]
        status, said, wrong = await self._run(command)
        if status not in (0, _LEFT) or not said.startswith("{"):
            raise EnvironmentFailure(f"core: inventory apply: {_last(wrong)}")
        found: dict[str, Any] = json.loads(said)
        for node, why in found["settings"]["failed"].items():
            raise EnvironmentFailure(f"{node} did not take its settings: {why}")
        return found

    async def apply_zone(self, file: Path, *, is_forced: bool = False) -> int:
        """Bring our zone to what an inventory says, by updates; return how many sets changed.

        Args:
            is_forced: also where much would go away.

        Raises:
            EnvironmentFailure: the name server did not take them.
        """
        server, key = f"ns.{DNS_DOMAIN}:{DNS_PORT}", f"{SETTINGS_FOLDER}/{UPDATE_KEY_FILE}"
        command = ["mx", "apply", str(file), "--server", server, "--tsig-file", key, "--json"]
        status, said, wrong = await self._run([*command, *["--force"] * is_forced])
        if status:
            raise EnvironmentFailure(f"core: mx apply: {_last(wrong)}")
        return len(json.loads(said)["changes"])

    async def _run(self, words: list[str]) -> tuple[int, str, str]:
        """Type a command of ours in its machine; return the status, and what it says where."""
        url = f"http://{endpoint(self.address, HTTP_PORT)}"
        access = {"BORDERSCOUT_URL": url, "BORDERSCOUT_TOKEN": self._token()}
        return await run_in(self.holder, [*PYTHON, "cli", *words], extra=access)

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token()}"}
        status, said = get_page(
            self.holder, self.address, HTTP_PORT, path, headers=headers, body=body
        )
        if status != 200:
            raise OSError(f"the core says {status}")
        return json.loads(said)

    def _token(self) -> str:
        file = self.folder / CLUSTER / CORE_FOLDER / "token"
        return file.read_text(encoding="utf-8").strip()


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it failed, and said nothing"
