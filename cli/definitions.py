"""``borderscout definitions``: which virus definitions are in use, and how does one change that?"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import Client, TokenFile, Url
from cli.output import (
    AsJson,
    age_of,
    coloured,
    console,
    fail,
    octets,
    plain,
    print_facts,
    print_json,
    print_lines,
    print_table,
    when,
)
from common.counted import counted
from common.definitions import SERIAL_MAX

PATH = "/api/v1/definitions"
TRIAL_S = 1200.0  # the core tries what is put in before it answers

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Virus definitions: which are in use, where, and how to go back.",
)

Serial = Annotated[int, typer.Argument(min=1, max=SERIAL_MAX, help="As list shows it.")]


@app.command(epilog="Example: borderscout definitions status")
def status(url: Url = "", token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show the definitions in use, how far each site is with them, and what is wrong."""
    found = Client(url, token_file).ask("GET", PATH)
    if as_json:
        print_json(found)
        return
    console.print(plain(_in_use(found)))
    if found["sites"]:
        print_table(
            ("!Site", "!State", "!Node", ">Serial", "Version", "!Age", "Detail"),
            [row for site in found["sites"] for row in _rows(site)],
        )
    for problem in found["problems"]:
        console.print(Text(plain(problem), style="yellow"))


@app.command("list", epilog="Example: borderscout definitions list")
def list_(url: Url = "", token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show the sets that can be gone back to, the newest first."""
    found = Client(url, token_file).ask("GET", f"{PATH}/sets")["sets"]
    if as_json:
        print_lines(found)
        return
    print_table(
        (">Serial", "In use", "!Made (UTC)", "Version", ">Size", "Your own"),
        [
            (
                each["serial"],
                "yes" if each["in_use"] else "",
                when(each["made_us"]),
                each["version"],
                octets(each["size"]),
                " ".join(each["custom"]),
            )
            for each in found
        ],
    )


@app.command(epilog="Example: borderscout definitions show 20260121083000")
def show(
    serial: Serial, url: Url = "", token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Show one set, file by file."""
    found = Client(url, token_file).ask("GET", f"{PATH}/sets/{serial}")
    if as_json:
        print_json(found)
        return
    print_facts(
        [
            ("serial", str(found["serial"])),
            ("version", found["version"]),
            ("made", when(found["made_us"])),
            ("sha256", found["sha256"]),
        ]
    )
    print_table(
        ("!File", ">Size", "Whose", "!SHA-256"),
        [
            (
                file["name"],
                octets(file["size"]),
                "yours" if file["is_custom"] else "mirror",
                file["sha256"],
            )
            for file in found["files"]
        ],
        indent=2,
    )


@app.command(epilog="Example: borderscout definitions add local.ndb local.hdb")
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="ClamAV databases.")],
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Put databases of your own into the set in use; the core tries it first."""
    names = [file.name for file in files]
    if len(set(names)) < len(names):
        fail("two of the files have one name; give each a name of its own", status=2)
    body = {"files": {file.name: base64.b64encode(_read(file)).decode() for file in files}}
    _change(Client(url, token_file, timeout_s=TRIAL_S), body, as_json)


@app.command(epilog="Example: borderscout definitions remove local.hdb")
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="As show lists them.")],
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take databases of your own out of the set in use."""
    _change(Client(url, token_file, timeout_s=TRIAL_S), {"remove": names}, as_json)


@app.command(epilog="Example: borderscout definitions rollback")
def rollback(
    to: Annotated[
        int | None,
        typer.Option(
            min=1, max=SERIAL_MAX, help="Serial; left out: the set before.", show_default=False
        ),
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Use an older set again, at all sites at once; the newer one does not come by itself again."""
    found = Client(url, token_file).ask("POST", f"{PATH}/rollback", body={"serial": to})
    if as_json:
        print_json(found)
    else:
        console.print(plain(f"back to {found['serial']} ({found['version']}), at all sites now"))


def _change(client: Client, body: dict[str, Any], as_json: bool) -> None:
    found = client.ask("POST", f"{PATH}/custom", body=body)
    if as_json:
        print_json(found)
    else:
        console.print(
            plain(f"in use: {found['serial']} ({found['version']}), one site after the other")
        )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}; name a file of definitions")


def _in_use(found: dict[str, Any]) -> str:
    current = found["current"]
    if current is None:
        return f"{found['family']}: no definitions yet"
    own = counted(len(current["custom"]), "database") + " of your own"
    said = (
        f"{found['family']} {current['serial']}: {current['version']}, made"
        f" {when(current['made_us'])} UTC, {octets(current['size'])}, {own}"
    )
    if found["is_rollback"]:
        said += "; somebody went back to them"
    return said + ("; newer ones are being tried" if found["trying"] else "")


def _rows(site: dict[str, Any]) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for node in site["nodes"]:
        for shard in node["shards"] or [None]:
            found.append((site["site"], coloured(site["state"]), node["node"], *_shard(shard)))
    return found


def _shard(shard: dict[str, Any] | None) -> tuple[object, ...]:
    if shard is None:
        return ("-", "", "-", "")
    detail = ": ".join(filter(None, (shard["state"], shard["detail"])))
    return (shard["serial"] or "-", shard["version"], age_of(shard["made_us"]), detail)
