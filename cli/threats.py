"""``borderscout threat``: which threats are spam rather than virus, and which are none?"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli.client import Client, TokenFile, Url
from cli.entries import LastDay, Reason, end_us, say_done, say_replaced, shown_end
from cli.output import AsJson, print_lines, print_table, value_text
from common.preferences.threats import ALL_ENGINES, threat_key

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Threats that are spam, or nothing."
)


class ThreatAction(StrEnum):
    IGNORE = "ignore"
    SPAM = "spam"


def _engine(text: str) -> str:
    return _checked(text, text, "any name")


def _name(text: str) -> str:
    return _checked(text, ALL_ENGINES, text)


def _checked(text: str, engine: str, name: str) -> str:
    try:
        threat_key(engine, name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="As the engine names it; * for any characters.", callback=_name
    ),
]
OfEngine = Annotated[
    str, typer.Option("--engine", help="Only of this engine; *: of any.", callback=_engine)
]


@app.command(epilog="Example: borderscout threat add ignore Win.Test.A-1 --until 2030-12-31")
def add(
    action: Annotated[
        ThreatAction, typer.Argument(metavar="ignore|spam", help="No finding at all, or points.")
    ],
    name: Name,
    engine: OfEngine = ALL_ENGINES,
    score: Annotated[float, typer.Option(help="Of spam: its points.", min=0.001, max=100.0)] = 10.0,
    reason: Reason = "",
    until: LastDay = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what threats of a name are, instead of what was said of them before."""
    body = {
        "engine": engine,
        "name": name,
        "action": action,
        "score": score,
        "reason": reason,
        "until_us": end_us(until),
    }
    found = Client(url, token_file).ask("POST", "/api/v1/threats", body=body)
    say_done(found, as_json, f" is {'spam' if action is ThreatAction.SPAM else 'ignored'}")
    if not as_json:
        say_replaced(found["replaced"], body, "action", "score")


@app.command(epilog="Example: borderscout threat remove Win.Test.A-1")
def remove(
    name: Name,
    engine: OfEngine = ALL_ENGINES,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take back what was said: threats of this name are viruses again."""
    query = {"engine": engine, "name": name}
    found = Client(url, token_file).ask("DELETE", "/api/v1/threats", query=query)
    say_done(found, as_json, " is a virus again")


@app.command("list", epilog="Example: borderscout threat list")
def list_(url: Url = "", token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show what is said of threats."""
    found = Client(url, token_file).ask("GET", "/api/v1/threats")["threats"]
    if as_json:
        print_lines(found)
        return
    print_table(
        ("!Engine", "Name", "!Is", ">Points", "Reason", "!Until (UTC)", ">Revision"),
        [
            (
                each["engine"],
                each["name"],
                each["action"],
                value_text(each["score"]) if each["action"] == ThreatAction.SPAM else "-",
                each["reason"],
                shown_end(each["until_us"]),
                each["revision"],
            )
            for each in found
        ],
    )
