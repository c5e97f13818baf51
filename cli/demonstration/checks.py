"""Did the demonstration end as it must?

Touches the running cluster. Every message is looked for where it must be: at the customers' mail
server, in the quarantine, in what ``track`` tells. What is not as it must be is a finding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.demonstration import mail
from cli.demonstration.cluster import DemoCluster
from cli.demonstration.customer import Received
from cli.demonstration.mail import ExpectedOutcome
from cli.demonstration.process import until
from cli.demonstration.sending import SentMail
from common.counted import counted

SETTLE_S = 30.0

_ENDED = frozenset({"delivered", "quarantined", "dropped", "rejected", "bounced", "expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCheck:
    """One thing that must hold."""

    name: str
    ok: bool
    found: str


async def fates(cluster: DemoCluster, sent: Sequence[SentMail]) -> list[DemoCheck]:
    """Check every message that was sent."""
    return list(await asyncio.gather(*(_fate(cluster, one) for one in sent)))


async def _fate(cluster: DemoCluster, sent: SentMail) -> DemoCheck:
    planned = sent.planned
    name = f"{planned.name} at {sent.node} is {planned.fate}"
    if planned.fate is ExpectedOutcome.REFUSED:
        return DemoCheck(name=name, ok=planned.decided in sent.reply, found=sent.reply)
    tracked = await _tracked(cluster, sent)
    if tracked is None:
        return DemoCheck(name=name, ok=False, found=f"no outcome after {SETTLE_S:.0f} s")
    recipient = tracked["recipients"][0]
    copies = cluster.mailbox.copies.get(sent.message_id, [])
    # A 250 that came back but was not committed when its worker was killed: the one case in which
    # a second copy may arrive, and then the records say so.
    possible = sum(event["event"] == "possibly_delivered" for event in tracked["events"])
    faults = [
        *_wrong_outcome(planned.fate, recipient),
        *_wrong_copies(sent, copies, repeats_max=possible),
        *([] if planned.decided in recipient["reason"] + str(tracked["verdicts"]) else ["reason"]),
        *([] if tracked["node"] == sent.node else ["node"]),
        *_wrong_verdicts(cluster, sent, tracked["verdicts"]),
        *await _wrong_quarantine(cluster, planned.fate, tracked["id"]),
    ]
    found = f"{recipient['state']}: {recipient['reason']}"
    return DemoCheck(
        name=name, ok=not faults, found=f"wrong {faults}; {found}" if faults else found
    )


async def every_engine_is_heard(cluster: DemoCluster, sent: SentMail) -> DemoCheck:
    """Check that what is known of a message has a verdict of each engine, and that they agree."""
    engines = cluster.engines.names
    name = f"{sent.planned.name} at {sent.node} is read by {', '.join(engines)}"
    tracked = await _tracked(cluster, sent)
    if tracked is None:
        return DemoCheck(name=name, ok=False, found="it has no outcome")
    said = [one for one in tracked["verdicts"] if one["by"] in engines]
    found = "; ".join(f"{one['by']} {_told(one)}" for one in said)
    return DemoCheck(name=name, ok=not _wrong_verdicts(cluster, sent, said), found=found)


def _told(verdict: Mapping[str, Any]) -> str:
    words = (verdict["outcome"], *verdict.get("threats", ()), verdict.get("version"))
    return " ".join(filter(None, words))


def _wrong_verdicts(
    cluster: DemoCluster, sent: SentMail, verdicts: Sequence[Mapping[str, Any]]
) -> list[str]:
    wanted = "infected" if sent.planned.text == mail.EICAR else "clean"
    heard = {one["by"]: one["outcome"] for one in verdicts}
    said = {name: heard.get(name) for name in cluster.engines.names}
    return [f"{name}: {outcome}" for name, outcome in said.items() if outcome != wanted]


async def _tracked(cluster: DemoCluster, sent: SentMail) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = []

    async def has_ended() -> bool:
        answer = await cluster.ask("GET", "/api/v1/messages", query={"query": sent.message_id})
        found[:] = answer["messages"]
        return bool(found) and all(
            recipient["state"] in _ENDED for recipient in found[0]["recipients"]
        )

    return found[0] if await until(has_ended, SETTLE_S) else None


def _wrong_outcome(fate: ExpectedOutcome, recipient: dict[str, Any]) -> list[str]:
    wanted = "delivered" if fate is ExpectedOutcome.MARKED else fate.value
    return [] if recipient["state"] == wanted else ["outcome"]


def _wrong_copies(sent: SentMail, copies: Sequence[Received], *, repeats_max: int) -> list[str]:
    if sent.planned.fate not in (ExpectedOutcome.DELIVERED, ExpectedOutcome.MARKED):
        return ["copies"] if copies else []
    if not 1 <= len(copies) <= 1 + repeats_max:
        return [counted(len(copies), "copy", "copies")]
    content = copies[0].content
    wrong = []
    if copies[0].body != sent.content.partition(b"\r\n\r\n")[2]:
        wrong.append("body")
    if b"\r\nX-BorderScout: id=" not in content:
        wrong.append("header")
    marked = f"Subject: {mail.MARK}{sent.planned.subject}".encode() in content
    if marked is not (sent.planned.fate is ExpectedOutcome.MARKED):
        wrong.append("mark")
    return wrong


async def _wrong_quarantine(cluster: DemoCluster, fate: ExpectedOutcome, message: str) -> list[str]:
    if fate is not ExpectedOutcome.QUARANTINED:
        return []

    async def is_held() -> bool:
        cases = (await cluster.ask("GET", "/api/v1/quarantine", query={"limit": 1000}))["cases"]
        return any(case["message_id"] == message and case["state"] == "held" for case in cases)

    return [] if await until(is_held, SETTLE_S) else ["quarantine"]


async def policy_reaches_every_site(cluster: DemoCluster, revision: int) -> DemoCheck:
    """Check that every node has applied a revision."""
    found: dict[str, Any] = {}

    async def is_applied() -> bool:
        nodes = (await cluster.ask("GET", "/api/v1/status"))["nodes"]
        found.update({node["node"]: node["applied"] for node in nodes})
        return all(node["applied"] == revision and node["lag"] == 0 for node in nodes)

    ok = await until(is_applied, SETTLE_S)
    return DemoCheck(name=f"revision {revision} is applied everywhere", ok=ok, found=str(found))


async def release_delivers_once(cluster: DemoCluster, sent: SentMail) -> DemoCheck:
    """Check that a quarantined message, released twice, arrives once."""
    name = f"{sent.planned.name} is released once"
    tracked = await _tracked(cluster, sent)
    if tracked is None:
        return DemoCheck(name=name, ok=False, found="it has no outcome")
    path = f"/api/v1/quarantine/{tracked['id']}/release"
    first = await cluster.ask("POST", path, body={})
    second = await cluster.ask("POST", path, body={})

    async def has_come() -> bool:
        return bool(cluster.mailbox.copies.get(sent.message_id))

    await until(has_come, SETTLE_S)
    copies = cluster.mailbox.copies.get(sent.message_id, [])
    ok = len(copies) == 1 and first["id"] == second["id"]
    ok = ok and copies[0].body == sent.content.partition(b"\r\n\r\n")[2]
    return DemoCheck(
        name=name, ok=ok, found=f"{counted(len(copies), 'copy', 'copies')}, release {first['id']}"
    )
