"""Does a black or white list entry decide for a recipient?

Pure. The entries are preferences; the nearest scope decides, inside it the most specific pattern.
"""

from __future__ import annotations

from common.address import fold
from common.frozen import dataclass
from common.kinds import NoOptions, takes
from common.preferences import ListColour, ListHit
from common.settings.satellite import FilterSettings
from common.verdict import Effect, Outcome, Test, Verdict, printable
from satellite.filtering.filter import Filter, FilterContext, Mail

DETAIL_LENGTH_MAX = 400  # characters: entry and reason, a thousand of which still fit a record


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of cluster, customers, domains and recipients."""

    name: str = "lists"

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict with a test for each recipient that an entry applies to."""
        return self.examine_at_once(mail)

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...]:
        """Do the same: nothing here waits."""
        search = mail.preferences.list_search(
            sender=mail.envelope.sender,
            client_address=mail.envelope.client_address,
            now_us=mail.now_us,
        )
        # Two that fold to the same are one to the preferences.
        recipients = dict.fromkeys(map(fold, mail.envelope.recipients))
        hits = {recipient: search.hit(recipient) for recipient in recipients}
        found = set(hits.values())
        if len(found) == 1:
            # All the same, as an entry of the cluster is: said once, for all of them.
            tests = tuple(_test(hit, None) for hit in found if hit is not None)
        else:
            tests = tuple(
                _test(hit, recipient) for recipient, hit in hits.items() if hit is not None
            )
        return (Verdict(by=self.name, outcome=Outcome.SCORED, tests=tests),)

    async def close(self) -> None:
        """Nothing is held."""


def _test(hit: ListHit, recipient: str | None) -> Test:
    is_white = hit.colour is ListColour.WHITE
    detail = f"{hit}: {hit.reason}" if hit.reason else str(hit)
    return Test(
        name="LIST_WHITE" if is_white else "LIST_BLACK",
        detail=printable(detail, length_max=DETAIL_LENGTH_MAX),
        recipient=recipient,
        effect=Effect.ALLOW if is_white else Effect.BLOCK,
    )


@takes(NoOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; it is the same everywhere."""
    return Lists()
