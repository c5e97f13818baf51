"""``borderscout inventory plan``: what would change if this inventory were applied?

Touches the inventory's files, the network through the client, and the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client, TokenFile, Url
from cli.core_documents import CoreDocuments
from cli.inventory import File, Json, read
from cli.output import console, fail, plain, print_json
from cli.polling import Glance, poll
from cli.progress import progress_bar
from common.counted import counted
from common.durable import write_where_named
from common.errors import EnvironmentFailure
from common.preferences import Document, Kind
from common.preferences.documents import canonical_json, check_document
from inventory.cluster_plan import OWNED, ClusterPlan, PlanMaker, PlannedChange, plan_json
from inventory.differences import ValueDifference, differences
from inventory.documents import documents_of
from inventory.model import Inventory
from inventory.node_documents import node_documents
from inventory.ports import PORTS_FILE, known_ports, was_on_loopback
from inventory.settings_turns import SettingsStand, SettingsTurns, WantedSettings, turns_of

EXAMPLE = "Example: borderscout inventory plan inventory/example.yaml --out plan.json"
CHANGES = 2  # exit code: there is something to apply
SHOWN_MAX = 20  # documents of one kind that are added or changed; what is removed is shown in full
STEP = 1_000  # documents between two steps of the bar
TIMEOUT_S = 600.0  # of the core's answers: a hundred thousand documents take their time
PUBLIC = 0o644
LOOK_S = 0.5
JUST_BEGUN_S = 5.0  # a node that has begun says within that what settings it works with

Rendered = Annotated[
    Path | None,
    typer.Option(
        "--rendered",
        metavar="DIR",
        help="The rendered folder; needed for a cluster on loopback, whose ports it has.",
    ),
]
KeepOthers = Annotated[
    bool,
    typer.Option(
        "--keep-others",
        help="Remove nothing: leave routes and weights that somebody else has published.",
    ),
]


def plan(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PLAN", help="Write the plan for inventory apply --plan."),
    ] = None,
    rendered: Rendered = None,
    keep_others: KeepOthers = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Say what applying an inventory would change, at the core and at each node.

    Nothing is changed. Exit 0 when all is so already, 2 when something would change, 1 on errors.
    """
    client = Client(url, token_file, timeout_s=TIMEOUT_S)
    found = make_plan(client, wanted_of(file, rendered), keep_others=keep_others)
    if out is not None:
        text = json.dumps(plan_json(found.cluster), indent=1) + "\n"
        try:
            write_where_named(out, text.encode(), mode=PUBLIC)
        except OSError as error:
            what = f"{out}: {error.strerror}"
            raise EnvironmentFailure(what, hint="name another file") from None
    if as_json:
        print_json(found.as_json())
    else:
        show(found)
    if not found.is_empty:
        raise typer.Exit(CHANGES)


@dataclass(frozen=True, slots=True)
class WantedCluster:
    """What an inventory gives to the core.

    Args:
        documents: all of them.
        nodes: site and name of each node, in the inventory's order.
    """

    documents: tuple[Document, ...]
    nodes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FullPlan:
    """What applying would publish, and which nodes would take their settings then.

    Args:
        cluster: what is published.
        turns: the nodes, as they stand now.
    """

    cluster: ClusterPlan
    turns: SettingsTurns

    @property
    def hint(self) -> str:
        """What may be wrong with the command that was typed; empty: nothing that is seen."""
        moved = [
            one.key
            for one in self.cluster.changes
            if one.kind is Kind.NODE
            and one.before is not None
            and one.after is not None
            and _is_on_loopback(one.before)
            and not _is_on_loopback(one.after)
        ]
        if not moved:
            return ""
        return (
            f"{', '.join(moved[:3])} would move from a port of 127.0.0.1 to port 25:"
            " of a cluster on loopback, name its rendered folder with --rendered DIR"
        )

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do, and nothing that waits for somebody."""
        return not (self.cluster.changes or self.turns.turns or self.turns.waiting)

    def as_json(self) -> dict[str, Any]:
        """Return the plan for programs, with the values that change and no secret."""
        told = plan_json(self.cluster)
        for shown, change in zip(told["changes"], self.cluster.changes, strict=True):
            shown["differences"] = [
                {"place": one.place, "before": one.before, "after": one.after}
                for one in _differences(change)
            ]
        return told | {
            "restarts": [{"site": one.site, "node": one.node} for one in self.turns.turns],
            "waiting": dict(self.turns.waiting),
            "to_join": list(self.turns.to_join),
            "hint": self.hint,
        }


def wanted_of(file: Path, rendered: Path | None) -> WantedCluster:
    """Return what an inventory gives; with errors, print them and end with exit code 1."""
    inventory = read(file)
    ports = None
    if rendered is not None:
        if not rendered.is_dir():
            fail(f"{rendered}: is no rendered folder; name the DIR of inventory render", status=2)
        ports = _ports(inventory, rendered)
    documents = [*documents_of(inventory), *node_documents(inventory, ports)]
    with progress_bar() as step:
        for number, document in enumerate(documents):
            if number % STEP == 0:
                step("checking the inventory's documents", number, len(documents))
            check_document(document)
    nodes = tuple((site.name, node.name) for site, node in inventory.nodes())
    return WantedCluster(tuple(documents), nodes)


def make_plan(client: Client, wanted: WantedCluster, *, keep_others: bool) -> FullPlan:
    """Compare an inventory with what the core has.

    Raises:
        CoreFailure: the core does not say.
    """
    maker = PlanMaker(wanted.documents, keeps_others=keep_others)
    found = CoreDocuments(client, OWNED)
    with progress_bar() as step:
        for number, one in enumerate(found):
            if number % STEP == 0:
                step("comparing with the core", number, len(wanted.documents))
            maker.take(Kind(one["kind"]), one["key"], canonical_json(one["body"]))
    cluster = maker.plan(epoch=found.epoch, revision=found.revision)
    return FullPlan(cluster, turns_of(wanted_settings(wanted, cluster), stands_when_said(client)))


def wanted_settings(wanted: WantedCluster, cluster: ClusterPlan) -> list[WantedSettings]:
    """Return which settings each node shall have, in the inventory's order."""
    bodies = {one.key: one.body for one in wanted.documents if one.kind == Kind.NODE}
    before = {one.key: one.before for one in cluster.changes if one.kind is Kind.NODE}
    return [
        WantedSettings(
            site, node, _digest(bodies[node]), _digest(before.get(node, bodies[node]) or b"{}")
        )
        for site, node in wanted.nodes
    ]


