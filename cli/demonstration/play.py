"""How does the demonstration go?

Touches the running cluster and the terminal.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from typing import Any

from rich.live import Live

from cli.demonstration import checks, scene
from cli.demonstration.cast import Cast
from cli.demonstration.checks import DemoCheck
from cli.demonstration.post import SentMail, send
from cli.demonstration.screen import picture
from cli.output import console

RATE_S = 0.25  # between messages of the endless play
LOOK_S = 1.0  # between pictures
QUIET_LOOK_S = 15.0  # where nobody watches


async def publish(cast: Cast) -> int:
    """Push the demonstration's policies and return their revision."""
    body = {"documents": scene.documents(), "comment": "the demonstration's policies"}
    return int((await cast.ask("POST", "/api/v1/documents", body=body))["revision"])


async def check_once(cast: Cast, told: Callable[[str], None]) -> list[DemoCheck]:
    """Play everything once and check every outcome."""
    told("pushing policies")
    found = [await checks.policy_reaches_every_site(cast, await publish(cast))]
    numbers = itertools.count(1)
    told("sending mail to every site")
    sent = await _send_all(cast, numbers)
    found += await checks.fates(cast, sent)
    told("killing a satellite and the core, with mail on its way")
    found += await _interrupted(cast, numbers)
    told("releasing from the quarantine")
    pills = next(one for one in sent if one.act.name == "pills")
    found.append(await checks.release_delivers_once(cast, pills))
    return found


async def _send_all(cast: Cast, numbers: Any) -> list[SentMail]:
    return list(
        await asyncio.gather(
            *(
                send(cast, node, act, number=next(numbers))
                for node in cast.satellites
                for act in scene.ACTS
            )
        )
    )


async def _interrupted(cast: Cast, numbers: Any) -> list[DemoCheck]:
    """Accept mail while the core is away and a satellite is killed, and check it afterwards."""
    core, first = cast.players["core"], cast.satellites[0]
    await core.end(gently=False)
    sent = await _send_all(cast, numbers)
    await cast.players[first].end(gently=False)
    await cast.players[first].start()
    await core.start()
    await cast.ready("core", cast.url)
    await cast.ready(first, cast.metrics_url(first))
    found = await checks.fates(cast, sent)
    return [
        DemoCheck(name=f"after kill -9: {one.name}", ok=one.ok, found=one.found) for one in found
    ]


async def play_on(cast: Cast) -> None:
    """Let mail flow and show what becomes of it, until cancelled."""
    await publish(cast)
    counts: dict[tuple[str, str], int] = {}
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(_flow(cast, counts))
        if not console.is_terminal:  # a log gets a picture now and then
            while True:
                console.print(await picture(cast, counts, seconds=time.monotonic() - began_s))
                await asyncio.sleep(QUIET_LOOK_S)
        with Live(console=console, refresh_per_second=4) as live:
            while True:
                live.update(await picture(cast, counts, seconds=time.monotonic() - began_s))
                await asyncio.sleep(LOOK_S)


async def _flow(cast: Cast, counts: dict[tuple[str, str], int]) -> None:
    chance = random.Random()  # noqa: S311 - which message comes next is no secret
    for number in itertools.count(1):
        node = chance.choice(cast.satellites)
        (act,) = scene.picked([chance.randrange(1 << 16)])
        sent = await send(cast, node, act, number=number)
        word = "accepted" if sent.reply.startswith("250") else "refused"
        counts[node, word] = counts.get((node, word), 0) + 1
        await asyncio.sleep(RATE_S)
