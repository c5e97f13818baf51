"""``borderscout policy``: what is done with mail, and who said so?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.arguments import Address, Scope, ScopeOrAll
from cli.client import Client, TokenFile, Url
from cli.holds import order_in_words
from cli.output import AsJson, console, fail, plain, print_json, print_lines, print_table, when
from common.preferences import POLICY_KEYS

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Policies and their history.")

Comment = Annotated[str, typer.Option("--comment", help="Why; it stands in the history.")]


@app.command(epilog="Example: borderscout policy show domain/acme.example")
def show(
    scope: ScopeOrAll = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what one scope sets, or every document when no scope is named."""
    client = Client(url, token_file)
    if scope:
        found = client.ask("GET", f"/api/v1/policies/{quote(scope)}")
        if as_json:
            print_json(found)
        else:
            values = [(key, _shown(value)) for key, value in found["values"].items()]
            print_table(("!Key", "Value"), values, title=found["scope"])
        return
    documents = client.ask("GET", "/api/v1/documents")["documents"]
    if as_json:
        print_lines(documents)
    else:
        rows = [
            (each["kind"], each["key"], json.dumps(each["body"], ensure_ascii=False))
            for each in documents
        ]
        print_table(("!Kind", "Key", "Body"), rows)


@app.command("set", epilog="Example: borderscout policy set domain/acme.example score.mark=4")
def set_(
    scope: Scope,
    values: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE...", help="An empty value takes the key out.")
    ],
    comment: Comment = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Set policy keys of one scope; the nearer scope wins."""
    wanted, unset = parse_values(values)
    body = {"values": wanted, "unset": unset, "comment": comment}
    found = Client(url, token_file).ask("PATCH", f"/api/v1/policies/{quote(scope)}", body=body)
    if as_json:
        print_json(found)
    else:
        console.print(f"revision {found['revision']}: {plain(found['scope'])}")


@app.command(epilog="Example: borderscout policy apply documents.json")
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON list of documents.")],
    comment: Comment = "",
    base: Annotated[
        int | None, typer.Option(help="Refuse unless this is the newest revision.")
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Publish documents of any kind as one revision, all or none."""
    body = {"documents": _documents(file), "comment": comment, "base": base}
    found = Client(url, token_file).ask("POST", "/api/v1/documents", body=body)
    if as_json:
        print_json(found)
    else:
        console.print(f"revision {found['revision']}")


@app.command(epilog="Example: borderscout policy history --limit 10")
def history(
    scope: ScopeOrAll = "",
    limit: Annotated[int, typer.Option(help="Revisions at the most.", min=1, max=1000)] = 20,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show who changed what and when, the newest first."""
    query = {"scope": scope or None, "limit": limit}
    found = Client(url, token_file).ask("GET", "/api/v1/history", query=query)["revisions"]
    if as_json:
        print_lines(found)
        return
    rows = [
        (each["revision"], when(each["time_us"]), each["who"], _changes(each), each["comment"])
        for each in found
    ]
    print_table((">Revision", "!Time (UTC)", "!Who", "Changes", "Comment"), rows)


@app.command(epilog="Example: borderscout policy rollback 41")
def rollback(
    revision: Annotated[int, typer.Argument(help="The revision whose content comes back.", min=0)],
    comment: Comment = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Publish the content of an older revision as a new one."""
    body = {"revision": revision, "comment": comment}
    found = Client(url, token_file).ask("POST", "/api/v1/rollback", body=body)
    if as_json:
        print_json(found)
    else:
        console.print(f"revision {found['revision']} holds what revision {revision} held")


@app.command(epilog="Example: borderscout policy explain x@acme.example")
def explain(
    recipient: Address,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what applies to one recipient, and which scope said each part."""
    found = Client(url, token_file).ask("GET", "/api/v1/explain", query={"recipient": recipient})
    if as_json:
        print_json(found)
        return
    route = found["route"]
    where = ", ".join(route["deliver_to"]) if route else "no route: its mail is refused"
    console.print(f"{plain(recipient)} at revision {found['revision']}: {plain(where)}")
    if found["hold"] is not None:
        console.print(f"ordered: {plain(order_in_words(found['hold']))}")
    rows = [
        (key["key"], _shown(key["value"]), key["from"], key["meaning"]) for key in found["policy"]
    ]
    print_table(("!Key", "!Value", "From", "Meaning"), rows)
    if found["lists"]:
        print_table(
            ("List entry", "Reason"), [(each["entry"], each["reason"]) for each in found["lists"]]
        )


def _documents(file: Path) -> list[Any]:
    """Return the documents of a file: a JSON list, or what ``GET /api/v1/documents`` answers."""
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"{file}: {error.strerror}; name a JSON list of documents")
    except json.JSONDecodeError as error:
        place = f"{file}:{error.lineno}:{error.colno}"
        fail(f"{place}: {error.msg}; it must be a JSON list of documents")
    except (ValueError, RecursionError) as error:
        fail(f"{file}: {error}; it must be a JSON list of documents")
    documents = read.get("documents") if isinstance(read, dict) else read
    if not isinstance(documents, list):
        fail(f"{file}:1:1: no list; it must be a JSON list of documents")
    return documents


def parse_values(texts: list[str]) -> tuple[dict[str, float | str | None], list[str]]:
    """Return the keys to set and those to take out, of ``KEY=VALUE`` texts."""
    wanted: dict[str, float | str | None] = {}
    unset: list[str] = []
    for text in texts:
        key, equals, value = text.partition("=")
        known = POLICY_KEYS.get(key)
        if not equals or known is None:
            fail(f"{text!r} is no KEY=VALUE; the keys are {', '.join(POLICY_KEYS)}", status=2)
        if not value:
            unset.append(key)
            continue
        try:
            wanted[key] = known.read(value)
        except ValueError as error:
            fail(f"{error}; write {key}={known.example}", status=2)
    return wanted, unset


def _shown(value: Any) -> str:
    return "never" if value is None else str(value) or '""'


def _changes(revision: dict[str, Any]) -> str:
    found = revision["changes"]
    shown = [
        f"{'-' if each['after'] is None else '+'}{each['kind']} {each['key']}" for each in found[:3]
    ]
    return ", ".join(shown) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
