"""``borderscout spool``: what is in a satellite's spool? On the satellite, without the core."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.arguments import MessageId, MessageIdOrNone, Yes
from cli.consent import confirm
from cli.explanation import next_try, route, time_left, why
from cli.node import Config, ask
from cli.output import (
    AsJson,
    clock_time,
    coloured,
    console,
    fail,
    octets,
    plain,
    print_facts,
    print_json,
    print_lines,
    seconds_since,
    span,
)
from cli.progress import progress_bar
from cli.renewal import renew_spools
from cli.shards import DoneByShards, OnShard, is_anywhere, messages_of, moved, oldest, pages
from common.counted import counted
from common.ids import MessageId as Id
from common.states import UNFINISHED, State
from satellite.console.questions import (
    BounceAnswer,
    BounceQuestion,
    DropQuestion,
    FlushQuestion,
    FreezeQuestion,
    ListQuestion,
    MessageDescription,
    ResumeQuestion,
    ShowQuestion,
)
from satellite.node.question import as_json

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="A satellite's spool, without the core."
)

AN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
SEE_WHY = "see why with: borderscout spool show {message} --config FILE"
NOT_HERE = "{message} is not in the spool; it may have ended: borderscout track {message}"
NOT_STOPPED = "nothing of it is damaged or frozen"
STOPPED = (State.DAMAGED, State.FROZEN)  # what ends only when an operator says so
STATE_WIDTH = max(map(len, UNFINISHED))
GIVEN_BACK = ("recipients", "told", "silent", "content_lost")  # what --json says of a bounce


def _unfinished(name: str) -> State:
    if name not in UNFINISHED:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(UNFINISHED)}.")
    return State(name)


Destination = Annotated[
    str,
    typer.Option(
        "--destination",
        "--domain",
        metavar="NAME",
        help="Only what goes there: a domain, or HOST:PORT of the smart host.",
    ),
]


@app.command("list", epilog="Example: borderscout spool list --state held --config satellite.yaml")
def list_(
    config: Config,
    state: Annotated[
        State | None,
        typer.Option(
            parser=_unfinished,
            metavar=f"<{'|'.join(UNFINISHED)}>",
            help="Only in this state.",
            show_default=False,
        ),
    ] = None,
    destination: Destination = "",
    limit: Annotated[int, typer.Option(help="Messages at the most.", min=1, max=1000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List messages that have not ended, the oldest first."""
    question = ListQuestion(state=state, destination=destination, limit=limit)
    messages, there_is_more = oldest(pages(partial(ask, config), question), limit=limit)
    if as_json:
        print_lines(map(_as_json, messages))
        return
    for one in messages:
        _print_short(one.message, state, destination)
    if not messages:
        is_narrowed = bool(state or destination)
        console.print(f"no message {'that fits ' * is_narrowed}is in the spool")
    if there_is_more:
        console.print(Text("there are more; see them with --limit, --state, --destination", "dim"))


@app.command(epilog=f"Example: borderscout spool show {AN_ID} --config lon1/satellite.yaml")
def show(message: MessageId, config: Config, as_json: AsJson = False) -> None:
    """Show one message: why it is where it is, when it is tried next, and how long it is kept."""
    found = messages_of(ask(config, ShowQuestion(id=Id(message))))
    if not found:
        fail(NOT_HERE.format(message=message))
    if as_json:
        print_lines(map(_as_json, found))
    else:
        _print_whole(found[0])


@app.command(epilog="Example: borderscout spool flush --destination acme.example --config …")
def flush(
    config: Config,
    message: MessageIdOrNone = "",
    destination: Destination = "",
    as_json: AsJson = False,
) -> None:
    """Try deferred and held mail now: one message, what goes to one destination, or everything."""
    if message and destination:
        fail("name a message or a destination, not both; see borderscout spool --help", status=2)
    if not message:
        answers = ask(config, FlushQuestion(destination=destination))
        _done(answers, f"flushed {destination or 'everything'}", as_json)
        return
    answers = ask(config, FlushQuestion(id=Id(message)))
    _check_here(answers, message, "it waits for no server")
    _done(answers, f"flushed {message}", as_json)


