"""Does somebody answer for the sender: SPF, DKIM, DMARC and ARC?

Touches what is found out of the message (``Inside``), which asks DNS. It is off until an enabled
filter document of kind ``authentication`` switches it on, since it asks DNS of every message.

What the author's domain asks for a failure is an effect of a test, to which the policy key
``dmarc`` applies. What DNS fails to say is named, and counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import field_validator

from common.address import AddressError, parse_domain
from common.errors import SettingsError
from common.kinds import NoOptions, Options, options_of, takes
from common.preferences import Preferences
from common.settings.satellite import FilterSettings
from common.verdict import Effect, Outcome, Test, Verdict, printable
from satellite.authentication.results import (
    Authenticity,
    AuthResult,
    DkimOutcome,
    DmarcOutcome,
)
from satellite.authentication.trust import vouching_sealer
from satellite.filtering.filter import Filter, FilterContext, Mail
from satellite.filtering.inside import NoInside
from satellite.filtering.listing import is_public

KIND = "authentication"

POINTS = {
    "SPF_FAIL": 1.5,
    "SPF_SOFTFAIL": 0.5,
    "SPF_PERMERROR": 0.2,
    "DKIM_PASS": -0.1,
    "DKIM_FAIL": 0.3,
    "DMARC_PASS": -0.2,
    "DMARC_FAIL": 0.5,
    "DMARC_FAIL_QUARANTINE": 1.5,
    "DMARC_FAIL_REJECT": 2.5,
    "DMARC_NO_AUTHOR": 1.0,
}
_WEAKER = {"reject": "quarantine", "quarantine": "none", "none": "none"}
_EFFECTS = {"reject": Effect.ASK_REJECT, "quarantine": Effect.ASK_QUARANTINE}


class AuthenticationOptions(Options):
    """What the document may say in its ``options``."""

    trusted_sealers: str = ""
    """Domains, separated by commas: forwarders whose ARC chain is believed where DMARC fails."""
    private_clients: bool = False
    """Whether mail of clients in private networks is looked at, which nobody publishes."""

    @field_validator("trusted_sealers")
    @classmethod
    def _domains(cls, text: str) -> str:
        try:
            return ",".join(parse_domain(name.strip()) for name in text.split(",") if name.strip())
        except AddressError as error:
            raise ValueError(error.what) from None


class SenderAuthentication:
    """Sender authentication of each message, where a document asks for it."""

    def __init__(self) -> None:
        self.name = KIND
        self._preferences: Preferences | None = None  # those that the next three are of
        self._options: AuthenticationOptions | None = None  # None: it is off
        self._trusted: frozenset[str] = frozenset()
        self._complaint = ""

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict with a test for each method."""
        at_once = self.examine_at_once(mail)
        if at_once is not None:
            return at_once
        trusted = self._trusted
        try:
            found = await mail.inside.authentication()
        except NoInside as error:
            return (_without(Outcome.UNAVAILABLE, error.what),)
        return (_verdict(found, trusted),)

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Return what can be said without asking: that it is off, or not for this client."""
        if self._preferences is not mail.preferences:
            self._read(mail.preferences)
        if self._complaint:
            return (_without(Outcome.ERROR, self._complaint),)
        if self._options is None:
            return ()
        if not self._options.private_clients and not is_public(mail.envelope.client_address):
            return (_without(Outcome.SKIPPED, "the client is not public"),)
        return None

    def of_all(self, preferences: Preferences) -> tuple[Verdict, ...] | None:
        """Return nothing, where there is no document."""
        return None if preferences.filters(KIND) else ()

    async def close(self) -> None:
        """Nothing is held open."""

    def _read(self, preferences: Preferences) -> None:
        """Take in what the first document says that is right."""
        self._preferences, self._options, self._complaint = preferences, None, ""
        for name, body in preferences.filters(KIND).items():
            try:
                self._options = options_of(body, AuthenticationOptions)
            except SettingsError as error:
                self._complaint = self._complaint or f"{name}: {'; '.join(error.complaints)}"
                continue
            self._complaint = ""
            self._trusted = frozenset(self._options.trusted_sealers.split(","))
            return


def _without(outcome: Outcome, detail: str) -> Verdict:
    return Verdict(by=KIND, outcome=outcome, detail=printable(detail))


def _verdict(found: Authenticity, trusted: frozenset[str]) -> Verdict:
    tests = tuple(_tests(found, trusted))
    if found.spf.result is found.dmarc.result is AuthResult.TEMPERROR:
        # Nobody knows anything: it is seen as such, and counts nothing.
        named = tuple(Test(name=test.name, detail=test.detail) for test in tests)
        detail = "DNS does not say who answers for the sender"
        return Verdict(by=KIND, outcome=Outcome.UNAVAILABLE, detail=detail, tests=named)
    return Verdict(by=KIND, outcome=Outcome.SCORED, tests=tests)


def _tests(found: Authenticity, trusted: frozenset[str]) -> Iterator[Test]:
    spf = found.spf
    yield _test(f"SPF_{spf.result.upper()}", spf.domain, spf.reason)
    yield _of_dkim(found.dkim)
    vouching = ""
    if found.dmarc.result is AuthResult.FAIL:
        vouching = vouching_sealer(found.arc, trusted)
    if vouching:
        yield _test("ARC_TRUSTED", ", ".join(found.arc.sealers), "saw it pass")
    elif found.arc.result is not AuthResult.NONE:
        yield _test(f"ARC_{found.arc.result.upper()}", ", ".join(found.arc.sealers), "")
    yield _of_dmarc(found.dmarc, is_vouched_for=bool(vouching))


def _of_dkim(found: tuple[DkimOutcome, ...]) -> Test:
    """Return the best that became of the signatures: one that passes is enough."""
    for result in (AuthResult.PASS, AuthResult.TEMPERROR, AuthResult.POLICY, AuthResult.FAIL):
        for one in found:
            if one.result is result:
                return _test(f"DKIM_{result.upper()}", one.domain, one.reason)
    if not found:
        return _test("DKIM_NONE", "", "")
    return _test(f"DKIM_{found[0].result.upper()}", found[0].domain, found[0].reason)


def _of_dmarc(dmarc: DmarcOutcome, *, is_vouched_for: bool) -> Test:
    if not dmarc.domain and dmarc.result is AuthResult.PERMERROR:
        return _test("DMARC_NO_AUTHOR", "", dmarc.reason)
    if dmarc.result is not AuthResult.FAIL:
        return _test(f"DMARC_{dmarc.result.upper()}", dmarc.domain, dmarc.reason)
    if is_vouched_for:
        return Test(name="DMARC_FAIL", detail=_said(dmarc.domain, "a trusted forwarder vouches"))
    asked = _WEAKER[dmarc.policy] if dmarc.is_testing else dmarc.policy
    name = "DMARC_FAIL" if asked == "none" else f"DMARC_FAIL_{asked.upper()}"
    return Test(
        name=name,
        score=POINTS[name],
        detail=_said(dmarc.domain, f"{dmarc.reason}; {dmarc.policy_domain} asks for {asked}"),
        effect=_EFFECTS.get(asked, Effect.SCORE),
    )


def _test(name: str, whose: str, reason: str) -> Test:
    return Test(name=name, score=POINTS.get(name, 0.0), detail=_said(whose, reason))


def _said(whose: str, reason: str) -> str:
    return printable(": ".join(filter(None, (whose, reason))))


@takes(NoOptions, of_document=AuthenticationOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; it is the same everywhere."""
    return SenderAuthentication()
