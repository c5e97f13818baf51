"""Which pages are drawn from the code, and are they as the code says?

Touches the pages. ``python -m docs.generate`` writes them anew; ``--check`` writes nothing, names
those that differ and ends with 1. A page is a module beside this one: ``PAGE`` is its file below
``docs/``, and ``text()`` returns all that stands in it.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

from docs import generate

DOCS = Path(__file__).parents[1]


def pages() -> dict[Path, str]:
    """Return the text of every page that is drawn, by its file."""
    names = sorted(found.name for found in pkgutil.iter_modules(generate.__path__))
    modules = [
        importlib.import_module(f"docs.generate.{name}") for name in names if name != "__main__"
    ]
    return {DOCS / module.PAGE: module.text() for module in modules}


def main(arguments: list[str]) -> int:
    """Write the pages, or say with ``--check`` which of them are not what the code says."""
    stale = {
        path: text
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    if "--check" in arguments:
        for path in stale:
            print(f"docs/{path.relative_to(DOCS)} is not what the code says; run: make docs")
        return int(bool(stale))
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote docs/{path.relative_to(DOCS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
