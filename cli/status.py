"""``borderscout status``: how is the cluster?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from cli.client import Client, TokenFile, Url
from cli.core_checks import checks_of_the_core
from cli.holds import hold_in_words
from cli.learn import learning_remarks
from cli.output import (
    AsJson,
    age_of,
    clock_time,
    coloured,
    console,
    octets,
    plain,
    print_json,
    print_table,
    span,
)
from cli.tunnel_checks import tunnel_of_the_core
from common.counted import counted

HOLDS_MAX = 20  # shown of one node: a provider with a thousand domains may be away
EXAMPLE = "Example: borderscout status --url http://127.0.0.1:8080 --token-file out/core/token"


def status(url: Url = "", token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show every node: applied revision, lag, what waits, which engines answer, who is held."""
    found = Client(url, token_file).ask("GET", "/api/v1/status")
    if as_json:
        print_json(found)
        return
    console.print(
        f"cluster {plain(found['cluster'])}, core {plain(found['core'])}"
        f" {plain(found['version'])}, revision {found['revision']}"
    )
    print_table(
        ("!Node", "!Site", "!State", ">Applied", ">Lag", ">Queue", ">Outbox", "Engines", "Accepts"),
        [_row(node) for node in found["nodes"]],
    )
    engines = engine_rows(found["nodes"])
    if engines:
        print_table(("!Site", "Engine", "Version", "Definitions", "!Age", "Nodes"), engines)
    _print_checks(found)
    for line in retention_lines(found.get("retention", {})):
        console.print(Text(plain(line), style="dim"))
    for kept, problem in found.get("retention", {}).get("problems", {}).items():
        console.print(Text(plain(f"retention: {kept}: {problem}"), style="red"))
    for problem in found["definitions"]["problems"]:
        console.print(Text(f"definitions: {plain(problem)}", style="yellow"))
    for line in learning_remarks(found.get("learners", ())):
        console.print(Text(f"learning: {plain(line)}", style="yellow"))
    for line in late_remarks(found.get("late", {})):
        console.print(Text(plain(line), style="red"))
    for node in found["nodes"]:
        for line in remarks(node):
            console.print(Text(f"{node['node']}: {plain(line)}", style="yellow"))


def _print_checks(found: dict[str, Any]) -> None:
    """Print what is wrong with the core, and which certificates are to be renewed."""
    from cli.certificate_checks import certificates_of_the_cluster

    certificates = certificates_of_the_cluster(found, now_s=time.time())
    tunnels = tunnel_of_the_core(found, at_s=time.time())
    for check in (*checks_of_the_core(found), *certificates, *tunnels):
        if check.note:
            console.print(Text(plain(f"{check.name}: {check.found}"), style="yellow"))
        if not check.ok:
            console.print(Text(plain(f"{check.name}: {check.found}; {check.remedy}"), style="red"))


def engine_rows(nodes: Sequence[dict[str, Any]]) -> list[tuple[object, ...]]:
    """Return what each site's engines work with: a row for each version, and who has it."""
    found: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for node in nodes:
        for engine in node["engines"]:
            said = (engine["version"], engine["definitions"])
            if any(said):
                group = found.setdefault((node["site"], engine["name"], *said), [])
                group.append((node["node"], engine["definitions_us"]))
    return [
        (*group, age_of(min(made_us for _, made_us in members)), " ".join(n for n, _ in members))
        for group, members in found.items()
    ]


def late_remarks(late: dict[str, Any]) -> list[str]:
    """Return what an operator should know of mail that was delivered too early, a line each."""
    found = [
        f"{node} names so many threats that no more of them are compared for now"
        for node in late.get("silenced", ())
    ]
    if late.get("messages"):
        many = counted(late["messages"], "message")
        found.append(
            f"{many} delivered before it was known what they hold, the last found at"
            f" {clock_time(late['newest'])} UTC; see: borderscout report late"
        )
    return found


def retention_lines(report: dict[str, Any]) -> list[str]:
    """Return what the core keeps, and when it last looked for what may go, a line each."""
    if not report.get("last"):
        return []
    kept = [
        f"{one['name'].replace('_', ' ')} {one['rows']} of {counted(one['days'], 'day')}"
        for one in report["classes"]
        if one["rows"]
    ]
    room = f"database {octets(report['database_bytes'])}, {octets(report['unused_bytes'])} unused"
    last, following = clock_time(report["last"]), clock_time(report["next"])
    return [
        f"kept, about: {', '.join(kept) or 'nothing'}",
        f"{room}; swept {last}, next {following} UTC",
    ]


def _row(node: dict[str, Any]) -> tuple[object, ...]:
    engines = Text(" ").join(
        Text(plain(engine["name"]), style="green" if engine["answering"] else "red")
        for engine in node["engines"]
    )
    return (
        node["node"],
        node["site"],
        coloured(node["state"]),
        "-" if node["applied"] is None else node["applied"],
        "unknown" if node["lag"] is None else node["lag"],
        sum(node["spool"].values()),
        node["outbox_records"] + node["outbox_quarantine"],
        engines,
        _accepts(node),
    )


def _accepts(node: dict[str, Any]) -> str:
    """Return whether it takes mail, which nobody knows of a node that is not heard."""
    if node["state"] == "silent":
        return "unknown"
    return "yes" if node["accepting"] else "no"


def remarks(node: dict[str, Any]) -> list[str]:
    """Return what an operator should know of a node, a line each."""
    found = list(node["problems"])
    if node["not_accepting_reason"]:
        found.append(f"accepts no mail: {node['not_accepting_reason']}")
    refused = node["refused"]
    if refused is not None and not node["core_refused"]:  # or else a problem says it
        what = f"{refused['kind']} {refused['key']}".strip()  # none: it refused the core itself
        why = ": ".join(filter(None, (what, refused["reason"])))
        found.append(f"refused revision {refused['revision']}: {why}")
    found.extend(
        f"engine {engine['name']} does not answer: {engine['detail']}"
        for engine in node["engines"]
        if not engine["answering"]
    )
    found.extend(hold_in_words(hold) for hold in node["holds"][:HOLDS_MAX])
    more = len(node["holds"]) - HOLDS_MAX
    if more > 0:
        found.append(f"{counted(more, 'further destination')} away; see borderscout hold list")
    if node["state"] == "silent":
        heard = node["heard_s_ago"]
        found.append("was never heard" if heard is None else f"last heard {span(heard)} ago")
    return found
