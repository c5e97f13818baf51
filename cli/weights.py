"""``borderscout weight``: how many points do filters' tests have, instead of their own?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.arguments import Scope
from cli.client import Client, TokenFile, Url
from cli.entries import Reason, say_done
from cli.output import AsJson, fail, print_lines, print_table, value_text
from common.preferences.scopes import Scope as ParsedScope
from common.preferences.weights import weight_key

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Points of filters' tests, by scope."
)


def _test(text: str) -> str:
    try:
        weight_key(ParsedScope.parse("cluster"), text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


TestName = Annotated[
    str,
    typer.Argument(
        metavar="TEST", help="As the header shows it; * at its end: all such.", callback=_test
    ),
]


@app.command("set", epilog="Example: borderscout weight set domain/acme.example RULE_LOTTERY 1.5")
def set_(
    scope: Scope,
    test: TestName,
    points: Annotated[
        float | None, typer.Argument(metavar="[POINTS]", help="0 switches the test off.")
    ] = None,
    factor: Annotated[
        float | None, typer.Option(help="Instead of POINTS: times its own.", min=0.0, max=10.0)
    ] = None,
    reason: Reason = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Give a test other points, for those in a scope; the nearest scope counts.

    Negative points stand after --: borderscout weight set -- cluster DNSBL_GOOD -2
    """
    if (points is None) == (factor is None):
        fail("name either POINTS or --factor", status=2)
    body: dict[str, Any] = {"scope": scope, "test": test, "reason": reason}
    body |= {"score": points} if points is not None else {"factor": factor}
    found = Client(url, token_file).ask("PUT", "/api/v1/weights", body=body)
    before = found["replaced"]
    was = f" (before: {weight_in_words(before)})" if before is not None else ""
    say_done(found, as_json, f" counts {weight_in_words(body)}{was}")


def weight_in_words(entry: dict[str, Any]) -> str:
    """Return what a weight does, as people say it."""
    if entry.get("score") is not None:
        score = value_text(entry["score"])
        return f"{score} {'point' if score == '1' else 'points'}"
    return f"{value_text(entry['factor'])} times its own points"


@app.command(epilog="Example: borderscout weight remove domain/acme.example RULE_LOTTERY")
def remove(
    scope: Scope,
    test: TestName,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Give a test its own points back, or those of a wider scope."""
    query = {"scope": scope, "test": test}
    found = Client(url, token_file).ask("DELETE", "/api/v1/weights", query=query)
    say_done(found, as_json, " has no weight of its own any more")


@app.command("list", epilog="Example: borderscout weight list")
def list_(url: Url = "", token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show all weights."""
    found = Client(url, token_file).ask("GET", "/api/v1/weights")["weights"]
    if as_json:
        print_lines(found)
        return
    print_table(
        ("!Scope", "!Test", "Counts", "Reason", ">Revision"),
        [
            (each["scope"], each["test"], weight_in_words(each), each["reason"], each["revision"])
            for each in found
        ],
    )
