"""How does each product that speaks ICAP want to be asked, and where does it say what it found?

Pure, and nearly all of it is a table. What is not known of a product is not in its row: the rows
after the first were never tried against the product itself, they are what its documentation and
other programs' adapters say.

Source: RFC 3507; draft-stecher-icap-subid-00 for the fields that tell of threats; rspamd's
lualib/lua_scanners/icap.lua; ESET's and Trend Micro's administration guides.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from common.frozen import dataclass
from common.verdict import Outcome


class FieldReading(StrEnum):
    """How the value of a field that tells of a threat is read."""

    INFECTION = "Type=0; Resolution=2; Threat=NAME;"
    VIOLATIONS = "a count, then lines in fours: file, name, problem, resolution"
    NAMES = "names, apart by commas; or «no threats»"
    CATEGORY = "that there is one, in the operator's language: never a name"
    SCAN_RESULT = "«clean», or anything else"
    REASON = "why it was blocked: there is a reason, so it was"
    DECISION = "«Blocked», or a word that does not matter"


# The order in which they are asked; the first that found something gives the names.
_USUAL: Mapping[str, FieldReading] = {
    "x-infection-found": FieldReading.INFECTION,
    "x-violations-found": FieldReading.VIOLATIONS,
    "x-virus-name": FieldReading.NAMES,
    "x-virus-id": FieldReading.NAMES,
    "x-fsecure-infection-name": FieldReading.NAMES,
    "x-fsecure-scan-result": FieldReading.SCAN_RESULT,
    "x-mwg-block-reason": FieldReading.REASON,
    "x-blocked": FieldReading.REASON,
    "x-block-reason": FieldReading.REASON,
    "x-response-info": FieldReading.DECISION,
}
NO_THREATS = frozenset({"no threats"})
BLOCKED = frozenset({"blocked"})
CLEAN_RESULT = "clean"
# What Type=2 is: nothing was found, and something could not be looked into.
CONTAINER_TYPE = 2
CONTAINER_WORDS = (("encrypt", Outcome.ENCRYPTED), ("password", Outcome.ENCRYPTED))
# What says in words why it did what it did; never decides.
EXPLAINING = ("x-response-desc", "x-response-description", "x-response-info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is particular to a product.

    Args:
        service: path of its service.
        fields: beside the usual ones in each RESPMOD.
        tells_client: whether it is told who sent the message (X-Client-IP).
        readings: how each field that tells of a threat is read, in the order of asking.
        redirect_is_block: whether a redirection (HTTP 3xx) means that it blocked the message.
        hints: what an operator may do about an ICAP status.
    """

    service: str
    fields: tuple[tuple[str, str], ...] = ()
    tells_client: bool = False
    readings: Mapping[str, FieldReading]
    redirect_is_block: bool = False
    hints: Mapping[int, str]


_HINTS: Mapping[int, str] = {404: "check options.service", 405: "check options.service"}

PROFILES: Mapping[str, Profile] = {
    "generic": Profile(service="avscan", readings=_USUAL, hints=_HINTS),
    # X-Virus-ID says «Trojaner» or «Testdatei». 405: since EFS 7.2 it refuses some programs by
    # their User-Agent, rspamd's among them.
    "eset": Profile(
        service="scan",
        readings={**_USUAL, "x-virus-id": FieldReading.CATEGORY},
        hints={**_HINTS, 405: "turn on remote scanning, and ask ESET whether mail is covered"},
    ),
    # Both name a threat only when told to: X-Virus-ID and X-Infection-Found are to be turned on.
    # X-TE: Trailers is not sent: with it an answer begins before the scan has ended.
    "trend-iwsva": Profile(service="avscan", tells_client=True, readings=_USUAL, hints=_HINTS),
    "trend-webgateway": Profile(
        service="interscan", tells_client=True, readings=_USUAL, hints=_HINTS
    ),
    "squidclamav": Profile(
        service="squidclamav", readings=_USUAL, redirect_is_block=True, hints=_HINTS
    ),
}

# What an ICAP status other than 200 and 204 means (RFC 3507 section 4.3.3 and products' own). What
# is not here is an error, too.
REFUSALS: Mapping[int, tuple[Outcome, str]] = {
    400: (Outcome.ERROR, "it takes our request for a wrong one"),
    403: (Outcome.ERROR, "it refuses us"),
    404: (Outcome.ERROR, "wrong service: there is none of that name"),
    405: (Outcome.ERROR, "wrong service: it does not allow the method there"),
    408: (Outcome.ERROR, "it waited in vain for the message"),
    418: (Outcome.ERROR, "it takes our request for one that is badly put together"),
    500: (Outcome.ERROR, "it failed"),
    501: (Outcome.ERROR, "wrong service: it does not know the method"),
    502: (Outcome.ERROR, "what it asks failed"),
    503: (Outcome.UNAVAILABLE, "it is overloaded"),
    505: (Outcome.ERROR, "it speaks another version of ICAP"),
    539: (Outcome.ERROR, "no licence"),
}
