"""Which refusals are told one by one, and which as a sum?

Pure: the time arrives with each question. A client that is refused once is told with all that it
said. A flood must fill neither the outbox nor the node's own log, whoever begins it: of one client
network and one reason the first of a minute are told in full and the others as one sum, there is a
bound for all networks together, and while the core is far behind there are sums alone, of an hour.
"""

from __future__ import annotations

from dataclasses import field

from common.client_network import network_of
from common.frozen import dataclass
from common.records import RefusedRecord
from common.records.bounds import storable
from satellite.smtp import replies
from satellite.smtp.commands import path_as_given
from satellite.smtp.replies import Reply
from satellite.smtp.transaction import MailTransaction

WINDOW_S = 60.0
LONG_WINDOW_S = 3600.0  # while the core is far behind: its outbox is for what became of mail
IN_FULL_OF_ONE_MAX = 10  # refusals of one network for one reason, in a window
IN_FULL_MAX = 100  # of all networks together
SUMS_MAX = 100  # networks and reasons of a window; further networks are summed as one
RECIPIENTS_MAX = 30  # of a sum; with these, a record is never too long to be one
SENDERS_MAX = 10
NAME_LENGTH_MAX = 254  # characters of what a client said; no address has more (RFC 5321)

# Refused after a scan: that message has records of its own, with all that was found.
_TOLD_ELSEWHERE = frozenset(
    reply
    for name, reply in vars(replies).items()
    if name.startswith("REJECTED_") and isinstance(reply, Reply)
)
# Said to a client that wanted nothing just then.
_PARTING = frozenset({replies.TIMED_OUT, replies.SESSION_TOO_LONG, replies.SHUTTING_DOWN})
_NAMES = {reply: name.lower() for name, reply in vars(replies).items() if isinstance(reply, Reply)}


def reason_of(reply: Reply) -> str:
    """Return the class of the reason for a reply: our name of it, else its status."""
    return reply.reason or _NAMES.get(reply) or reply.status or str(reply.code)


def is_refusal(reply: Reply, *, has_begun: bool) -> bool:
    """Say whether a reply refuses something that is told nowhere else.

    Args:
        reply: what the client hears.
        has_begun: the client has begun a transaction.
    """
    if reply.code < 400 or reply in _TOLD_ELSEWHERE or reply == replies.REFUSED_BEFORE:
        return False
    if reply == replies.RECIPIENT_FIRST:  # each of its recipients was refused, and that is told
        return False
    return has_begun or reply not in _PARTING


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedClient:
    """Who was refused what; texts are as they came."""

    address: str
    helo: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    command: str = "CONNECT"


def refused_client(
    address: str, *, helo: str, offered: MailTransaction | None, verb: str, argument: str
) -> RefusedClient:
    """Return who is refused what.

    Args:
        address: of the client.
        helo: what it has called itself; empty: nothing yet.
        offered: the transaction that it has begun.
        verb: of the command that is answered.
        argument: of that command, as it came.
    """
    sender = offered.sender.address if offered is not None else ""
    recipients = tuple(offered.recipients) if offered is not None else ()
    if verb == "MAIL":
        sender = path_as_given(argument, "FROM:")
    elif verb == "RCPT":
        recipients = (path_as_given(argument, "TO:"),)
    elif verb in {"HELO", "EHLO"}:
        helo = argument
    return RefusedClient(
        address=address, helo=helo, sender=sender, recipients=recipients, command=verb
    )


@dataclass(slots=True, kw_only=True)
class _RefusalSum:
    """All that were refused alike, beyond those that were told in full."""

    client: str
    since_us: int = 0
    helo: str = ""
    reply: str = ""
    senders: dict[str, None] = field(default_factory=dict)
    recipients: dict[str, None] = field(default_factory=dict)
    in_full: int = 0
    refusals: int = 0

    def add(self, client: RefusedClient, reply: str, *, now_us: int) -> None:
        if not self.refusals:
            self.since_us, self.helo, self.reply = now_us, _shown(client.helo), reply
        self.refusals += 1
        if client.sender and len(self.senders) < SENDERS_MAX:
            self.senders[_shown(client.sender)] = None
        for address in client.recipients[: RECIPIENTS_MAX - len(self.recipients)]:
            self.recipients[_shown(address)] = None


