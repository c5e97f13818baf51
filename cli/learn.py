"""``borderscout learn``: what do customers teach the filters, and how far have those learned?"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.arguments import Yes
from cli.client import Client, CoreFailure, TokenFile, Url
from cli.consent import confirm
from cli.mail_on_disk import messages_in
from cli.output import (
    AsJson,
    complain,
    console,
    fail,
    octets,
    plain,
    print_json,
    print_table,
    when,
)
from common.counted import counted
from common.ids import is_ulid

PATH = "/api/v1/lessons"

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What customers teach the filters."
)

Told = Annotated[
    list[str],
    typer.Argument(
        metavar="ID|FILE...",
        help="A message of the quarantine, or an .eml, mbox, Maildir or folder.",
    ),
]
Customer = Annotated[str, typer.Option(help="For whom; a message of the quarantine may tell.")]


@app.command(epilog="Example: borderscout learn spam report.eml --customer acme")
def spam(
    what: Told,
    customer: Customer = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say that messages are spam, for one customer."""
    _tell("spam", what, customer, Client(url, token_file), as_json=as_json)


@app.command(epilog="Example: borderscout learn ham 01ARZ3NDEKTSV4RRFFQ69G5FAV")
def ham(
    what: Told,
    customer: Customer = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say that messages are honest, for one customer."""
    _tell("ham", what, customer, Client(url, token_file), as_json=as_json)


@app.command(epilog="Example: borderscout learn status")
def status(url: Url = "", token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show who has told how many lessons, and how far each learner is."""
    found = Client(url, token_file).ask("GET", PATH)
    if as_json:
        print_json(found)
        return
    if not found["learners"]:
        console.print("no node has a filter that learns; see docs/filters.md, Learning")
    else:
        print_table(
            ("!Node", "!Learner", ">Waiting", ">Learned", ">Known", ">Refused", "!Heard", "Last"),
            [_row(each) for each in found["learners"]],
        )
    if found["customers"]:
        print_table(
            ("Customer", ">Spam", ">Ham", ">Size"),
            [
                (each["customer"], each["spam"], each["ham"], octets(each["octets"]))
                for each in found["customers"]
            ],
        )


@app.command(epilog="Example: borderscout learn again lon1")
def again(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Whose learners forgot.")],
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell a node's learners all lessons anew, such as after their database was lost."""
    found = Client(url, token_file).ask("POST", f"{PATH}/again", body={"node": node})
    if as_json:
        print_json(found)
        return
    console.print(f"{node} is told anew what it was told before: {found['lessons']}")


@app.command(epilog="Example: borderscout learn forget acme --yes")
def forget(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER")],
    yes: Yes = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Remove a customer's lessons from the core; what was learned of them stays learned."""
    client = Client(url, token_file)
    confirm(f"remove all lessons of {plain(customer)} from the core?", yes=yes)
    found = client.ask("DELETE", PATH, query={"customer": customer})
    if as_json:
        print_json(found)
        return
    console.print(f"{counted(found['lessons'], 'lesson')} removed")


def learning_remarks(learners: Sequence[dict[str, Any]]) -> list[str]:
    """Return what an operator should know of the filters that learn, a line each."""
    return [
        f"{each['node']}: {each['learner']}: {counted(each['waiting'], 'lesson')} waiting,"
        f" {each['refused']} refused{': ' * bool(each['reason'])}{each['reason']}"
        for each in learners
        if each["waiting"] or each["refused"]
    ]


def _tell(truth: str, what: Sequence[str], customer: str, client: Client, *, as_json: bool) -> None:
    new, before, wrong = 0, 0, 0
    for name, asked in _asked(what):
        try:
            found = client.ask("POST", PATH, body=asked | {"truth": truth, "customer": customer})
        except CoreFailure as error:
            if len(what) == 1 and "message_id" in asked:
                raise
            complain(f"{name}: {error.what}; {error.hint}")
            wrong += 1
            continue
        new, before = new + found["is_new"], before + (not found["is_new"])
    if as_json:
        print_json({"new": new, "known": before, "refused": wrong})
    else:
        console.print(
            f"{counted(new, 'lesson')} kept for the filters that learn,"
            f" {before} known before, {wrong} refused"
        )
    if wrong or not new + before:
        raise typer.Exit(1)


def _asked(what: Sequence[str]) -> Any:
    for each in what:
        if is_ulid(each) and not Path(each).exists():
            yield each, {"message_id": each}
            continue
        if not Path(each).exists():
            fail(f"{each}: there is no such file, nor is it an id of the quarantine", status=2)
        for name, message in messages_in([Path(each)]):
            yield name, {"message": base64.b64encode(message).decode("ascii")}


def _row(each: dict[str, Any]) -> tuple[object, ...]:
    counts = tuple(each[name] for name in ("waiting", "learned", "known", "refused"))
    return (each["node"], each["learner"], *counts, when(each["heard_us"]), each["reason"])