@app.command(epilog=f"Example: borderscout spool freeze {AN_ID} --config lon1/satellite.yaml")
def freeze(
    config: Config,
    message: MessageIdOrNone = "",
    destination: Destination = "",
    as_json: AsJson = False,
) -> None:
    """Stop a message, or all that is here for a destination, until it is resumed."""
    _move(config, FreezeQuestion, "frozen", message, destination, as_json)


@app.command(epilog=f"Example: borderscout spool resume {AN_ID} --config lon1/satellite.yaml")
def resume(
    config: Config,
    message: MessageIdOrNone = "",
    destination: Destination = "",
    as_json: AsJson = False,
) -> None:
    """Let mail go on: what is frozen for a destination; a message, frozen, damaged or waiting."""
    _move(config, ResumeQuestion, "resumed", message, destination, as_json)


@app.command(epilog=f"Example: borderscout spool drop {AN_ID} --config lon1/satellite.yaml --yes")
def drop(message: MessageId, config: Config, yes: Yes = False, as_json: AsJson = False) -> None:
    """Give up a damaged message, whose body cannot be read: its outcome is dropped."""
    confirm(f"{message} would be given up for good, and its sender told nothing", yes=yes)
    answers = ask(config, DropQuestion(id=Id(message)))
    _check_here(answers, message, "it is not damaged")
    _done(answers, f"dropped {message}", as_json)


