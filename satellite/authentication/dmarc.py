"""Does somebody answer for the author's domain, as DMARC says, and what if nobody does?

Pure: an evaluator that asks DNS (``asking``). Which domains belong together is found by walking up
the tree (no list of public suffixes), at most eight questions a domain. What DNS fails to say is
``temperror``, and never ``fail``.

Source: RFC 9989 sections 4.4 (alignment), 4.10 (tree walk) and 5.3.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.frozen import dataclass
from satellite.authentication.asking import Asking, RecordKind, ask
from satellite.authentication.author import Author
from satellite.authentication.dkim import passing_domains
from satellite.authentication.dmarc_record import DmarcRecord, dmarc_record
from satellite.authentication.results import AuthResult, DkimOutcome, DmarcOutcome, SpfOutcome
from satellite.names.answer import LookupResult

LABELS_ASKED_MAX = 7  # of names above the first one: what has more labels is cut down to so many


class NotSaid(Exception):
    """DNS did not say what was asked."""


@dataclass(frozen=True, slots=True)
class PlacedRecord:
    """A record, and where it is.

    Args:
        domain: the name without ``_dmarc``.
        record: what it says.
    """

    domain: str
    record: DmarcRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersWord:
    """What is known of the owner of an author's domain.

    Args:
        organization: the domain to which others are compared.
        found: the record that holds; None: there is none.
        policy: what it asks for this very domain; ``none`` where there is no record.
        has_failed: DNS did not say.
    """

    organization: str
    found: PlacedRecord | None = None
    policy: str = "none"
    has_failed: bool = False


def tree_walk(domain: str) -> Asking[list[PlacedRecord]]:
    """Return the records of a domain and of those above it, as far as the walk goes.

    Raises:
        NotSaid: DNS failed.
    """
    found: list[PlacedRecord] = []
    for name in _names_up(domain):
        heard = yield from _asked(f"_dmarc.{name}")
        record = dmarc_record(heard)
        if record is None:
            continue
        found.append(PlacedRecord(name, record))
        is_end = record.is_public_suffix is True and name != domain
        if record.is_public_suffix is False or is_end:
            break
    return found


def _names_up(domain: str) -> list[str]:
    labels = domain.split(".")
    first = max(1, len(labels) - LABELS_ASKED_MAX)
    above = (labels[start:] for start in range(first, len(labels)))
    return [domain, *(".".join(each) for each in above)]


def _asked(name: str) -> Asking[tuple[str, ...]]:
    heard = yield from ask(name, RecordKind.TXT)
    if heard.has_failed:
        raise NotSaid(name)
    return heard.records


def organizational_domain(domain: str, found: Sequence[PlacedRecord]) -> str:
    """Return the organizational domain that a walk has found."""
    for one in found:
        if one.record.is_public_suffix is False:
            return one.domain
        if one.record.is_public_suffix and one.domain != domain:
            labels = domain.split(".")
            return ".".join(labels[-one.domain.count(".") - 2 :])
    return found[-1].domain if found else domain


def owners_word(author: Author) -> Asking[OwnersWord]:
    """Return what the owner of an author's domain asks for; never an exception."""
    domain = author.domain
    if not domain:
        return OwnersWord(organization="")
    try:
        found = yield from tree_walk(domain)
        organization = organizational_domain(domain, found)
        holding = _holding(domain, organization, found)
        if holding is None:
            return OwnersWord(organization=organization)
        policy = yield from _policy(domain, holding)
    except NotSaid:
        return OwnersWord(organization=domain, has_failed=True)
    return OwnersWord(organization=organization, found=holding, policy=policy)


def _holding(domain: str, organization: str, found: Sequence[PlacedRecord]) -> PlacedRecord | None:
    """Return the record that holds: the domain's own, its organization's, or a public suffix's."""
    by_domain = {one.domain: one for one in found}
    suffixes = [one for one in found if one.record.is_public_suffix]
    return by_domain.get(domain) or by_domain.get(organization) or next(iter(suffixes), None)


def _policy(domain: str, holding: PlacedRecord) -> Asking[str]:
    record = holding.record
    if holding.domain == domain:
        return record.policy
    below = record.subdomain_policy or record.policy
    if not record.missing_policy or record.missing_policy == below:
        return below
    return record.missing_policy if (yield from _is_missing(domain)) else below


def _is_missing(domain: str) -> Asking[bool]:
    """Say whether a domain has nothing that mail could come from or go to (section 3.2.13)."""
    for kind in (RecordKind.MX, RecordKind.A, RecordKind.AAAA):
        heard = yield from ask(domain, kind)
        if heard.has_failed:
            raise NotSaid(domain)
        if heard.found is LookupResult.RECORDS:
            return False
    return True


def dmarc_outcome(
    author: Author, word: OwnersWord, *, spf: SpfOutcome, dkim: Sequence[DkimOutcome]
) -> Asking[DmarcOutcome]:
    """Return what DMARC comes to.

    Args:
        author: whose domain it is about.
        word: what its owner asks for.
        spf, dkim: what else was found.
    """
    if not author.domain:
        return DmarcOutcome(result=AuthResult.PERMERROR, reason=author.reason)
    if word.has_failed:
        reason = "DNS does not say what the author's domain asks for"
        return DmarcOutcome(result=AuthResult.TEMPERROR, domain=author.domain, reason=reason)
    if word.found is None:
        return DmarcOutcome(result=AuthResult.NONE, domain=author.domain)
    result, reason = yield from _result(author, word, spf, dkim)
    return DmarcOutcome(
        result=result,
        domain=author.domain,
        policy_domain=word.found.domain,
        policy=word.policy,
        is_testing=word.found.record.is_testing,
        reason=reason,
    )


def _result(
    author: Author, word: OwnersWord, spf: SpfOutcome, dkim: Sequence[DkimOutcome]
) -> Asking[tuple[AuthResult, str]]:
    assert word.found is not None
    record = word.found.record
    proofs = [(domain, record.dkim_is_strict) for domain in passing_domains(dkim)]
    unheard = [
        (one.domain, record.dkim_is_strict) for one in dkim if one.result is AuthResult.TEMPERROR
    ]
    if spf.result is AuthResult.PASS:
        proofs.append((spf.domain, record.spf_is_strict))
    elif spf.result is AuthResult.TEMPERROR:
        unheard.append((spf.domain, record.spf_is_strict))
    # Else a forger would only have to name a domain of his own whose name servers are silent.
    is_open = any(
        _may_align(one, author.domain, word.organization, strict) for one, strict in unheard
    )
    for domain, is_strict in proofs:
        try:
            if (yield from _is_aligned(domain, author.domain, word.organization, is_strict)):
                return AuthResult.PASS, ""
        except NotSaid:
            is_open = True
    if is_open:  # what was not heard might have answered for it
        return AuthResult.TEMPERROR, "DNS does not say whether somebody answers for it"
    return AuthResult.FAIL, "nobody answers for the author's domain"


def _may_align(domain: str, author: str, organization: str, is_strict: bool) -> bool:
    if domain == author:
        return True
    return not is_strict and (domain == organization or domain.endswith("." + organization))


def _is_aligned(domain: str, author: str, organization: str, is_strict: bool) -> Asking[bool]:
    if domain == author:
        return True
    if not _may_align(domain, author, organization, is_strict):
        return False
    found = yield from tree_walk(domain)
    return organizational_domain(domain, found) == organization
