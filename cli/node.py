"""How does a command ask the satellite on this machine?

Touches the node's control socket. It works without the core.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import fail

Config = Annotated[Path, typer.Option("--config", help="The node's satellite.yaml.")]


def ask(config: Path, question: dict[str, Any]) -> dict[str, Any]:
    """Return each shard's answer, or end the command when one has none."""
    shards = ask_patiently(config, question)
    for shard, found in shards.items():
        if found is None:
            fail(f"shard {shard} does not answer; it may be starting")
    return shards


def ask_patiently(config: Path, question: dict[str, Any]) -> dict[str, Any]:
    """Return each shard's answer, None from one that has none now."""
    from satellite.console.control_socket import ask as asked
    from satellite.settings import load_settings

    answer = asyncio.run(asked(Path(load_settings(config).state), question))
    if "error" in answer:
        fail(f"{answer['error']}; see borderscout spool --help")
    shards: dict[str, Any] = answer["shards"]
    for shard, found in shards.items():
        if found is not None and "error" in found:
            fail(f"shard {shard}: {found['error']}; see borderscout spool --help")
    return shards
