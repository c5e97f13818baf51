"""In which order does the demonstration send, check and show?

Touches the running cluster and the terminal.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from typing import Any

import httpx
from rich.console import Group
from rich.live import Live
from rich.text import Text

from cli.demonstration import checks, mail
from cli.demonstration.checks import DemoCheck
from cli.demonstration.cluster import DemoCluster
from cli.demonstration.display import display
from cli.demonstration.sending import SentMail, send
from cli.output import console
from common.counted import counted

RATE_S = 0.25  # between messages of the endless play
LOOK_S = 1.0  # between pictures
QUIET_LOOK_S = 15.0  # where nobody watches


async def publish(cluster: DemoCluster) -> int:
    """Push the demonstration's policies and return their revision."""
    body = {"documents": mail.documents(), "comment": "the demonstration's policies"}
    return int((await cluster.ask("POST", "/api/v1/documents", body=body))["revision"])


async def check_once(cluster: DemoCluster, told: Callable[[str], None]) -> list[DemoCheck]:
    """Play everything once and check every outcome."""
    told("pushing policies")
    found = [await checks.policy_reaches_every_site(cluster, await publish(cluster))]
    numbers = itertools.count(1)
    told("sending mail to every site")
    sent = await _send_all(cluster, numbers)
    found += await checks.fates(cluster, sent)
    found += [
        await checks.every_engine_is_heard(cluster, one)
        for one in sent
        if one.planned.name in ("plain", "virus")
    ]
    told("killing a satellite and the core, with mail on its way")
    found += await _interrupted(cluster, numbers)
    told("releasing from the quarantine")
    pills = next(one for one in sent if one.planned.name == "pills")
    found.append(await checks.release_delivers_once(cluster, pills))
    return found


async def _send_all(cluster: DemoCluster, numbers: Any) -> list[SentMail]:
    return list(
        await asyncio.gather(
            *(
                send(cluster, node, planned, number=next(numbers))
                for node in cluster.satellites
                for planned in mail.MESSAGES
            )
        )
    )


async def _interrupted(cluster: DemoCluster, numbers: Any) -> list[DemoCheck]:
    """Accept mail while the core is away and a satellite is killed, and check it afterwards."""
    core, first = cluster.players["core"], cluster.satellites[0]
    await core.end(gently=False)
    sent = await _send_all(cluster, numbers)
    await cluster.players[first].end(gently=False)
    await cluster.players[first].start()
    await core.start()
    await cluster.ready("core", cluster.url)
    await cluster.ready(first, cluster.metrics_url(first))
    found = await checks.fates(cluster, sent)
    return [
        DemoCheck(name=f"after kill -9: {one.name}", ok=one.ok, found=one.found) for one in found
    ]


async def keep_running_mail(cluster: DemoCluster) -> None:
    """Let mail flow and show what becomes of it, until cancelled."""
    await publish(cluster)
    counts: dict[tuple[str, str], int] = {}
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(_flow(cluster, counts))
        if not console.is_terminal:  # a log gets a picture now and then
            while True:
                console.print(await picture(cluster, counts, seconds=time.monotonic() - began_s))
                await asyncio.sleep(QUIET_LOOK_S)
        with Live(console=console, refresh_per_second=4) as live:
            while True:
                live.update(await picture(cluster, counts, seconds=time.monotonic() - began_s))
                await asyncio.sleep(LOOK_S)


async def picture(
    cluster: DemoCluster, counts: dict[tuple[str, str], int], *, seconds: float
) -> Group | Text:
    """Return what is shown now: of a core that somebody stopped, that mail goes on without it."""
    try:
        return await display(cluster, counts, seconds=seconds)
    except httpx.HTTPError:
        come = counted(cluster.mailbox.total, "message has", "messages have")
        return Text(
            f"the core does not answer at {cluster.url}; mail goes on, and {come} come to the"
            " customers' server"
        )


async def _flow(cluster: DemoCluster, counts: dict[tuple[str, str], int]) -> None:
    chance = random.Random()  # noqa: S311 - which message comes next is no secret
    for number in itertools.count(1):
        node = chance.choice(cluster.satellites)
        (planned,) = mail.picked([chance.randrange(1 << 16)])
        sent = await send(cluster, node, planned, number=number)
        word = "accepted" if sent.reply.startswith("250") else "refused"
        counts[node, word] = counts.get((node, word), 0) + 1
        await asyncio.sleep(RATE_S)
