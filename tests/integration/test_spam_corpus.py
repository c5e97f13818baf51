"""No honest mail of the corpus is taken for spam, and the docs say what is caught."""

from __future__ import annotations

from tests.support.spam_corpus import page
from tests.support.spam_corpus.examined import examined

CAUGHT_MIN = 0.7  # of all spam of the corpus


async def test_no_honest_mail_is_taken_for_spam_and_the_page_says_what_is_caught() -> None:
    kinds = await examined(page.letters())

    wrong = {name: kind.wrong for name, kind in kinds.items() if not kind.is_spam and kind.caught}
    assert wrong == {}
    spam = [kind for kind in kinds.values() if kind.is_spam]
    assert sum(kind.caught for kind in spam) >= CAUGHT_MIN * sum(kind.letters for kind in spam)
    assert page.text(kinds) == page.PAGE.read_text(), (
        f"write docs/spam-corpus.md anew: {page.WRITE}"
    )
