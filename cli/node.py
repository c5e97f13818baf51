"""How does a command ask the satellite on this machine?

Touches the node's control socket. It works without the core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.output import fail

if TYPE_CHECKING:
    from satellite.node.question import Question

AnswerT = TypeVar("AnswerT")

Config = Annotated[Path, typer.Option("--config", help="The node's satellite.yaml.")]


def ask(config: Path, question: Question[AnswerT]) -> Mapping[int, AnswerT]:
    """Return each shard's answer, or end the command when one has none."""
    answers = {}
    for shard, found in ask_patiently(config, question).items():
        if found is None:
            fail(f"shard {shard} does not answer; it may be starting")
        answers[shard] = found
    return answers


def ask_patiently(config: Path, question: Question[AnswerT]) -> Mapping[int, AnswerT | None]:
    """Return each shard's answer, None from one that does not answer now.

    Raises:
        SettingsError: the settings are wrong.
        EnvironmentFailure: the node does not run, or has no answer.
    """
    return ask_at(state_folder(config), question)


@cache
def state_folder(config: Path) -> Path:
    """Return a node's state folder, which is its own as long as it runs."""
    from satellite.settings import load_settings

    return Path(load_settings(config).state)


def ask_at(state: Path, question: Question[AnswerT]) -> Mapping[int, AnswerT | None]:
    """Return the same of the node of a state folder.

    Raises:
        EnvironmentFailure: the node does not run, or has no answer.
    """
    from satellite.console import control_socket

    return asyncio.run(control_socket.ask(state, question))
