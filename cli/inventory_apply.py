"""``borderscout inventory apply``: carry out what an inventory changes.

Touches the inventory's files, the network through the client, and the terminal. What the core gets
is one revision, published only if nobody has changed what the plan starts from. A run that was cut
short leaves nothing behind that the next one has to know of: it looks, and does what is left.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.applied import AppliedRevisions, say_applied, wait_until_applied
from cli.arguments import Yes
from cli.client import Client, CoreFailure, TokenFile, Url
from cli.consent import confirm
from cli.core_documents import PATH
from cli.inventory import File, Json
from cli.inventory_plan import (
    STEP,
    TIMEOUT_S,
    FullPlan,
    KeepOthers,
    Rendered,
    WantedCluster,
    make_plan,
    show,
    stands_when_said,
    wanted_of,
    wanted_settings,
)
from cli.output import complain, console, fail, plain, print_json, say_warnings
from cli.progress import progress_bar
from cli.settings_roll_out import RolledOut, roll_out
from common.counted import counted
from common.errors import LocalError
from inventory.cluster_plan import OWNED, PLAN_VERSION, PlannedChange, why_stale
from inventory.settings_turns import SettingsTurns, turns_of

EXAMPLE = "Example: borderscout inventory apply inventory/example.yaml --yes"
TRIES = 5  # while others publish what is none of the inventory's
CONFLICT = 409
PLAN_BYTES_MAX = 256 << 20
TOLD_MAX = 3  # publications of others that are named

_STILL_NAMED = "core.yaml still names it; render it anew, and copy it to the core"
_REMEDY = "make a new plan with: borderscout inventory plan"


def apply(
    file: File,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="PLAN", help="Carry out just this, or nothing: plan --out."),
    ] = None,
    rendered: Rendered = None,
    keep_others: KeepOthers = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also when more than 30 % of all routes go, and more than 3."),
    ] = False,
    comment: Annotated[str, typer.Option("--comment", help="Why; it stands in the history.")] = "",
    yes: Yes = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Publish what an inventory changes, and let the nodes take their settings one by one.

    Exit 0 when all of it is done, or was before; 1 when something is left to do, which is named:
    apply again then. Without --plan it shows what it will do, and asks.
    """
    client = Client(url, token_file, timeout_s=TIMEOUT_S)
    wanted = wanted_of(file, rendered)
    saved = _saved(plan) if plan is not None else None
    found = make_plan(client, wanted, keep_others=keep_others)
    if saved is not None:
        _refuse_stale(client, saved, found)
    if not as_json:
        show(found)
    if found.cluster.removes_many_routes and not force:
        gone, of = len(found.cluster.removed(OWNED[0])), found.cluster.core.routes
        fail(
            f"{file}: {gone} of {counted(of, 'route')} would go; if it is the right file, say"
            " --force, or --keep-others to remove nothing"
        )
    if saved is None and (found.cluster.changes or found.turns.turns):
        documents = counted(len(found.cluster.changes), "document is", "documents are")
        nodes = counted(len(found.turns.turns), "node begins", "nodes begin")
        confirm(f"{documents} published, {nodes} anew", yes=yes)
    began_s = time.monotonic()
    published = _publish(client, wanted, found, comment=comment, keep_others=keep_others)
    say_warnings(published)
    applied = wait_until_applied(client, published["revision"])
    reached_s = round(time.monotonic() - began_s, 2)
    turns = turns_of(wanted_settings(wanted, found.cluster), stands_when_said(client))
    rolled = roll_out(client, turns.turns, say=_told(as_json))
    published = {**published, "reached_s": reached_s}
    _finish(published, applied, turns, rolled, nodes=wanted.nodes, as_json=as_json)


def _publish(
    client: Client, wanted: WantedCluster, found: FullPlan, *, comment: str, keep_others: bool
) -> dict[str, Any]:
    """Publish what is planned, if what it starts from is still so.

    Somebody who publishes a policy or a list entry meanwhile is no reason to refuse: the plan is
    made again, and must come to the same.
    """
    began = found
    for _ in range(TRIES):
        cluster = found.cluster
        if not cluster.changes:
            return {"revision": cluster.core.revision, "changed": False, "warnings": []}
        said = f"inventory apply, plan {cluster.id[:12]}"
        head = {
            "comment": f"{said}: {comment}"[:500] if comment else said,
            "base": cluster.core.revision,
            "epoch": cluster.core.epoch,
        }
        try:
            answer: dict[str, Any] = client.ask("POST", PATH, parts=_body(head, cluster.changes))
        except CoreFailure as failure:
            if failure.status != CONFLICT:
                raise
            found = make_plan(client, wanted, keep_others=keep_others)
            if found.cluster.changes and found.cluster.id != began.cluster.id:
                _refuse_changed(client, began)
        else:
            return answer
    raise LocalError(
        f"{TRIES} times somebody else published first", hint="apply again in a quieter moment"
    )


