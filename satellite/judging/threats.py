"""Which threats that engines named are none, since the operators said so of their names?

Pure. Such a threat is no finding. What was said of it stands as a test in the record and in the
header, with the points of ``spam`` or with none; of several the heaviest alone counts, so that
three engines that know one phishing page do not make three of it. The verdicts stay as the engines
gave them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from common.frozen import dataclass
from common.preferences.threats import NamedThreats
from common.verdict import Outcome, Test, Verdict

SAID_BY = "threats"  # stands where a filter's name stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Spared:
    """The threats of one message that are none.

    Args:
        threats: engine and name of each.
        said: what the operators said of them, as a filter would; at most one verdict.
    """

    threats: frozenset[tuple[str, str]] = frozenset()
    said: tuple[Verdict, ...] = ()


NOTHING_SPARED = Spared()


def spared(verdicts: Sequence[Verdict], named: NamedThreats, *, now_us: int) -> Spared:
    """Return what is no virus in the verdicts of the engines.

    Args:
        verdicts: on one message.
        named: what the operators say of threats.
        now_us: the time, microseconds since the epoch, UTC.
    """
    if named.is_empty:
        return NOTHING_SPARED
    found = list(_found(verdicts, named, now_us))
    if not found:
        return NOTHING_SPARED
    heaviest = max((test for _, test in found), key=lambda test: test.score)
    return Spared(
        threats=frozenset(threat for threat, _ in found),
        said=(Verdict(by=SAID_BY, outcome=Outcome.SCORED, tests=(heaviest,)),),
    )


def _found(
    verdicts: Sequence[Verdict], named: NamedThreats, now_us: int
) -> Iterator[tuple[tuple[str, str], Test]]:
    for verdict in verdicts:
        if verdict.outcome is not Outcome.INFECTED:
            continue
        for threat in verdict.threats:
            said = named.of(verdict.by, threat, now_us=now_us)
            if said is not None:
                key, body = said
                detail = f"{verdict.by} {threat} by {key}"
                score = body.score if body.action == "spam" else 0.0
                yield (
                    (verdict.by, threat),
                    Test(name=f"THREAT_{body.action.upper()}", score=score, detail=detail),
                )
