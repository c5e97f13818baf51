"""``borderscout inventory decommission``: how is a node taken out of service, and nothing lost?

Touches the inventory's files, DNS, the network through the client, and the terminal. Whoever is
interrupted types it again, and goes on: each step is seen in what the core says.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.client import Client, CoreFailure, TokenFile, Url
from cli.inventory import File, read
from cli.joining import NOT_FOUND, NodeName
from cli.output import AsJson, console, fail, plain, print_json, span
from cli.polling import Glance, poll
from cli.progress import progress_bar
from common.counted import counted
from common.settings.values import checked_resolver
from inventory.decommissioning import LeavingNode, LeavingStep, next_step
from inventory.model import Inventory
from inventory.mx.leads import mx_leads

EXAMPLE = "Example: borderscout inventory decommission lon1 inventory.yaml"
LOOK_S = 2.5  # a node reports every two seconds
SHOWN_MAX = 5  # domains that are named
WAIT_S = 3_600.0


def _resolver(text: str) -> str:
    try:
        return checked_resolver(text) if text else ""
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def decommission(
    node: NodeName,
    file: File,
    resolver: Annotated[
        str,
        typer.Option(
            "--resolver",
            metavar="ADDRESS:PORT",
            help="Ask this one where mail goes; left out: the system's.",
            callback=_resolver,
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Although DNS leads mail to it; senders have to wait.")
    ] = False,
    lost: Annotated[
        bool, typer.Option("--lost", help="It is silent for ever: what it holds is lost.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Let it take mail again, instead; until it is revoked.")
    ] = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a node out of service: it takes no mail, is emptied, and nothing of it is let in.

    It refuses while an MX leads to the node, and never revokes one that has mail; of a silent one
    it says how much it is known to hold. Interrupted, type it again. Exit 0 when it is done, 1
    when something has to be done before; of a node whose keys were rendered it says what.
    """
    _refuse_contradiction(node, resume=resume, lost=lost, force=force, resolver=resolver)
    client = Client(url, token_file)
    if resume:
        if _stand(client, node).was_revoked:
            fail(
                f"{node} was revoked, and takes no mail for the core any more; to let it join"
                f" again: borderscout inventory join-token {node}"
            )
        _drain(client, node, on=False)
        _say({"node": node, "done": False, "draining": False}, f"{node} takes mail again", as_json)
        return
    inventory = read(file)
    if not force:
        addresses = _addresses(client, inventory, node)
        if addresses:
            _refuse_leading(inventory, node, addresses, resolver)
        elif not _is_out(_stand(client, node), is_lost=lost):
            fail(
                f"neither {file} nor a document of the core says where {node} takes mail, so that"
                " nobody can look whether DNS leads there; name an inventory that still has it, or"
                " say --force"
            )
    left = _emptied(client, node, is_lost=lost)
    if left.is_member:
        client.ask("POST", f"/api/v1/members/{quote(node, safe='')}/revoke")
    _finish(inventory, node, left=left, is_revoked=left.is_member, as_json=as_json)


def _refuse_contradiction(
    node: str, *, resume: bool, lost: bool, force: bool, resolver: str
) -> None:
    """Refuse options of which one would have to be passed over; exit code 2."""
    if resume:
        given = {"--lost": lost, "--force": force, "--resolver": bool(resolver)}
        for option in (option for option, is_given in given.items() if is_given):
            fail(
                f"--resume lets {node} take mail again, and {option} is about taking it out of"
                " service; say one of the two",
                status=2,
            )
    elif force and resolver:
        fail(
            "--force does not look at DNS, and --resolver says where to look; say one of the two",
            status=2,
        )


def _refuse_leading(inventory: Inventory, node: str, addresses: list[str], resolver: str) -> None:
    """Refuse a node that mail still comes to."""
    domains = [domain.name for _, domain in inventory.domains()]
    with progress_bar(says_lines=True) as progress:
        found = asyncio.run(mx_leads(domains, addresses, resolver=resolver, progress=progress))
    if found.leading:
        named = ", ".join(found.leading[:SHOWN_MAX])
        many = counted(len(found.leading), "domain")
        fail(
            f"DNS leads mail of {many} to {node}: {named}; give its site state: drain, bring that"
            " to DNS with borderscout mx apply, wait for the old records' time, or say --force"
        )
    if found.unknown:
        named = ", ".join(found.unknown[:SHOWN_MAX])
        fail(
            f"DNS does not say where mail of {counted(len(found.unknown), 'domain')} goes: {named};"
            " try again, name a --resolver, or say --force"
        )


def _addresses(client: Client, inventory: Inventory, node: str) -> list[str]:
    """Return where the world reaches a node: as the inventory says, or else the core's document."""
    for _, one in inventory.nodes():
        if one.name == node:
            return list(one.public)
    found = client.ask("GET", "/api/v1/documents", query={"kind": "node"})["documents"]
    bodies = [document["body"] for document in found if document["key"] == node]
    return [address for body in bodies for address in body.get("addresses", ())]


