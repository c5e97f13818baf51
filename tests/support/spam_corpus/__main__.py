"""How is the page of the corpus written?

``python -m tests.support.spam_corpus``. Touches the page.
"""

from __future__ import annotations

import asyncio

from tests.support.spam_corpus import page
from tests.support.spam_corpus.examined import examined

if __name__ == "__main__":
    kinds = asyncio.run(examined(page.letters()))
    page.PAGE.write_text(page.text(kinds), encoding="utf-8")
