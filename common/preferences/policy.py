"""Which policy keys are there, with which values and defaults, and what do they mean?

Pure. Each key is declared once, as a field of ``Policy``: its type, its default, what it may hold
and what that means. Reading a value, refusing one and the page ``docs/policy.md`` come from there.
Source: docs/filters.md, *What is done*.

Long because each key is declared in one place, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from common.preferences.forms import Form, KeyChoice, Number, PolicyValue, Text
from common.preferences.risky_types import ALL_TYPES, RiskyTypes, RiskyTypesForm
from common.preferences.virus_rule import ANY, VirusRule, VirusRuleForm

SUBJECT_TAG_LENGTH_MAX = 64  # characters; more would hide the subject
ZERO_HOUR_MINUTES_MAX = 1440.0  # a sender is told of a delay after hours; a longer one is a loss


class Action(StrEnum):
    """What a policy can ask for. ``mark`` is to deliver with the marks on."""

    DELIVER = "deliver"
    MARK = "mark"
    QUARANTINE = "quarantine"
    DROP = "drop"
    REJECT = "reject"
    WAIT = "wait"


class TlsPolicy(StrEnum):
    """How mail travels to the customer's server."""

    OPPORTUNISTIC = "opportunistic"  # encrypted when offered, else in the clear
    REQUIRED = "required"  # never in the clear; who answers is not verified
    VERIFIED = "verified"  # and the certificate is valid for the host that was asked for
    AUTO = "auto"  # as the receiving domain publishes: DANE, MTA-STS; else opportunistic


class EightBit(StrEnum):
    """What becomes of 8-bit content when the next hop lacks 8BITMIME."""

    SEND = "send"  # as it is: converting would break signatures
    REFUSE = "refuse"  # 5.6.3 to the sender


class DsnLanguage(StrEnum):
    """In which language a sender is told what became of a message."""

    ENGLISH = "en"
    GERMAN = "de"
    FRENCH = "fr"
    SPANISH = "es"


class DsnPolicy(StrEnum):
    """What senders may ask to be told of, in NOTIFY and RET."""

    OFFER = "offer"  # all that RFC 3461 has
    FAILURE_ONLY = "failure-only"  # nothing of success, and no more than the header back


class Unverified(StrEnum):
    """What becomes of mail for a recipient of whom the customer's server says nothing now."""

    ACCEPT = "accept"
    DEFER = "defer"  # 450: the sender comes again


class Greylisting(StrEnum):
    """Whether senders that nobody knows have to come again."""

    OFF = "off"
    ON = "on"  # 451 once, for those that were not seen before


class LearningPolicy(StrEnum):
    """Whether filters learn from what a customer says of mail."""

    OFF = "off"
    ON = "on"  # for him alone: what is learned of one customer's mail counts for no other's


class ScanMoment(StrEnum):
    """When a message is scanned."""

    AFTER = "after"  # it is accepted: the sender never waits for an engine
    BEFORE = "before"  # it is answered, as far as the budget goes: a threat gets 550 5.7.1


class OwnersWish(StrEnum):
    """How far a customer does what the author's domain asks for where DMARC fails."""

    IGNORE = "ignore"  # it counts as points alone
    MARK = "mark"  # whatever is asked for, mail is delivered with the marks on
    QUARANTINE = "quarantine"  # even where a rejection is asked for
    REJECT = "reject"  # just what is asked for


class CloudScan(StrEnum):
    """Whether the content of mail may leave the house to be scanned."""

    ALLOW = "allow"
    DENY = "deny"


class WhitelistProof(StrEnum):
    """What it takes for a white list entry about a sender to count."""

    REQUIRED = "required"  # SPF, DKIM or DMARC say that the mail is that sender's
    ENVELOPE = "envelope"  # the sender that the envelope names, which anybody may write


_FINDING = KeyChoice((Action.DELIVER, Action.MARK, Action.QUARANTINE, Action.DROP, Action.REJECT))
_STALE = KeyChoice((Action.DELIVER, Action.MARK, Action.QUARANTINE, Action.WAIT))
_SILENCE = KeyChoice((Action.WAIT, Action.QUARANTINE, Action.MARK))
_OPTIONAL_SILENCE = KeyChoice(_SILENCE.choices, is_optional=True)
_SCORE = Number(-1e4, 1e4, "points")
_OPTIONAL_SCORE = Number(-1e4, 1e4, "points", is_optional=True)


