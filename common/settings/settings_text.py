"""How are settings written as the text of their file?

Pure. One writer for all who write ``satellite.yaml``: who renders it, and a node that was told
other settings over its link. So it is the same file, octet for octet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from yaml.cyaml import CSafeDumper

from common.settings.values import Settings
from common.settings.yaml_tree import meaning


class _Writer(CSafeDumper):
    """Writes what our programs read, and what a reader of YAML 1.1 does not mistake either."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Write out what stands twice: people read it."""
        return True

    def text(self, text: str) -> yaml.ScalarNode:
        """Quote what would else be a number, a truth or nothing; the library knows 1.1 alone."""
        style = None if isinstance(meaning(text), str) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _Writer.text)


def tree_of(settings: Settings) -> dict[str, Any]:
    """Return what a file says that gives these settings; what nobody said is left out."""
    return settings.model_dump(mode="json", exclude_unset=True)


def yaml_text(tree: Mapping[str, Any]) -> str:
    """Return the file that says this."""
    # A folded line is harder to read than a long one.
    text = yaml.dump(tree, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=1_000_000)
    return f"# Rendered from the inventory; changes here are lost.\n{text}"
