"""``borderscout spool``: what is in a satellite's spool? On the satellite, without the core."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.arguments import MessageId
from cli.node import Config, ask
from cli.output import (
    AsJson,
    clock_time,
    coloured,
    console,
    fail,
    plain,
    print_json,
    print_lines,
    print_table,
)

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="A satellite's spool, without the core."
)

AN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@app.command("list", epilog="Example: borderscout spool list --config out/lon1/satellite.yaml")
def list_(
    config: Config,
    limit: Annotated[int, typer.Option(help="Messages of each shard.", min=1, max=1000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List messages that have not ended, the oldest first."""
    _print(_messages(ask(config, {"ask": "list", "limit": limit})), as_json)


@app.command(epilog=f"Example: borderscout spool show {AN_ID} --config lon1/satellite.yaml")
def show(message: MessageId, config: Config, as_json: AsJson = False) -> None:
    """Show one message."""
    found = _messages(ask(config, {"ask": "show", "id": message}))
    if not found:
        fail(f"{message} is not in the spool; it may have ended: borderscout track {message}")
    _print(found, as_json)


@app.command(epilog="Example: borderscout spool flush --config out/lon1/satellite.yaml")
def flush(
    config: Config,
    destination: Annotated[str, typer.Option(help="HOST:PORT; left out: everything.")] = "",
    as_json: AsJson = False,
) -> None:
    """Try deferred and held mail now."""
    _done(ask(config, {"ask": "flush", "destination": destination}), "flushed", as_json)


@app.command(epilog=f"Example: borderscout spool freeze {AN_ID} --config lon1/satellite.yaml")
def freeze(message: MessageId, config: Config, as_json: AsJson = False) -> None:
    """Stop the delivery of a message until it is resumed."""
    _done(ask(config, {"ask": "freeze", "id": message}), "frozen", as_json)


@app.command(epilog=f"Example: borderscout spool resume {AN_ID} --config lon1/satellite.yaml")
def resume(message: MessageId, config: Config, as_json: AsJson = False) -> None:
    """Let a frozen message be delivered again."""
    _done(ask(config, {"ask": "resume", "id": message}), "resumed", as_json)


def _messages(shards: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        {"shard": int(shard), **message}
        for shard, answer in shards.items()
        for message in answer["messages"]
    ]
    return sorted(found, key=lambda message: str(message["id"]))


def _print(messages: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_lines(messages)
        return
    for message in messages:
        console.print(
            f"{message['id']}  {clock_time(message['received'])}  {message['size']} octets"
            f"  <{plain(message['sender'])}>"
        )
        rows = [
            (
                one["address"],
                coloured(one["state"]),
                one["attempts"],
                "; ".join(filter(None, (one["reason"], one["reply"]))),
            )
            for one in message["recipients"]
        ]
        print_table(("Recipient", "!State", ">Tries", "Why"), rows, indent=2)


def _done(shards: dict[str, Any], word: str, as_json: bool) -> None:
    if not any(found["done"] for found in shards.values()):
        fail("there is no such message in the spool; see it with: borderscout spool list")
    if as_json:
        print_json({"done": True, "shards": len(shards)})
    else:
        console.print(word)