def _emptied(client: Client, node: str, *, is_lost: bool) -> LeavingNode:
    """Let a node empty itself, and return how it stands once it is empty, given up, or revoked."""
    most = empty_looks = 0

    def look(_waited_s: float) -> Glance[LeavingNode]:
        nonlocal most, empty_looks
        stand = _stand(client, node)
        empty_looks = empty_looks + 1 if stand.is_draining and not stand.left else 0
        most = max(most, stand.left)
        step = next_step(stand, empty_looks=empty_looks, is_given_up=is_lost)
        match step:
            case LeavingStep.LOST:
                fail(_held_by_silent(node, stand))
            case LeavingStep.DRAIN:
                _drain(client, node, on=True)
                return Glance(stand, False, f"{node} is told to take no mail")
        if stand.is_restarting and not stand.is_draining:
            return Glance(stand, False, f"{node} begins anew with other settings")
        is_over = step in (LeavingStep.DONE, LeavingStep.REVOKE)
        what = f"{node} has {stand.left} left"
        return Glance(stand, is_over, what, most - stand.left, most or 1)

    goes_on = (
        f"{node} goes on emptying itself: type this again, or --resume to let it take mail again"
    )
    seen = poll(look, every_s=LOOK_S, within_s=WAIT_S, interrupted=goes_on)
    if not seen.is_over and not seen.found.is_draining:
        fail(
            f"{seen.what}, still after {span(WAIT_S)}; see borderscout status, and type this again"
        )
    if not seen.is_over:
        fail(
            f"{node} still has {_held(seen.found)}; see borderscout hold list and borderscout"
            " status; it goes on emptying itself, and this may be typed again"
        )
    return seen.found


def _is_out(stand: LeavingNode, *, is_lost: bool) -> bool:
    """Say whether nothing is left to be lost or let in, wherever DNS leads."""
    return next_step(stand, empty_looks=0, is_given_up=is_lost) is LeavingStep.DONE


def _held_by_silent(node: str, stand: LeavingNode) -> str:
    if not stand.is_named:
        return (
            f"the core lets {node} in no more, before it was seen to be empty, and it"
            f" {_known(stand)}, as of its last report; put it back into the inventory and apply"
            " that, or say --lost: what it holds is given up then"
        )
    return (
        f"{node} is silent, and {_known(stand)}, as of its last report; start it, or if it never"
        " comes back say --lost: what it holds is given up then, and nothing that it has is let in"
        " any more"
    )


def _known(stand: LeavingNode) -> str:
    return f"is known to hold {_held(stand)}" if stand.left else "is not known to hold anything"


def _held(stand: LeavingNode) -> str:
    recipients = counted(stand.recipients, "recipient")
    others = counted(stand.outbox, "record or quarantined message", "records and quarantined mail")
    return f"mail for {recipients} and {others} that are nowhere else"


def _stand(client: Client, node: str) -> LeavingNode:
    nodes = client.ask("GET", "/api/v1/status")["nodes"]
    members = client.ask("GET", "/api/v1/members")["members"]
    shown = next((one for one in nodes if one["node"] == node), None)
    member = next((one for one in members if one["node"] == node), None)
    if shown is not None:
        return LeavingNode.of(shown, member)
    said = _last_report(client, node)
    if said is None and member is None:
        fail(f"the core knows no node {node}; borderscout status shows those that it knows")
    return LeavingNode.former(said, member)


def _last_report(client: Client, node: str) -> dict[str, Any] | None:
    """Return what a node said last that nothing names any more; None: it was never heard."""
    try:
        said: dict[str, Any] = client.ask(
            "GET", f"/api/v1/nodes/{quote(node, safe='')}/last-report"
        )
    except CoreFailure as failure:
        if failure.status != NOT_FOUND:
            raise
        return None
    return said


def _drain(client: Client, node: str, *, on: bool) -> None:
    client.ask("POST", f"/api/v1/nodes/{quote(node, safe='')}/drain", body={"on": on})


def _finish(
    inventory: Inventory, node: str, *, left: LeavingNode, is_revoked: bool, as_json: bool
) -> None:
    """Say what was done, and what is left to do."""
    is_done = is_revoked or left.was_revoked or left.is_shut_out
    is_in_file = node in {one.name for _, one in inventory.nodes()}
    to_do = []
    if is_in_file:
        to_do.append(f"take {node} out of the inventory, and: borderscout inventory apply FILE")
    if not is_done:
        to_do += [
            "its keys were rendered, and core.yaml names it: borderscout inventory render FILE"
            " --out DIR, and install DIR/core on the core's machine",
            "type this again then: it ends with 0 once nothing that the node has is let in",
        ]
    to_do.append(f"stop the machine of {node}, and delete its disk: its mail was on it")
    if as_json:
        print_json(
            {
                "node": node,
                "done": is_done,
                "lost": {"recipients": left.recipients, "outbox": left.outbox},
                "to_do": to_do,
            }
        )
    else:
        _show(node, left, is_done=is_done, to_do=to_do)
    if not is_done:
        raise typer.Exit(1)


def _show(node: str, left: LeavingNode, *, is_done: bool, to_do: list[str]) -> None:
    # A silent one was not told: it takes mail should it ever start again.
    lost = f" with {_held(left)}" if left.left and not left.was_revoked else ""
    told = " and takes no mail" if left.is_draining and left.is_heard else ""
    keys = "nothing that it has is let in" if is_done else "what it has is still let in"
    console.print(plain(f"{node} is out of service{lost or told}; {keys}"), soft_wrap=True)
    for line in to_do:
        console.print(plain(f"left to do: {line}"), soft_wrap=True)


def _say(facts: dict[str, Any], words: str, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        console.print(plain(words))
