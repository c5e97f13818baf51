"""Which nodes are silent, and what is therefore not known?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text

from cli.output import console, plain, span


def print_silent(nodes: Iterable[Mapping[str, Any]], unknown: str) -> None:
    """Print a line for each silent node.

    Args:
        nodes: as the core tells of them: with ``node``, ``site`` and ``heard_s_ago``.
        unknown: what the core cannot know of them, such as ``what it holds now``.
    """
    for node in nodes:
        heard = node["heard_s_ago"]
        since = "was never heard" if heard is None else f"was last heard {span(heard)} ago"
        line = f"{node['node']} ({node['site']}) {since}: {unknown} is not known here"
        console.print(Text(plain(line), style="yellow"))
