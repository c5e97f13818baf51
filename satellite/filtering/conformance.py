"""Does a filter pass the conformance suite that every filter must?

Touches only the filter that it is given. It ships with the product, so that a filter of somebody
else can be put through what ours pass: in a test, ``await check_filter(make, scene)`` for each
scene that the filter can be in, the faulty ones too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from common.address import fold
from common.envelope import Envelope
from common.errors import LocalError
from common.frozen import dataclass
from common.preferences import Preferences
from common.verdict import Outcome, Verdict
from satellite.filtering.filter import Filter, Mail, check_verdicts
from satellite.filtering.inside import GivenInside
from satellite.headers import HeaderBlock

DEADLINE_S = 30.0  # for one scene; a filter has its own budget far below

# Mail that a filter must survive: (header, sender, client address).
HOSTILE_MAIL: Sequence[tuple[bytes, str, str]] = (
    (b"", "", ""),
    (b"\r\n", "a@b.example", "192.0.2.1"),
    (b" fold of nothing\r\n\r\n", "", "2001:db8::1"),
    (b"Subject: =?utf-8?q?=0D=0A\x00\xff" + b"(" * 2000 + b"\r\n\r\n", '"a@b"@c.example', "::1"),
    (b"A:\r\n" * 5000, "a@b.example", "127.0.0.1"),
    (b"\x00\xff\r\r\n\n\r", "x" * 64 + "@b.example", "10.0.0.1"),
)


class Nonconforming(LocalError):
    """A filter broke a rule; says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One situation of a filter.

    Args:
        mail: what it examines.
        outcomes: what its verdicts must be, in order; None accepts any that a filter may give.
        tests: names of the tests that must be among its verdicts'.
    """

    mail: Mail
    outcomes: tuple[Outcome, ...] | None = None
    tests: frozenset[str] = frozenset()


async def check_filter(make: Callable[[], Filter], scene: Scene) -> tuple[Verdict, ...]:
    """Return the verdicts of one scene, after every rule was tried on a fresh filter.

    Raises:
        Nonconforming: a rule is broken.
        NotAVerdict: an answer is none.
        TimeoutError: it did not answer at all.
    """
    examined = make()
    async with asyncio.timeout(DEADLINE_S):
        verdicts = await _examined(examined, scene.mail)
        _check_scene(scene, verdicts)
        await _check_many_at_once(examined, scene)
        await _check_hostile(examined, scene.mail)
        await _check_cancelled(examined, scene.mail)
        await examined.close()
        await examined.close()  # harmless when repeated
    return verdicts


def plain_mail(preferences: Preferences) -> Mail:
    """Return an ordinary message to two recipients of ``acme.example``."""
    data = b"Subject: hello\r\nFrom: a@sender.example\r\n\r\n"
    return Mail(
        envelope=Envelope(
            client_address="192.0.2.7",
            helo="mail.sender.example",
            sender="a@sender.example",
            recipients=("x@acme.example", "Y@acme.example"),
        ),
        headers=HeaderBlock.parse(data),
        size=len(data),
        preferences=preferences,
        now_us=1_800_000_000_000_000,
        inside=GivenInside(data=data),
    )


async def _examined(examined: Filter, mail: Mail) -> tuple[Verdict, ...]:
    verdicts = check_verdicts(await examined.examine(mail))
    names = [verdict.by for verdict in verdicts]
    if len(set(names)) != len(names):
        raise Nonconforming(f"{examined.name}: two verdicts have one name: {', '.join(names)}")
    known = {fold(recipient) for recipient in mail.envelope.recipients}
    for verdict in verdicts:
        if verdict.outcome is not Outcome.SCORED and any(test.score for test in verdict.tests):
            raise Nonconforming(f"{verdict.by} failed and still gives points")
        for test in verdict.tests:
            if test.recipient is not None and test.recipient not in known:
                raise Nonconforming(f"{test.name} is of {test.recipient!r}, who gets no copy")
            if not test.detail.isprintable():
                raise Nonconforming(f"the detail of {test.name} is not printable")
    return verdicts


def _check_scene(scene: Scene, verdicts: tuple[Verdict, ...]) -> None:
    outcomes = tuple(verdict.outcome for verdict in verdicts)
    if scene.outcomes is not None and outcomes != scene.outcomes:
        said = ", ".join(outcome.value for outcome in outcomes) or "nothing"
        raise Nonconforming(f"it ended with {said}, not as the scene demands")
    missing = scene.tests - {test.name for verdict in verdicts for test in verdict.tests}
    if missing:
        raise Nonconforming(f"tests are missing: {', '.join(sorted(missing))}")


async def _check_many_at_once(examined: Filter, scene: Scene) -> None:
    """One message's answer must not depend on the others that are examined beside it."""
    answers = await asyncio.gather(*(_examined(examined, scene.mail) for _ in range(20)))
    for answer in answers:
        _check_scene(scene, answer)


async def _check_hostile(examined: Filter, mail: Mail) -> None:
    for header, sender, client in HOSTILE_MAIL:
        envelope = replace(mail.envelope, sender=sender, client_address=client)
        block = HeaderBlock.parse(header)
        await _examined(examined, replace(mail, envelope=envelope, headers=block))


async def _check_cancelled(examined: Filter, mail: Mail) -> None:
    """A filter that is cut short ends, and serves the next message."""
    task = asyncio.ensure_future(examined.examine(mail))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await _examined(examined, mail)
