"""Did the demonstration end as it must?

Touches the running cluster. Every message is looked for where it must be: at the customers' mail
server, in the quarantine, in what ``track`` tells. What is not as it must be is a finding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cli.demonstration import scene
from cli.demonstration.cast import Cast, until
from cli.demonstration.customer import Received
from cli.demonstration.post import SentMail
from cli.demonstration.scene import ExpectedFate

SETTLE_S = 30.0

_ENDED = frozenset({"delivered", "quarantined", "dropped", "rejected", "bounced", "expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCheck:
    """One thing that must hold."""

    name: str
    ok: bool
    found: str


async def fates(cast: Cast, sent: Sequence[SentMail]) -> list[DemoCheck]:
    """Check every message that was sent."""
    return list(await asyncio.gather(*(_fate(cast, one) for one in sent)))


async def _fate(cast: Cast, sent: SentMail) -> DemoCheck:
    act = sent.act
    name = f"{act.name} at {sent.node} is {act.fate}"
    if act.fate is ExpectedFate.REFUSED:
        return DemoCheck(name=name, ok=act.decided in sent.reply, found=sent.reply)
    tracked = await _tracked(cast, sent)
    if tracked is None:
        return DemoCheck(name=name, ok=False, found=f"no outcome after {SETTLE_S:.0f} s")
    recipient = tracked["recipients"][0]
    copies = cast.mailbox.copies.get(sent.message_id, [])
    # A 250 that came back but was not committed when its worker was killed: the one case in which
    # a second copy may arrive, and then the records say so.
    possible = sum(event["event"] == "possibly_delivered" for event in tracked["events"])
    faults = [
        *_wrong_outcome(act.fate, recipient),
        *_wrong_copies(sent, copies, repeats_max=possible),
        *([] if act.decided in recipient["reason"] + str(tracked["verdicts"]) else ["reason"]),
        *([] if tracked["node"] == sent.node else ["node"]),
        *await _wrong_quarantine(cast, act.fate, tracked["id"]),
    ]
    found = f"{recipient['state']}: {recipient['reason']}"
    return DemoCheck(
        name=name, ok=not faults, found=f"wrong {faults}; {found}" if faults else found
    )


async def _tracked(cast: Cast, sent: SentMail) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = []

    async def has_ended() -> bool:
        answer = await cast.ask("GET", "/api/v1/messages", query={"query": sent.message_id})
        found[:] = answer["messages"]
        return bool(found) and all(
            recipient["state"] in _ENDED for recipient in found[0]["recipients"]
        )

    return found[0] if await until(has_ended, SETTLE_S) else None


def _wrong_outcome(fate: ExpectedFate, recipient: dict[str, Any]) -> list[str]:
    wanted = "delivered" if fate is ExpectedFate.MARKED else fate.value
    return [] if recipient["state"] == wanted else ["outcome"]


def _wrong_copies(sent: SentMail, copies: Sequence[Received], *, repeats_max: int) -> list[str]:
    if sent.act.fate not in (ExpectedFate.DELIVERED, ExpectedFate.MARKED):
        return ["copies"] if copies else []
    if not 1 <= len(copies) <= 1 + repeats_max:
        return [f"{len(copies)} copies"]
    content = copies[0].content
    wrong = []
    if copies[0].body != sent.content.partition(b"\r\n\r\n")[2]:
        wrong.append("body")
    if b"\r\nX-BorderScout: id=" not in content:
        wrong.append("header")
    marked = f"Subject: {scene.MARK}{sent.act.subject}".encode() in content
    if marked is not (sent.act.fate is ExpectedFate.MARKED):
        wrong.append("mark")
    return wrong


async def _wrong_quarantine(cast: Cast, fate: ExpectedFate, message: str) -> list[str]:
    if fate is not ExpectedFate.QUARANTINED:
        return []

    async def is_held() -> bool:
        cases = (await cast.ask("GET", "/api/v1/quarantine", query={"limit": 1000}))["cases"]
        return any(case["message_id"] == message and case["state"] == "held" for case in cases)

    return [] if await until(is_held, SETTLE_S) else ["quarantine"]


async def policy_reaches_every_site(cast: Cast, revision: int) -> DemoCheck:
    """Check that every node has applied a revision."""
    found: dict[str, Any] = {}

    async def is_applied() -> bool:
        nodes = (await cast.ask("GET", "/api/v1/status"))["nodes"]
        found.update({node["node"]: node["applied"] for node in nodes})
        return all(node["applied"] == revision and node["lag"] == 0 for node in nodes)

    ok = await until(is_applied, SETTLE_S)
    return DemoCheck(name=f"revision {revision} is applied everywhere", ok=ok, found=str(found))


async def release_delivers_once(cast: Cast, sent: SentMail) -> DemoCheck:
    """Check that a quarantined message, released twice, arrives once."""
    name = f"{sent.act.name} is released once"
    tracked = await _tracked(cast, sent)
    if tracked is None:
        return DemoCheck(name=name, ok=False, found="it has no outcome")
    path = f"/api/v1/quarantine/{tracked['id']}/release"
    first = await cast.ask("POST", path, body={})
    second = await cast.ask("POST", path, body={})

    async def has_come() -> bool:
        return bool(cast.mailbox.copies.get(sent.message_id))

    await until(has_come, SETTLE_S)
    copies = cast.mailbox.copies.get(sent.message_id, [])
    ok = len(copies) == 1 and first["id"] == second["id"]
    ok = ok and copies[0].body == sent.content.partition(b"\r\n\r\n")[2]
    return DemoCheck(name=name, ok=ok, found=f"{len(copies)} copies, release {first['id']}")
