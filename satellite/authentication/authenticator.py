"""How is it found out who answers for a message?

Touches DNS, the clock, and the file that a large body lies in. SPF, the keys of the signatures, the
chain's and the owner's word are asked for at the same time. A long body is hashed in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Protocol

from common.clock import Clock
from common.envelope import Envelope
from common.errors import EnvironmentFailure
from satellite.authentication.arc import ArcKeys, arc_outcome, chain_keys
from satellite.authentication.canonical import HashedBody, WantedBody, hashed_bodies
from satellite.authentication.dkim import FoundKey, dkim_outcome, found_key
from satellite.authentication.dkim_signature import DkimSignature
from satellite.authentication.dmarc import OwnersWord, dmarc_outcome, owners_word
from satellite.authentication.dns_questions import (
    DMARC_LOOKUPS_MAX,
    LOOKUPS_MAX,
    DnsQuestions,
    MessageQuestions,
)
from satellite.authentication.read_message import ReadMessage, read_message
from satellite.authentication.results import (
    ArcOutcome,
    Authenticity,
    AuthResult,
    DkimOutcome,
    DmarcOutcome,
    SpfOutcome,
)
from satellite.authentication.spf import spf_outcome
from satellite.headers import HEADER_BYTES_MAX, HeaderBlock

AT_ONCE_BYTES_MAX = 64 * 1024  # of a message: a third of a millisecond; a thread costs as much
HEADER_AT_ONCE_BYTES_MAX = 32 * 1024  # of a header section: eight signatures may sign all of it

_UNREADABLE = "the message cannot be read"
UNREADABLE = Authenticity(
    spf=SpfOutcome(result=AuthResult.TEMPERROR, reason=_UNREADABLE),
    dkim=(),
    dmarc=DmarcOutcome(result=AuthResult.TEMPERROR, reason=_UNREADABLE),
    arc=ArcOutcome(result=AuthResult.TEMPERROR),
)

Keys = Mapping[DkimSignature, FoundKey]
Bodies = Mapping[WantedBody, HashedBody]


class HasOctets(Protocol):
    """A message as it came, as far as it is looked at here."""

    @property
    def size(self) -> int: ...

    @property
    def data(self) -> bytes | None: ...

    def read(self, offset: int, length: int) -> bytes: ...

    def chunks(self, offset: int = 0) -> Iterator[bytes]: ...


class Authenticator:
    """Sender authentication of one worker.

    Args:
        questions: how DNS is asked.
        clock: the time.
    """

    def __init__(self, questions: DnsQuestions, clock: Clock) -> None:
        self._questions = questions
        self._clock = clock

    async def authenticated(self, sample: HasOctets, envelope: Envelope) -> Authenticity:
        """Return who answers for a message.

        What DNS does not say in time, and what cannot be read, is ``temperror``.
        """
        try:
            message = read_message(await _header(sample))
            bodies = await _bodies(sample, message)
        except (EnvironmentFailure, OSError):
            return UNREADABLE
        questions = self._questions.of_message(lookups_max=LOOKUPS_MAX - DMARC_LOOKUPS_MAX)
        of_dmarc = self._questions.of_message(lookups_max=DMARC_LOOKUPS_MAX)
        spf, keys, arc_keys, word = await _asked(questions, of_dmarc, message, envelope)
        verifying = partial(_verified, message, keys, arc_keys, bodies, self._clock.now_us() / 1e6)
        is_long = message.block.end > HEADER_AT_ONCE_BYTES_MAX
        dkim, arc = await asyncio.to_thread(verifying) if is_long else verifying()
        asking = dmarc_outcome(message.author, word, spf=spf, dkim=dkim)
        return Authenticity(
            spf=spf,
            dkim=dkim,
            dmarc=await of_dmarc.answered(asking),
            arc=arc,
        )


async def _header(sample: HasOctets) -> HeaderBlock:
    length = HEADER_BYTES_MAX + 1
    if sample.data is not None:
        return HeaderBlock.parse(sample.read(0, length))
    return HeaderBlock.parse(await asyncio.to_thread(sample.read, 0, length))


async def _bodies(sample: HasOctets, message: ReadMessage) -> Bodies:
    wanted = message.wanted_bodies
    if not wanted:
        return {}
    pieces = sample.chunks(message.block.end)
    if sample.data is not None and sample.size <= AT_ONCE_BYTES_MAX:
        return hashed_bodies(pieces, wanted)
    return await asyncio.to_thread(hashed_bodies, pieces, wanted)


async def _asked(
    questions: MessageQuestions,
    of_dmarc: MessageQuestions,
    message: ReadMessage,
    envelope: Envelope,
) -> tuple[SpfOutcome, Keys, ArcKeys | None, OwnersWord]:
    """Ask all that can be asked at the same time."""
    asking_spf = spf_outcome(
        client_address=envelope.client_address, helo=envelope.helo, sender=envelope.sender
    )
    async with asyncio.TaskGroup() as group:
        spf = group.create_task(questions.answered(asking_spf), name="SPF")
        word = group.create_task(of_dmarc.answered(owners_word(message.author)), name="DMARC")
        keys = {
            one: group.create_task(questions.answered(found_key(one)), name="DKIM key")
            for one in message.with_keys
        }
        arc_keys = None
        if message.sets:
            asking = questions.answered(chain_keys(message.sets))
            arc_keys = group.create_task(asking, name="ARC keys")
    found = {one: task.result() for one, task in keys.items()}
    chain = arc_keys.result() if arc_keys is not None else None
    return spf.result(), found, chain, word.result()


def _verified(
    message: ReadMessage, keys: Keys, arc_keys: ArcKeys | None, bodies: Bodies, now_s: float
) -> tuple[tuple[DkimOutcome, ...], ArcOutcome]:
    dkim = tuple(
        dkim_outcome(
            one,
            keys[one.said] if isinstance(one.said, DkimSignature) else None,
            message.block,
            bodies,
            now_s=now_s,
        )
        for one in message.signatures
    )
    if arc_keys is None:
        return dkim, message.chain
    return dkim, arc_outcome(message.sets, arc_keys, message.block, bodies)