class RefusalLog:
    """What was refused and is not told yet."""

    def __init__(self) -> None:
        self._in_full: list[RefusedRecord] = []
        self._in_full_count = 0  # in this window
        self._sums: dict[tuple[str, str, str], _RefusalSum] = {}
        self._ends_s: float | None = None  # of the window; None: none is open
        self._is_behind = False

    def note(self, client: RefusedClient, *, reason: str, reply: str, now_us: int) -> None:
        """Note one refusal.

        Args:
            client: who was refused what.
            reason: the class of the reason.
            reply: what the client heard; empty: it was cut.
            now_us: the time, microseconds since the epoch, UTC.
        """
        same = self._same(network_of(client.address), client.command, reason)
        if self._is_told_in_full(same):
            same.in_full += 1
            self._in_full_count += 1
            self._in_full.append(_one(client, reason, reply))
        else:
            same.add(client, reply, now_us=now_us)

    def _same(self, network: str, command: str, reason: str) -> _RefusalSum:
        key = (network, command, reason)
        if key not in self._sums and len(self._sums) >= SUMS_MAX:
            network, key = "", ("", command, reason)
        return self._sums.setdefault(key, _RefusalSum(client=network))

    def _is_told_in_full(self, same: _RefusalSum) -> bool:
        if self._is_behind or not same.client:
            return False
        return same.in_full < IN_FULL_OF_ONE_MAX and self._in_full_count < IN_FULL_MAX

    @property
    def is_empty(self) -> bool:
        """True while there is nothing to tell, now or later."""
        return not self._sums

    def due(self, *, now_s: float, is_behind: bool, at_once: bool = False) -> list[RefusedRecord]:
        """Return what is to be told now; it is told once.

        Args:
            now_s: the monotonic time.
            is_behind: the core is far behind with what it has been told.
            at_once: tell the sums of this window too, though it is not over.
        """
        found, self._in_full = self._in_full, []
        if self._ends_s is None and self._sums:
            self._ends_s = now_s + (LONG_WINDOW_S if self._is_behind else WINDOW_S)
        elif self._ends_s is not None and not is_behind:
            self._ends_s = min(self._ends_s, now_s + WINDOW_S)
        is_over = self._ends_s is not None and now_s >= self._ends_s
        if is_over or at_once:
            found += [_sum(key, one) for key, one in self._sums.items() if one.refusals]
            self._sums, self._in_full_count, self._ends_s = {}, 0, None
        self._is_behind = is_behind
        return found


def _one(client: RefusedClient, reason: str, reply: str) -> RefusedRecord:
    return RefusedRecord(
        client=client.address,
        helo=_shown(client.helo),
        senders=(_shown(client.sender),) if client.sender else (),
        recipients=tuple([_shown(one) for one in client.recipients[:RECIPIENTS_MAX]]),
        command=client.command,
        reason=reason,
        reply=reply,
    )


def _sum(key: tuple[str, str, str], one: _RefusalSum) -> RefusedRecord:
    _, command, reason = key
    return RefusedRecord(
        client=one.client,
        helo=one.helo,
        senders=tuple(one.senders),
        recipients=tuple(one.recipients),
        command=command,
        reason=reason,
        reply=one.reply,
        refusals=one.refusals,
        since_us=one.since_us,
    )


def _shown(text: str) -> str:
    """Return what a client said with nothing in it that moves a cursor or ends a line."""
    text = storable(text, length_max=NAME_LENGTH_MAX)
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text])
