"""Does a node's mail go on: are there decisions to take, customers away, or a worker that stalls?

Touches the node's control socket; of what the core tells of its nodes, pure. Of each kind only so
many are named as a person reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from cli.checks import DoctorCheck, judged
from cli.holds import hold_in_words
from cli.link_checks import link_of_the_node
from cli.metrics_checks import page_of_the_node
from cli.node import ask_at
from cli.shards import first_ids, holds_of, links_of, pages, recipients_in, silent
from common.counted import counted
from common.errors import EnvironmentFailure
from common.states import State
from satellite.console.questions import HoldsQuestion, ListQuestion
from satellite.node.health import StatusAnswer, StatusQuestion
from satellite.node.parent import shards_on_disk

IDS_MAX = 5
STALL_S = 1.0  # a step of a worker's event loop that is a fault; its log tells of shorter ones
HOLDS_MAX = 10
PAGES_MAX = 5  # of a spool in which few messages are meant; each takes two seconds at the most
MEND = (
    "resume it once its body is back: borderscout spool resume ID --config FILE,"
    " or end it: borderscout spool bounce ID --config FILE tells its sender, spool drop nobody"
)
START = (
    "start it: systemctl start borderscout-satellite; why it ended, says"
    " journalctl -u borderscout-satellite"
)
UNSTALL = (
    "see when it was: journalctl -u borderscout-satellite, loop.step_long; the machine may be short"
    " of processor time or its disk slow: top, iostat -x"
)
LET_GO = (
    "let it go on: borderscout spool resume ID --config FILE,"
    " or send it back: borderscout spool bounce ID --config FILE"
)


def mail_of_the_node(state: Path, *, metrics: str) -> Iterator[DoctorCheck]:
    """Yield what is known of a running node's mail; a fault when it ran and does not.

    Args:
        state: its state folder.
        metrics: where it serves its metrics.
    """
    try:
        yield from _mail(state)
        yield page_of_the_node(metrics)
    except EnvironmentFailure as error:
        found = f"not looked at: {error.what}"
        # A machine that is only being set up has no spool yet; or we may not see what there is.
        cause = error.__cause__
        is_down = isinstance(cause, OSError) and not isinstance(cause, PermissionError)
        is_note = not is_down or not shards_on_disk(state)
        yield DoctorCheck(name="spool", ok=is_note, note=is_note, found=found, remedy=START)


def mail_of_a_node(node: Mapping[str, Any]) -> Iterator[DoctorCheck]:
    """Yield the same of a node of which the core tells."""
    name, spool = node["node"], node["spool"]
    damaged, frozen = spool.get("damaged", 0), spool.get("frozen", 0)
    what = f"mail for {counted(damaged, 'recipient')} cannot be read"
    where = f"on {name}: borderscout spool list --config FILE --state"
    yield judged(f"damaged mail at {name}", ((damaged > 0, what),), f"see it {where} damaged")
    if frozen:
        what = f"mail for {counted(frozen, 'recipient')} is stopped; see it {where} frozen"
        yield DoctorCheck(name=f"frozen mail at {name}", ok=True, note=True, found=what)
    yield from _away(f"held mail at {name}", node["holds"])


def _mail(state: Path) -> Iterator[DoctorCheck]:
    answers = ask_at(state, StatusQuestion())
    missing = ", ".join(map(str, silent(answers)))
    yield judged(
        "shards",
        ((bool(missing), f"shard {missing} does not answer"),),
        "it may be starting: look again in a minute; why a worker ended, says"
        " journalctl -u borderscout-satellite",
    )
    yield _stalls(answers)
    yield from link_of_the_node(links_of(answers))
    for shard, answer in answers.items():
        for problem in answer.problems if answer is not None else ():
            yield DoctorCheck(name=f"shard {shard}", ok=True, note=True, found=problem)
    damaged = recipients_in(answers, State.DAMAGED)
    frozen = recipients_in(answers, State.FROZEN)
    if damaged:
        ids = _ids(state, State.DAMAGED)
        found = f"mail for {counted(damaged, 'recipient')} cannot be read: {ids}"
        yield DoctorCheck(name="damaged mail", ok=False, found=found, remedy=MEND)
    else:
        yield DoctorCheck(name="damaged mail", ok=True, found="none")
    if frozen:
        ids = _ids(state, State.FROZEN)
        found = f"mail for {counted(frozen, 'recipient')} is stopped: {ids}"
        yield DoctorCheck(name="frozen mail", ok=True, note=True, found=f"{found}; {LET_GO}")
    holds = holds_of(ask_at(state, HoldsQuestion()))
    yield from _away("held mail", [asdict(hold) for hold in holds])


def _stalls(answers: Mapping[int, StatusAnswer | None]) -> DoctorCheck:
    lags = {shard: found.loop_lag_max_s for shard, found in answers.items() if found is not None}
    stalls = tuple(
        (lag_s >= STALL_S, f"all of shard {shard} waited {lag_s:.1f} s for one step")
        for shard, lag_s in lags.items()
    )
    return judged("event loop", stalls, UNSTALL)


def _ids(state: Path, of: State) -> str:
    """Return the ids of the first messages with a recipient in a state, as a person reads them."""
    question = ListQuestion(state=of, limit=IDS_MAX + 1)
    ids, is_more = first_ids(
        pages(partial(ask_at, state), question), ids_max=IDS_MAX, pages_max=PAGES_MAX
    )
    more = f" and more: borderscout spool list --config FILE --state {of}" if is_more else ""
    return ", ".join(ids) + more


def _away(name: str, holds: Sequence[dict[str, Any]]) -> Iterator[DoctorCheck]:
    for hold in holds[:HOLDS_MAX]:
        yield DoctorCheck(name=name, ok=True, note=True, found=hold_in_words(hold))
    if len(holds) > HOLDS_MAX:
        found = "further destinations are away; see all at the core: borderscout hold list"
        yield DoctorCheck(name=name, ok=True, note=True, found=found)