def _body(head: Mapping[str, Any], changes: Sequence[PlannedChange]) -> Iterator[bytes]:
    """Yield the request, some documents at a time."""
    with progress_bar() as step:
        yield json.dumps(head)[:-1].encode() + b', "documents": ['
        for first in range(0, len(changes), STEP):
            step("publishing", first, len(changes))
            part = changes[first : first + STEP]
            text = ",".join(json.dumps(one.document()) for one in part)
            yield ("," * bool(first) + text).encode()
        step("the core takes it in", len(changes), None)
        yield b"]}"


def _saved(file: Path) -> dict[str, Any]:
    """Return a plan that was written down.

    Raises:
        LocalError: it is none.
    """
    try:
        if file.stat().st_size > PLAN_BYTES_MAX:
            raise LocalError(f"{file}: is too long for a plan", hint=_REMEDY)
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise LocalError(f"{file}: {error.strerror}", hint=_REMEDY) from None
    except (ValueError, RecursionError):
        raise LocalError(f"{file}: is no plan", hint=_REMEDY) from None
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        raise LocalError(f"{file}: is no plan", hint=_REMEDY)
    if found.get("version") != PLAN_VERSION:
        raise LocalError(f"{file}: is a plan of another version", hint=_REMEDY)
    return found


def _refuse_stale(client: Client, saved: Mapping[str, Any], found: FullPlan) -> None:
    """Refuse a plan that is not what would be done by now.

    Raises:
        LocalError: with all that has changed.
    """
    stale = why_stale(saved, found.cluster)
    if stale:
        since = saved.get("revision")
        others = _publications(client, since) if isinstance(since, int) else ""
        raise LocalError(f"the plan is stale: {'; '.join(stale)}{others}", hint=_REMEDY)


def _refuse_changed(client: Client, began: FullPlan) -> None:
    """Refuse to go on, since somebody changed what the plan starts from.

    Raises:
        LocalError: with who did.
    """
    others = _publications(client, began.cluster.core.revision)
    raise LocalError(
        f"somebody else changed what the plan starts from{others}; nothing was published",
        hint=_REMEDY,
    )


def _publications(client: Client, since: int) -> str:
    """Return who has published something of the inventory's kinds after a revision."""
    found: dict[int, str] = {}
    for kind in OWNED:
        query = {"kind": kind, "limit": TOLD_MAX}
        for each in client.ask("GET", "/api/v1/history", query=query)["revisions"]:
            if each["revision"] > since:
                comment = f": {each['comment']}" if each["comment"] else ""
                found[each["revision"]] = f"revision {each['revision']} by {each['who']}{comment}"
    newest = [found[number] for number in sorted(found)[-TOLD_MAX:]]
    return f" ({', '.join(newest)})" if newest else ""


def _told(as_json: bool) -> Any:
    return complain if as_json else _say


def _finish(
    published: Mapping[str, Any],
    applied: AppliedRevisions,
    turns: SettingsTurns,
    rolled: RolledOut,
    *,
    nodes: Sequence[tuple[str, str]],
    as_json: bool,
) -> None:
    """Print how it ended, and end with exit code 1 when something is left.

    Args:
        nodes: site and name of each that the inventory has.
    """
    known = {node for _, node in nodes}
    strangers = sorted({node for node, _ in applied.pending if node not in known})
    heard = known.difference(turns.to_join)
    waiting = {**turns.waiting, **rolled.untold}
    applied = replace(applied, pending=tuple(one for one in applied.pending if one[0] in heard))
    is_left = bool(applied.pending or waiting or strangers or rolled.failed)
    if as_json:
        print_json(
            {
                "revision": published["revision"],
                "published": published["changed"],
                **applied.as_json(),
                "reached_s": published["reached_s"],
                "still_named": strangers,
                "settings": {
                    "taken": list(rolled.done),
                    "failed": {rolled.failed: rolled.why} if rolled.failed else {},
                    "left": list(rolled.left),
                    "waiting": waiting,
                    "to_join": list(turns.to_join),
                },
            }
        )
    else:
        was = "" if published["changed"] else ": all was published already"
        _say(f"revision {published['revision']}{was}")
        if published["changed"] and applied.nodes:
            reached = counted(len(applied.nodes), "node")
            _say(f"it reached {reached} after {published['reached_s']} s")
        say_applied(applied)
        for node, why in waiting.items():
            _say(f"settings not yet at {node}: {why}", style="yellow")
        for node in strangers:
            _say(f"{node} is in no document any more: {_STILL_NAMED}", style="yellow")
        if turns.to_join:
            _say(
                f"not heard so far: {', '.join(turns.to_join)}; each begins with them when it joins"
            )
    if rolled.failed:
        left = f"; not told because of it: {', '.join(rolled.left)}" if rolled.left else ""
        remedy = "it works with its former settings; correct the inventory and apply again"
        complain(f"{rolled.failed} did not take its settings: {rolled.why}{left}; {remedy}")
    if is_left:
        raise typer.Exit(1)


def _say(line: str, *, style: str | None = None) -> None:
    console.print(plain(line), style=style)