@app.command(epilog=f"Example: borderscout spool bounce {AN_ID} --config lon1/satellite.yaml --yes")
def bounce(
    message: MessageId,
    config: Config,
    reason: Annotated[
        str, typer.Option(help="Why; the sender reads it, and it stands in the records.")
    ] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End what is damaged or frozen of a message, and tell its sender: the outcome is bounced."""
    confirm(_what_goes_back(config, message), yes=yes)
    answers = ask(config, BounceQuestion(id=Id(message), reason=reason))
    _check_here(answers, message, NOT_STOPPED)
    (found,) = (answer for answer in answers.values() if answer.moved)
    if as_json:
        given = {name: getattr(found, name) for name in GIVEN_BACK}
        print_json({"done": True, "shards": len(answers)} | given)
        return
    console.print(plain(f"bounced {message}: {_heard(found)}"))


@app.command(epilog="Example: borderscout spool renew --config lon1/satellite.yaml --yes")
def renew(config: Config, yes: Yes = False, as_json: AsJson = False) -> None:
    """Begin a new life of this node's spools, with all mail and records that are in them.

    For a spool that the core does not hear, since another one speaks for it or it was put back. The
    core hears this one from then on, and no other of the same shard. Mail goes on.
    """
    confirm("the core would hear this spool from now on, and no copy of it", yes=yes)
    shards = renew_spools(config)
    if as_json:
        print_json({"done": True, "shards": shards})
    else:
        console.print(plain(f"{counted(shards, 'spool')} renewed, or at the next start"))


def _what_goes_back(config: Path, message: str) -> str:
    """Return in words what would end, once there is something."""
    shown = messages_of(ask(config, ShowQuestion(id=Id(message))))
    if not shown:
        fail(NOT_HERE.format(message=message))
    count = sum(one.state in STOPPED for one in shown[0].message.recipients)
    if not count:
        fail(f"{message}: {NOT_STOPPED}; {SEE_WHY.format(message=message)}")
    sender = shown[0].message.sender or "nobody, since it has no sender"
    return f"{message}, for {counted(count, 'recipient')}, would end and go back to {sender}"


def _heard(found: BounceAnswer) -> str:
    """Return in words what a sender hears of mail that went back."""
    parts = [counted(found.recipients or 0, "recipient")]
    if found.told:
        parts.append("its sender is told")
    nobody = "of others it is told nothing" if found.told else "its sender is told nothing"
    parts += [f"{nobody}: {why}" for why in found.silent or ()]
    if found.content_lost:
        parts.append("nothing of the content is returned: it was lost")
    return "; ".join(parts)


def _move(
    config: Path,
    kind: type[FreezeQuestion] | type[ResumeQuestion],
    done: str,
    message: str,
    destination: str,
    as_json: bool,
) -> None:
    if bool(message) == bool(destination):
        fail("name a message or a destination; see borderscout spool --help", status=2)
    if message:
        answers = ask(config, kind(id=Id(message)))
        _check_here(answers, message, f"nothing of it can be {done} now")
        _done(answers, f"{done} {message}", as_json)
        return
    count = 0
    with progress_bar() as step:
        for answers in pages(partial(ask, config), kind(destination=destination)):
            count += moved(answers)
            step(done, count, None)
    if as_json:
        print_json({"done": True, "shards": len(answers), "messages": count})
    else:
        console.print(f"{done} {counted(count, 'message')} for {plain(destination)}")


def _as_json(one: OnShard) -> dict[str, object]:
    return {"shard": one.shard, **as_json(one.message)}


def _print_short(message: MessageDescription, state: State | None, destination: str) -> None:
    """Print a line of the message, and two for each recipient that was asked for."""
    _print_head(message)
    meant = [
        one
        for one in message.recipients
        if (state is None or one.state == state) and destination.lower() in ("", one.destination)
    ]
    now_us = time.time_ns() // 1000
    for one in meant:
        then = next_try(one, now_us=now_us)
        facts = [
            f"next: {then}" if then else "",
            f"left: {left}" if (left := time_left(one)) else "",
        ]
        state_name = coloured(one.state)
        state_name.pad_right(STATE_WIDTH - state_name.cell_len)
        line = Text.assemble("  ", state_name, f"  {plain(one.address)}")
        line.append("".join(f"  {plain(fact)}" for fact in facts if fact))
        console.print(line)
        console.print(Text(f"      {plain(why(one))}", style="dim"))
    hidden = message.recipients_count - len(message.recipients)
    if hidden:
        console.print(Text(f"  and {counted(hidden, 'further recipient')}", style="dim"))


def _print_head(message: MessageDescription) -> None:
    console.print(
        Text.assemble(
            (message.id, "bold"),
            f"  {clock_time(message.received)}  {octets(message.size)}",
            f"  <{plain(message.sender)}>",
        )
    )


def _print_whole(found: OnShard) -> None:
    message = found.message
    _print_head(message)
    age = span(max(0.0, seconds_since(message.received)))
    subject = plain(message.subject or "(no subject yet)")
    facts = [("received", f"{age} ago, shard {found.shard}, {message.origin}")]
    print_facts([*facts, ("subject", subject)])
    now_us = time.time_ns() // 1000
    for one in message.recipients:
        console.print()
        console.print(Text.assemble((plain(one.address), "bold"), "  ", coloured(one.state)))
        tries = f"{one.attempts}, the last answer: {one.reply}" if one.reply else ""
        print_facts(
            [
                ("goes to", route(one)),
                ("why", why(one)),
                ("next try", next_try(one, now_us=now_us)),
                ("time left", time_left(one)),
                ("tries", tries or str(one.attempts)),
            ]
        )
    hidden = message.recipients_count - len(message.recipients)
    if hidden:
        console.print(Text(f"and {counted(hidden, 'further recipient')}", style="dim"))


def _check_here(answers: Mapping[int, DoneByShards], message: str, nothing: str) -> None:
    """End the command when no shard has the message, or there is nothing to be done with it."""
    if not is_anywhere(answers):
        fail(NOT_HERE.format(message=message))
    if not moved(answers):
        fail(f"{message}: {nothing}; {SEE_WHY.format(message=message)}")


def _done(answers: Mapping[int, object], word: str, as_json: bool) -> None:
    if as_json:
        print_json({"done": True, "shards": len(answers)})
    else:
        console.print(plain(word))
