"""How is what became of the corpus told in the docs?

Touches the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.spam_corpus.examined import DOCUMENTS, Kind
from tests.support.spam_corpus.ham import ham
from tests.support.spam_corpus.letters import CorpusLetter
from tests.support.spam_corpus.spam import spam

PAGE = Path(__file__).parents[3] / "docs" / "spam-corpus.md"
LEARNED = Path(__file__).with_name("learned.md")  # what was measured last; `--learning` measures
WRITE = "python -m tests.support.spam_corpus"
FILTERS = ("zen", "urls", "authentication", "attachments", "bulk", "backscatter", "bomb", "gtube")
NAMES = {"content.gtube": "gtube"}

_HEAD = """\
# What the filters make of a corpus

How much spam do the filters find with the default policy, how much honest mail do they take for
spam, and what does each of them add alone? {letters} letters were written for this, {ham}
honest and {spam} spam, each class for a way in which honest mail looks like spam, or spam like
honest mail; DNS is their own. The filters are the documents that [filters.md](filters.md) says
to type: `zen` and `urls` (DNS lists), `authentication`, `attachments`, `bulk` (checksums),
`backscatter` and `bomb` (volume). No engine was asked, nor another program.

**Honest mail that was marked or kept back: {wrong} of {ham}. Spam that was: {caught} of {spam}
({share} %).**

Below, *caught* is not delivered as if nothing were: marked, quarantined or dropped. In a
filter's column stands for how much of the class it alone found anything against, points too few
to mark included. What is caught of many alike begins where the limit is passed: the first
{limit} copies, bounces or subscriptions are delivered. A letter whose words alone give it away
is caught by none of these: there Cloudmark, rspamd and SpamAssassin have their place, and rules
of your own.

This page is written by `{write}`, and a test compares.
"""


def letters() -> list[CorpusLetter]:
    """Return the corpus, honest mail first."""
    return [*ham(), *spam()]


def text(kinds: Mapping[str, Kind]) -> str:
    """Return the page.

    Args:
        kinds: what became of each class.
    """
    ham_kinds = [kind for kind in kinds.values() if not kind.is_spam]
    spam_kinds = [kind for kind in kinds.values() if kind.is_spam]
    caught = sum(kind.caught for kind in spam_kinds)
    count = sum(kind.letters for kind in spam_kinds)
    head = _HEAD.format(
        letters=sum(kind.letters for kind in kinds.values()),
        ham=sum(kind.letters for kind in ham_kinds),
        spam=count,
        wrong=sum(kind.caught for kind in ham_kinds),
        caught=caught,
        share=round(100 * caught / count),
        limit="20 or 30",
        write=WRITE,
    )
    of_spam, of_ham = (_table(kinds, is_spam=is_spam) for is_spam in (True, False))
    learned = LEARNED.read_text(encoding="utf-8")
    return "\n".join(
        [head, "## Spam", "", *of_spam, "", "## Honest mail", "", *of_ham, "", learned]
    )


def _table(kinds: Mapping[str, Kind], *, is_spam: bool) -> list[str]:
    lines = [
        f"| class | letters | caught | {' | '.join(FILTERS)} |",
        f"| --- | --- | --- |{' --- |' * len(FILTERS)}",
    ]
    for name, kind in kinds.items():
        if kind.is_spam is is_spam:
            found = {NAMES.get(by, by): number for by, number in kind.by.items()}
            cells = [_share(found.get(each, 0), kind.letters) for each in FILTERS]
            lines.append(f"| {name} | {kind.letters} | {kind.caught} | {' | '.join(cells)} |")
    return lines


def _share(number: int, of: int) -> str:
    return f"{round(100 * number / of)} %" if number else ""


assert set(FILTERS) - {"gtube"} <= set(DOCUMENTS)
