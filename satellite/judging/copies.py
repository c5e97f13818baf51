"""What does each recipient's copy of one message look like?

Pure. Each copy that differs is rendered once, for however many recipients: it is as long as the
header section when that has to be written anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.preferences import Policy
from common.verdict import Verdict
from satellite.authentication.results import Authenticity
from satellite.authentication.results_field import result_words
from satellite.headers import HeaderBlock, KeptHeader, render
from satellite.judging.disposition import Disposed, Scoring
from satellite.spool.model.messages import Copy, Stored


class RenderedCopies:
    """The copies of one message.

    Args:
        block: its header section.
        stored: the message.
        node: our name.
        mail_domain: our authserv-id, an A-label.
        revision: of the preferences that judge it.
        scanned_us: when engines gave their verdicts, microseconds since the epoch.
        authenticity: who answers for the message; None: nobody has asked.
    """

    def __init__(
        self,
        block: HeaderBlock,
        stored: Stored,
        *,
        node: str,
        mail_domain: str,
        revision: int,
        scanned_us: int,
        authenticity: Authenticity | None,
    ) -> None:
        self._kept = KeptHeader(block, mail_domain=mail_domain)
        self._stored = stored
        self._node = node
        self._revision = revision
        self._scanned_us = scanned_us
        self._results = result_words(authenticity) if authenticity is not None else ()
        self._known: dict[tuple[object, ...], Copy] = {}
        # Whose identity is a key: they must live as long.
        self._kept_alive: list[tuple[Scoring, Sequence[Verdict]]] = []

    def of(
        self, disposed: Disposed, scoring: Scoring, policy: Policy, verdicts: Sequence[Verdict]
    ) -> Copy:
        """Return what one recipient's copy looks like.

        Args:
            disposed: what is done for the recipient now, not to wait.
            scoring: its points; recipients with none of their own share one object.
            policy: its policy.
            verdicts: of the engines, as they are for it; those who have the same share one object.
        """
        settled = disposed.settled
        assert settled is not None
        subject_tag = policy.subject_tag if disposed.marked else ""
        key = (
            settled,
            disposed.score,
            disposed.required,
            disposed.spam,
            id(scoring.tests),
            id(verdicts),
            subject_tag,
        )
        known = self._known.get(key)
        if known is not None:
            return known
        self._kept_alive.append((scoring, verdicts))
        made = self._known[key] = render(
            self._kept,
            trace=self._stored.trace,
            id=self._stored.id,
            node=self._node,
            revision=self._revision,
            disposition_word=settled,
            verdicts=verdicts,
            scanned_us=self._scanned_us,
            score=disposed.score,
            required=disposed.required,
            tests=scoring.tests,
            spam=disposed.spam,
            subject_tag=subject_tag,
            results=self._results,
        )
        return made
