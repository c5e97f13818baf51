"""Which outcome or state do a next hop's replies mean for each recipient?

Pure. Only our own 250 to the final dot is a delivery. What the next hop refuses for good is
bounced; everything else, nonsense included, is tried again.

Source: RFC 5321 sections 4.2.1 and 4.5.3.1.10, RFC 3463, RFC 7504.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from common.envelope import Notify
from common.frozen import dataclass
from common.states import State
from satellite.delivery.decisions.notices import wants
from satellite.delivery.decisions.reply import HopReply
from satellite.delivery.decisions.schedule import Schedule
from satellite.spool.model.messages import Recipient, Settled

STATUS_EXPIRED = "4.4.7"  # RFC 3463: delivery time expired
STATUS_UNREACHABLE = "4.4.1"  # no answer from host
STATUS_NOT_LOOKED_UP = "4.4.3"  # directory server failure
STATUS_LOOP = "4.4.6"  # routing loop detected; a route may be put right
STATUS_FAULT = "4.3.0"  # other or undefined mail system status
STATUS_DELAYED = "4.0.0"  # put off, for a reason that has no code
DIAGNOSTIC_LENGTH_MAX = 600  # characters
_SECOND_US = 1_000_000


class Stage(StrEnum):
    """How far a recipient got."""

    ROUTE = "route"  # where to, and is there an address
    CONNECT = "connect"  # up to and including the greeting, EHLO and STARTTLS
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"  # the final dot has left


class Ending(StrEnum):
    """What an answer leads to."""

    DELIVERED = "delivered"
    LATER = "later"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientResult:
    """What became of one recipient.

    Args:
        stage: how far it got.
        reply: the reply that decided, or None.
        finding: without a reply: what we found ourselves.
        status: the enhanced status code of the finding; ``5.…`` makes it final.
        possibly_delivered: the final dot left and no reply came that counts.
    """

    stage: Stage
    reply: HopReply | None = None
    finding: str = ""
    status: str = ""
    possibly_delivered: bool = False

    @property
    def ending(self) -> Ending:
        """What this answer leads to."""
        if self.reply is None:
            return Ending.FAILED if self.status.startswith("5") else Ending.LATER
        if self.stage is Stage.DOT and self.reply.severity == 2:
            return Ending.DELIVERED
        return Ending.FAILED if _is_final(self.stage, self.reply) else Ending.LATER

    @property
    def text(self) -> str:
        """One line for states and records."""
        return str(self.reply) if self.reply is not None else self.finding

    @property
    def diagnostic(self) -> str:
        """The Diagnostic-Code of a DSN: its type and the text, RFC 3464 section 2.3.6."""
        kind = "smtp" if self.reply is not None else "X-BorderScout"
        return f"{kind}; {self.text}"

    @property
    def diagnostic_status(self) -> str:
        """The enhanced status code for a DSN."""
        if self.reply is None:
            return self.status or STATUS_UNREACHABLE
        if self.reply.enhanced.startswith(f"{self.reply.severity}."):
            return self.reply.enhanced
        if self.reply.code == 552 and self.stage is not Stage.RCPT:
            return "5.3.4"  # the message is too big for the system
        return f"{self.reply.severity}.0.0"


def _is_final(stage: Stage, reply: HopReply) -> bool:
    if reply.severity != 5 or stage in (Stage.ROUTE, Stage.CONNECT):
        return False  # a host that greets us with 5xx may do otherwise tomorrow: RFC 7504, 521
    if reply.enhanced.startswith("4."):
        return False  # code and enhanced code disagree: the milder one loses no mail
    if reply.code == 530:
        return False  # it wants TLS or a login: a matter between hosts, not of this message
    return not (stage is Stage.RCPT and _is_one_too_many(reply))


def said_too_many(answer: RecipientResult) -> bool:
    """Say whether a recipient was one too many for a transaction that took others."""
    reply = answer.reply
    if answer.stage is not Stage.RCPT or reply is None:
        return False
    return reply.code == 452 or _is_one_too_many(reply)


def _is_one_too_many(reply: HopReply) -> bool:
    """Say whether a reply to RCPT is of too many recipients, in whichever way that is said.

    552 is the old way (RFC 5321 section 4.5.3.1.10), 451 4.5.3 OpenSMTPD's, 550 5.5.3 Exchange's.
    """
    return reply.enhanced.endswith(".5.3") or (reply.code == 552 and not reply.enhanced)


def for_another_host(answers: Sequence[RecipientResult]) -> tuple[int, ...]:
    """Return the places of recipients that another host of the destination may take now.

    Put off, or given up before the dot: RFC 5321 section 5.1 wants two hosts tried at least. Never
    one that may be delivered, nor one too many for a host that took others.
    """
    endings = [answer.ending for answer in answers]
    if Ending.LATER not in endings:  # most mail
        return ()
    others_went = Ending.DELIVERED in endings
    return tuple(
        number
        for number, answer in enumerate(answers)
        if endings[number] is Ending.LATER
        and not answer.possibly_delivered
        and not (others_went and said_too_many(answer))
    )


class DsnAction(StrEnum):
    """What a DSN says was done with mail for a recipient: RFC 3464 section 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"  # to a server that gives no notice of delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of the mail for one recipient, as a DSN tells of it.

    Args:
        recipient: as it was before.
        action: what was done.
        status: the enhanced status code.
        diagnostic: a Diagnostic-Code, its type and text; empty: none.
        remote_host: the name or IP address of the next hop; empty: none was talked to.
        retry_until_us: of what is delayed: the wall clock at which we expect to give up.
    """

    recipient: Recipient
    action: DsnAction = DsnAction.FAILED
    status: str
    diagnostic: str = ""
    remote_host: str = ""
    retry_until_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What beside the answers decides how recipients go on."""

    now_us: int
    schedule: Schedule
    spread: float
    host: str  # the next hop that was talked to; empty: none
    remote_host: str = ""  # its name or IP address alone
    relays_dsn: bool = False  # it offers DSN, so what the sender wants to hear is its affair
    is_away: bool  # no host of the destination can be talked to
    next_probe_us: int  # when an away destination is asked again
    is_expired: bool  # the message's days are over