@dataclass(frozen=True, slots=True)
class _Declared:
    """What a field of ``Policy`` says of its key besides type and default."""

    form: Form
    meaning: str
    example: str
    name: str
    is_of_domain: bool


def _key(
    form: Form, meaning: str, *, example: str, name: str = "", is_of_domain: bool = False
) -> dict[str, _Declared]:
    """Return the metadata of a field that is a policy key.

    Args:
        form: what it may hold.
        meaning: in a line, for people.
        example: a value other than the default, as it is typed.
        name: where the key is not called as the field is.
        is_of_domain: it is asked for a domain as a whole, so that no recipient has one of his own.
    """
    return {"policy": _Declared(form, meaning, example, name, is_of_domain)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The policy that applies to one recipient: every key, and who set it.

    Args:
        sources: for each field that is not a default, the scope that set it.
    """

    score_mark: float = field(
        default=5.0,
        metadata=_key(
            _SCORE, "score from which mail is delivered with marks", example="4", name="score.mark"
        ),
    )
    score_quarantine: float = field(
        default=10.0,
        metadata=_key(
            _SCORE, "score from which mail is quarantined", example="8", name="score.quarantine"
        ),
    )
    score_drop: float | None = field(
        default=None,
        metadata=_key(
            _OPTIONAL_SCORE,
            "score from which mail is dropped; none: never",
            example="25",
            name="score.drop",
        ),
    )
    score_reject: float | None = field(
        default=None,
        metadata=_key(
            _OPTIONAL_SCORE,
            "score from which mail is refused, where it is scanned before the answer; else it is"
            " quarantined; none: never",
            example="20",
            name="score.reject",
        ),
    )
    virus: Action = field(
        default=Action.QUARANTINE,
        metadata=_key(_FINDING, "an engine named a threat", example="drop"),
    )
    virus_rule: VirusRule = field(
        default=ANY,
        metadata=_key(
            VirusRuleForm(),
            "whose word makes a threat: any engine's, the majority's, or that of some by name",
            example="engines:clamav,nod32",
            name="virus.rule",
        ),
    )
    virus_outvoted: Action = field(
        default=Action.MARK,
        metadata=_key(
            _FINDING,
            "an engine named a threat, and by `virus.rule` it is none",
            example="quarantine",
            name="virus.outvoted",
        ),
    )
    encrypted: Action = field(
        default=Action.MARK,
        metadata=_key(_FINDING, "a part could not be opened", example="quarantine"),
    )
    macro: Action = field(
        default=Action.MARK,
        metadata=_key(_FINDING, "a document holds macros", example="quarantine"),
    )
    unscannable: Action = field(
        default=Action.QUARANTINE,
        metadata=_key(_FINDING, "the scan could not be complete", example="mark"),
    )
    archive_unreadable: Action = field(
        default=Action.QUARANTINE,
        metadata=_key(
            _FINDING,
            "an archive of a kind that no engine could open",
            example="mark",
            name="archive.unreadable",
        ),
    )
    unavailable: Action = field(
        default=Action.WAIT,
        metadata=_key(_SILENCE, "an engine that must answer does not", example="quarantine"),
    )
    unavailable_error: Action | None = field(
        default=None,
        metadata=_key(
            _OPTIONAL_SILENCE,
            "an engine that must answer says that it failed; none: as `unavailable`",
            example="quarantine",
            name="unavailable.error",
        ),
    )
    unavailable_timeout: Action | None = field(
        default=None,
        metadata=_key(
            _OPTIONAL_SILENCE,
            "an engine that must answer is not done in its time; none: as `unavailable`",
            example="quarantine",
            name="unavailable.timeout",
        ),
    )
    stale: Action = field(
        default=Action.DELIVER,
        metadata=_key(
            _STALE,
            "an engine that must answer, or all that read the mail, had stale definitions",
            example="mark",
        ),
    )
    engine_cloud: CloudScan = field(
        default=CloudScan.DENY,
        metadata=_key(
            KeyChoice(tuple(CloudScan)),
            "whether engines in somebody's cloud are shown the mail; all its recipients must allow",
            example="allow",
            name="engine.cloud",
        ),
    )
    blacklist: Action = field(
        default=Action.QUARANTINE,
        metadata=_key(_FINDING, "a black list entry matches", example="reject"),
    )
    whitelist_proof: WhitelistProof = field(
        default=WhitelistProof.REQUIRED,
        metadata=_key(
            KeyChoice(tuple(WhitelistProof)),
            "what a white entry about a sender needs; `required`: that SPF, DKIM or DMARC agree",
            example="envelope",
            name="whitelist.proof",
        ),
    )
    dmarc: OwnersWish = field(
        default=OwnersWish.MARK,
        metadata=_key(
            KeyChoice(tuple(OwnersWish)),
            "how far is done what the author's domain asks for where DMARC fails",
            example="reject",
        ),
    )
    dnsbl_reject: float | None = field(
        default=None,
        metadata=_key(
            Number(0.1, 1e4, "points", is_optional=True),
            "points of the DNS lists that are asked at RCPT from which a client is refused there;"
            " the cluster's before the greeting too, by lists with `at: connect`; none: never",
            example="8",
            name="dnsbl.reject",
        ),
    )
    subject_tag: str = field(
        default="",
        metadata=_key(
            Text(SUBJECT_TAG_LENGTH_MAX),
            "put before the subject of marked mail; empty: none",
            example="[SPAM]",
        ),
    )
    tls: TlsPolicy = field(
        default=TlsPolicy.OPPORTUNISTIC,
        metadata=_key(
            KeyChoice(tuple(TlsPolicy)),
            "how mail leaves for a domain; `auto`: as it publishes (DANE, MTA-STS)",
            example="required",
            is_of_domain=True,
        ),
    )
    eight_bit: EightBit = field(
        default=EightBit.SEND,
        metadata=_key(
            KeyChoice(tuple(EightBit)),
            "8-bit mail for a host without 8BITMIME",
            example="refuse",
            is_of_domain=True,
        ),
    )
    dsn: DsnPolicy = field(
        default=DsnPolicy.FAILURE_ONLY,
        metadata=_key(
            KeyChoice(tuple(DsnPolicy)),
            "what strangers may ask to be told: all, or failure alone, with the header",
            example="offer",
        ),
    )
    unverified: Unverified = field(
        default=Unverified.ACCEPT,
        metadata=_key(
            KeyChoice(tuple(Unverified)),
            "where recipients are probed, mail for one whose server says nothing now",
            example="defer",
        ),
    )
    greylisting: Greylisting = field(
        default=Greylisting.OFF,
        metadata=_key(
            KeyChoice(tuple(Greylisting)),
            "`on`: a sender that nobody knows is told to come again (451), once",
            example="on",
        ),
    )
    greylisting_wait_s: float = field(
        default=300.0,
        metadata=_key(
            Number(1.0, 14_400.0, "seconds"),
            "seconds after which such a sender may come again",
            example="60",
        ),
    )
    learning: LearningPolicy = field(
        default=LearningPolicy.OFF,
        metadata=_key(
            KeyChoice(tuple(LearningPolicy)),
            "`on`: filters that can learn do so from releases and from what is reported",
            example="on",
            is_of_domain=True,
        ),
    )
    notice_hours: float | None = field(
        default=None,
        metadata=_key(
            Number(0.1, 720.0, "hours", is_optional=True),
            "hours after which a sender is told of a delay; none: never",
            example="4",
            is_of_domain=True,
        ),
    )
    dsn_language: DsnLanguage = field(
        default=DsnLanguage.ENGLISH,
        metadata=_key(
            KeyChoice(tuple(DsnLanguage)),
            "the language of what a sender is told of mail that failed or is late",
            example="de",
            name="dsn.language",
        ),
    )
    drain_rate: float | None = field(
        default=None,
        metadata=_key(
            Number(0.1, 100_000.0, "messages per second", is_optional=True),
            "messages per second and shard to a server that is back; none: as fast as it takes",
            example="10",
            is_of_domain=True,
        ),
    )
    scan: ScanMoment = field(
        default=ScanMoment.AFTER,
        metadata=_key(
            KeyChoice(tuple(ScanMoment)), "scan before or after the answer", example="before"
        ),
    )
    scan_budget_s: float = field(
        default=20.0,
        metadata=_key(
            Number(0.1, 120.0, "seconds"),
            "seconds that a sender waits for a scan before its answer",
            example="10",
        ),
    )
    zero_hour: float | None = field(
        default=None,
        metadata=_key(
            Number(1.0, ZERO_HOUR_MINUTES_MAX, "minutes", is_optional=True),
            "minutes for which mail of risky types is kept, then scanned again; none: it is not",
            example="30",
        ),
    )
    zero_hour_types: RiskyTypes = field(
        default=ALL_TYPES,
        metadata=_key(
            RiskyTypesForm(),
            "the risky types that `zero_hour` is about",
            example="program,script,shortcut",
            name="zero_hour.types",
        ),
    )
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKey:
    """One key, as ``Policy`` declares it.

    Args:
        name: as it is typed and stands in a document.
        attribute: the field of ``Policy`` that holds it.
        default: what holds where no scope says anything.
        form: what it may hold.
        meaning: in a line, for people.
        example: a value other than the default, as it is typed.
        is_of_domain: it is asked for a domain as a whole, so that no recipient has one of his own.
    """

    name: str
    attribute: str
    default: PolicyValue
    form: Form
    meaning: str
    example: str
    is_of_domain: bool

    def parse(self, value: object) -> PolicyValue:
        """Return a value of JSON as the policy holds it, or raise ValueError."""
        return self.form.parse(self.name, value)

    def read(self, text: str) -> float | str | None:
        """Return what somebody typed as a value of JSON, or raise ValueError."""
        return self.form.read(self.name, text)

    def value_in(self, policy: Policy) -> PolicyValue:
        """Return what a policy says."""
        value: PolicyValue = getattr(policy, self.attribute)
        return value

    def source_in(self, policy: Policy) -> str:
        """Return which scope said it, or ``default``."""
        return policy.sources.get(self.attribute, "default")


def _declared_keys() -> Iterable[PolicyKey]:
    for each in fields(Policy):
        declared: _Declared | None = each.metadata.get("policy")
        if declared is not None:
            yield PolicyKey(
                name=declared.name or each.name,
                attribute=each.name,
                default=getattr(DEFAULT_POLICY, each.name),
                form=declared.form,
                meaning=declared.meaning,
                example=declared.example,
                is_of_domain=declared.is_of_domain,
            )


DEFAULT_POLICY = Policy()
POLICY_KEYS: Mapping[str, PolicyKey] = {key.name: key for key in _declared_keys()}


def policy_key(name: str) -> PolicyKey:
    """Return the key of a name.

    Raises:
        ValueError: there is no such key; says which there are.
    """
    known = POLICY_KEYS.get(name)
    if known is None:
        raise ValueError(f"{name!r} is no policy key; there are {', '.join(POLICY_KEYS)}")
    return known


def parse_policy(body: Mapping[str, object]) -> Mapping[str, PolicyValue]:
    """Return what a scope's document sets, by the fields of ``Policy``.

    Raises:
        ValueError: a key is unknown or a value is not one of its own; says what would be.
    """
    keys = ((policy_key(name), value) for name, value in body.items())
    return {key.attribute: key.parse(value) for key, value in keys}


def resolve_policy(layers: Iterable[tuple[str, Mapping[str, PolicyValue]]]) -> Policy:
    """Return the policy made of what each scope sets, the widest scope first."""
    values: dict[str, PolicyValue] = {}
    sources: dict[str, str] = {}
    for scope, settings in layers:
        values.update(settings)
        sources.update(dict.fromkeys(settings, scope))
    # Each value was read by the form of its own field.
    return Policy(**values, sources=sources) if values else DEFAULT_POLICY  # type: ignore[arg-type]
