"""How is the page of the corpus written, and how are the tables of what is learned made anew?

``python -m tests.support.spam_corpus`` writes the page; with ``--learning [FOLDER]`` it prints what
a real rspamd and a real spamd learn of the project's corpus, and of a public one in that folder,
for ``learned.md``. Touches the page.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.support.spam_corpus import learned, page
from tests.support.spam_corpus.examined import examined


def _write_page() -> None:
    kinds = asyncio.run(examined(page.letters()))
    page.PAGE.write_text(page.text(kinds), encoding="utf-8")


def _measure_learning(folders: list[str]) -> None:
    courses = [learned.halves(page.letters())]
    courses += [learned.collections(Path(folder)) for folder in folders]
    for course in courses:
        print("\n".join(asyncio.run(learned.measured(course))), flush=True)


if __name__ == "__main__":
    if "--learning" in sys.argv[1:]:
        _measure_learning([one for one in sys.argv[1:] if one != "--learning"])
    else:
        _write_page()