@dataclass(frozen=True, slots=True)
class Settlement:
    """What goes into the spool, and what the sender is told."""

    results: tuple[Settled, ...]
    fates: tuple[Fate, ...]  # of which a sender may want to hear
    possibly_delivered: tuple[str, ...]  # addresses


def settle(
    recipients: Sequence[Recipient], answers: Sequence[RecipientResult], at: Circumstances
) -> Settlement:
    """Return how the recipients of one transaction go on, in their order."""
    assert len(recipients) == len(answers)
    endings = [answer.ending for answer in answers]
    others_went = Ending.DELIVERED in endings
    results, fates, possibly = [], [], []
    for recipient, answer, ending in zip(recipients, answers, endings, strict=True):
        result = _settled(recipient, answer, _state(ending, at), at, others_went=others_went)
        results.append(result)
        fate = _fate(recipient, answer, at, result.state)
        if fate is not None:
            fates.append(fate)
        if answer.possibly_delivered:
            possibly.append(recipient.address)
    return Settlement(tuple(results), tuple(fates), tuple(possibly))


def _settled(
    recipient: Recipient,
    answer: RecipientResult,
    state: State,
    at: Circumstances,
    *,
    others_went: bool,
) -> Settled:
    attempted = answer.stage not in (Stage.ROUTE, Stage.CONNECT)
    # A name that does not exist is believed the second time only, so the first time counts.
    attempted = attempted or (answer.stage is Stage.ROUTE and not at.is_away)
    return Settled(
        number=recipient.number,
        state=state,
        reason=_reason(state, answer, at),
        reply=str(answer.reply) if answer.reply is not None else "",
        next_us=_next_us(state, recipient, answer, at, others_went=others_went),
        attempted=attempted,
    )


def _state(ending: Ending, at: Circumstances) -> State:
    match ending:
        case Ending.DELIVERED:
            return State.DELIVERED
        case Ending.FAILED:
            return State.BOUNCED
        case Ending.LATER if at.is_expired:
            return State.EXPIRED
        case Ending.LATER:
            return State.HELD if at.is_away else State.DEFERRED


def _reason(state: State, answer: RecipientResult, at: Circumstances) -> str:
    where = f" by {at.host}" if at.host else ""
    match state:
        case State.DELIVERED:
            return f"accepted{where}"
        case State.BOUNCED if answer.reply is not None:
            return f"refused{where} at {answer.stage}"
        case State.EXPIRED:
            return f"not delivered within its days: {answer.text}"
        case _ if answer.reply is not None:
            return f"put off{where} at {answer.stage}"
        case _:
            return answer.finding


def _next_us(
    state: State,
    recipient: Recipient,
    answer: RecipientResult,
    at: Circumstances,
    *,
    others_went: bool,
) -> int:
    if state is State.HELD:
        return at.next_probe_us
    if state is not State.DEFERRED:
        return 0
    if others_went and said_too_many(answer):
        return at.now_us  # the rest goes in the next transaction: RFC 5321 section 4.5.3.1.10
    wait_s = at.schedule.wait_s(
        failures=recipient.attempts + 1,
        spread=at.spread,
        is_ambiguous=answer.possibly_delivered,
    )
    return at.now_us + int(wait_s * _SECOND_US)


def _fate(
    recipient: Recipient, answer: RecipientResult, at: Circumstances, state: State
) -> Fate | None:
    match state:
        case State.BOUNCED | State.EXPIRED:
            action = DsnAction.FAILED
        case State.DELIVERED if at.relays_dsn or not wants(recipient, Notify.SUCCESS):
            return None
        case State.DELIVERED:
            action = DsnAction.RELAYED
        case _:
            return None
    return Fate(
        recipient=recipient,
        action=action,
        status=STATUS_EXPIRED if state is State.EXPIRED else answer.diagnostic_status,
        diagnostic=answer.diagnostic,
        remote_host=at.remote_host,
    )
