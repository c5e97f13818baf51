"""Which YARA rules does the core push, and whose mail do their matches concern?

Pure.
"""

from __future__ import annotations

from typing import NamedTuple

CLUSTER = "cluster"  # the scope of rules that concern everybody


class PushedRules(NamedTuple):
    """The rules of one document of the kind ``yara``; a tuple, as it is told to the helper.

    Args:
        name: the document's key.
        text: of the rules.
        scope: whose mail a match concerns, as ``Scope`` writes it.
    """

    name: str
    text: str
    scope: str = CLUSTER