def stands_at(client: Client) -> dict[str, SettingsStand]:
    """Return how each node stands with its settings, as the core says."""
    nodes = client.ask("GET", "/api/v1/status")["nodes"]
    return {node["node"]: SettingsStand.of(node) for node in nodes}


def stands_when_said(client: Client) -> dict[str, SettingsStand]:
    """Return how each node stands; one that has just begun has some seconds to say so.

    Until it does it looks like one of a version before, which never says it and is not waited for
    any longer: its turn would be passed over, although it works with former settings.
    """

    def look(_waited_s: float) -> Glance[dict[str, SettingsStand]]:
        stands = stands_at(client)
        said = [bool(one.state or not one.is_heard) for one in stands.values()]
        return Glance(stands, all(said), "nodes that have begun say it", sum(said), len(said))

    again = "type this again"
    return poll(look, every_s=LOOK_S, within_s=JUST_BEGUN_S, interrupted=again).found


def show(found: FullPlan) -> None:
    """Print a plan for people."""
    cluster = found.cluster
    if found.is_empty:
        _say(f"nothing to do: the core has all of it at revision {cluster.core.revision}")
    for kind in OWNED:
        changes = [one for one in cluster.changes if one.kind is kind]
        if changes:
            _say(f"{kind}: {_counts(changes)}")
            _show_changes(changes)
    if cluster.removes_many_routes:
        gone, all_of_them = len(cluster.removed(Kind.ROUTE)), cluster.core.routes
        _say(
            f"{gone} of {counted(all_of_them, 'route')} go: apply needs --force for that",
            style="red",
        )
    _show_turns(found.turns)
    if found.hint:
        _say(found.hint, style="yellow")
    if cluster.changes:
        _say(f"plan {cluster.id[:12]}, from revision {cluster.core.revision}")


def _show_turns(turns: SettingsTurns) -> None:
    if turns.turns:
        names = ", ".join(f"{one.node} ({one.site})" for one in turns.turns)
        _say(f"then, one after the other, with their new settings, begin anew: {names}")
    for node, why in turns.waiting.items():
        _say(f"not now: {node}: {why}", style="yellow")
    if turns.to_join:
        names = ", ".join(turns.to_join)
        _say(f"not heard so far, begin with their settings when they join: {names}")


def _show_changes(changes: Iterable[PlannedChange]) -> None:
    shown = hidden = 0
    for change in changes:
        if change.after is not None and shown >= SHOWN_MAX:
            hidden += 1
            continue
        shown += change.after is not None
        _say(f"  {_SIGNS[change.action]} {change.key}")
        if change.action == "change":
            for difference in _differences(change):
                _say(f"      {difference}")
    if hidden:
        _say(f"  and {hidden} more that are added or changed; --json has them all")


def _differences(change: PlannedChange) -> Iterator[ValueDifference]:
    if change.before is None or change.after is None:
        return
    yield from differences(_shown_body(change.before), _shown_body(change.after))


def _shown_body(body: bytes) -> dict[str, Any]:
    """Return a body without what only repeats something else in it."""
    tree: dict[str, Any] = json.loads(body)
    tree.pop("digest", None)  # of the settings, which are shown
    return tree


def _counts(changes: Iterable[PlannedChange]) -> str:
    counted: dict[str, int] = {}
    for change in changes:
        counted[change.action] = counted.get(change.action, 0) + 1
    words: Mapping[str, str] = {"add": "added", "change": "changed", "remove": "removed"}
    return ", ".join(
        f"{counted[action]} {word}" for action, word in words.items() if action in counted
    )


def _ports(inventory: Inventory, rendered: Path) -> dict[str, dict[str, int]] | None:
    """Return the ports of a cluster on loopback; None: the folder is of a real one."""
    if not was_on_loopback(rendered):
        return None
    ports = known_ports(rendered / PORTS_FILE)
    missing = [node.name for _, node in inventory.nodes() if node.name not in ports]
    if missing:
        fail(f"{rendered}: has no ports of {', '.join(missing)}; render the inventory first")
    return ports


def _is_on_loopback(body: bytes) -> bool:
    """Say whether a node's document lets it take mail on this machine alone."""
    listen = json.loads(body).get("settings", {}).get("smtp", {}).get("listen", ())
    return bool(listen) and all(str(one).startswith(("127.", "[::1]")) for one in listen)


def _digest(body: bytes) -> str:
    return str(json.loads(body).get("digest", ""))


def _say(line: str, *, style: str | None = None) -> None:
    console.print(plain(line), style=style)


_WORDS: Mapping[str, str] = {"add": "added", "change": "changed", "remove": "removed"}
_SIGNS: Mapping[str, str] = {"add": "+", "change": "~", "remove": "-"}
