"""Is there mail on a node that goes on only when somebody decides, or a customer that is away?

Touches the node's control socket; of what the core tells of its nodes, pure. Of each kind only so
many are named as a person reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cli.checks import DoctorCheck, judged
from cli.holds import hold_in_words
from cli.output import counted
from common.errors import EnvironmentFailure

IDS_MAX = 5
HOLDS_MAX = 10
PAGES_MAX = 5  # of a spool in which few messages are meant; each takes two seconds at the most
END = "~"  # after every message id
MEND = (
    "resume it once its body is back: borderscout spool resume ID,"
    " or end it: borderscout spool bounce ID tells its sender, spool drop ID nobody"
)
LET_GO = "let it go on: borderscout spool resume ID, or send it back: borderscout spool bounce ID"

Shards = Mapping[str, dict[str, Any] | None]


def mail_of_the_node(state: Path) -> Iterator[DoctorCheck]:
    """Yield what is known of a running node's mail; a note when it does not run.

    Args:
        state: its state folder.
    """
    try:
        yield from _mail(state)
    except EnvironmentFailure as error:
        yield DoctorCheck(name="spool", ok=True, note=True, found=f"not looked at: {error.what}")


def mail_of_a_node(node: Mapping[str, Any]) -> Iterator[DoctorCheck]:
    """Yield the same of a node of which the core tells."""
    name, spool = node["node"], node["spool"]
    damaged, frozen = spool.get("damaged", 0), spool.get("frozen", 0)
    what = f"mail for {counted(damaged, 'recipient')} cannot be read"
    where = f"on {name}: borderscout spool list --state"
    yield judged(f"damaged mail at {name}", ((damaged > 0, what),), f"see it {where} damaged")
    if frozen:
        what = f"mail for {counted(frozen, 'recipient')} is stopped; see it {where} frozen"
        yield DoctorCheck(name=f"frozen mail at {name}", ok=True, note=True, found=what)
    yield from _away(f"held mail at {name}", node["holds"])


def _mail(state: Path) -> Iterator[DoctorCheck]:
    shards = _asked(state, {"ask": "status"})
    silent = [shard for shard, answer in shards.items() if answer is None]
    yield judged(
        "shards",
        ((bool(silent), f"shard {', '.join(silent)} does not answer"),),
        "it may be starting: look again in a minute; why a worker ended, says"
        " journalctl -u borderscout-satellite",
    )
    damaged, frozen = _count(shards, "damaged"), _count(shards, "frozen")
    if damaged:
        found = f"mail for {counted(damaged, 'recipient')} cannot be read: {_ids(state, 'damaged')}"
        yield DoctorCheck(name="damaged mail", ok=False, found=found, remedy=MEND)
    else:
        yield DoctorCheck(name="damaged mail", ok=True, found="none")
    if frozen:
        found = f"mail for {counted(frozen, 'recipient')} is stopped: {_ids(state, 'frozen')}"
        yield DoctorCheck(name="frozen mail", ok=True, note=True, found=f"{found}; {LET_GO}")
    yield from _away("held mail", _holds(_asked(state, {"ask": "holds"})))


def _asked(state: Path, question: dict[str, Any]) -> Shards:
    """Return each shard's answer, None from one that has none now.

    Raises:
        EnvironmentFailure: the node does not run, or does not understand.
    """
    from satellite.console.control_socket import ask

    answer = asyncio.run(ask(state, question))
    if "error" in answer:
        raise EnvironmentFailure(str(answer["error"]))
    shards: Shards = answer["shards"]
    for found in shards.values():
        if found is not None and "error" in found:
            raise EnvironmentFailure(str(found["error"]))
    return shards


def _count(shards: Shards, state: str) -> int:
    return sum(answer["states"].get(state, 0) for answer in shards.values() if answer is not None)


def _ids(state: Path, name: str) -> str:
    """Return the ids of the first messages with a recipient in a state, as a person reads them."""
    question = {"ask": "list", "state": name, "limit": IDS_MAX + 1}
    found: list[str] = []
    cursors: dict[str, str] = {}
    for _ in range(PAGES_MAX):
        shards = _asked(state, question | ({"after": cursors} if cursors else {}))
        answers = {shard: answer or {} for shard, answer in shards.items()}
        found += [one["id"] for answer in answers.values() for one in answer.get("messages", ())]
        cursors = {shard: answer.get("after") or END for shard, answer in answers.items()}
        if len(found) > IDS_MAX or set(cursors.values()) <= {END}:
            break
    is_all = len(found) <= IDS_MAX and set(cursors.values()) <= {END}
    more = "" if is_all else f" and more: borderscout spool list --state {name}"
    return ", ".join(sorted(found)[:IDS_MAX]) + more


def _holds(shards: Shards) -> list[dict[str, Any]]:
    """Return one hold for each destination, of all shards."""
    from common.reports import HoldReport
    from core.fleet.holds import merged_holds

    answers = [answer for answer in shards.values() if answer is not None]
    return [
        asdict(hold)
        for hold in merged_holds(HoldReport(**one) for answer in answers for one in answer["holds"])
    ]


def _away(name: str, holds: Sequence[dict[str, Any]]) -> Iterator[DoctorCheck]:
    for hold in holds[:HOLDS_MAX]:
        yield DoctorCheck(name=name, ok=True, note=True, found=hold_in_words(hold))
    if len(holds) > HOLDS_MAX:
        found = "further destinations are away; see all at the core: borderscout hold list"
        yield DoctorCheck(name=name, ok=True, note=True, found=found)
