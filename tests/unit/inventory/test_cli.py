"""Do the commands say what is the matter, on the right stream and with the right exit code?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import cli.inventory
import cli.mx
from cli.progress import progress_bar
from inventory.mx.known_formats import formats

ROOT = Path(__file__).parents[3]
EXAMPLE = str(ROOT / "inventory" / "example.yaml")

Change = Callable[..., Path]


def inventory(*arguments: str) -> Result:
    return CliRunner().invoke(cli.inventory.app, arguments)


def mx(*arguments: str) -> Result:
    return CliRunner().invoke(cli.mx.app, arguments)


@pytest.mark.parametrize(
    ("run", "command"),
    [(inventory, "check"), (inventory, "render"), (mx, "plan"), (mx, "render")],
)
def test_help_has_an_example(run: Callable[..., Result], command: str) -> None:
    result = run(command, "--help")

    assert result.exit_code == 0
    assert "Example: borderscout " in result.output


def test_a_good_inventory_is_counted() -> None:
    result = inventory("check", EXAMPLE)

    assert result.exit_code == 0
    assert result.stdout == f"{EXAMPLE}: 3 sites, 4 nodes, 4 customers, 5 domains\n"
    assert result.stderr == ""


def test_one_of_a_kind_is_counted_as_one(changed: Change) -> None:
    result = inventory("check", str(changed()))

    assert result.stdout.endswith(": 2 sites, 2 nodes, 1 customer, 1 domain\n")


def test_a_warning_is_no_failure(changed: Change) -> None:
    path = changed(("198.51.100.10", "192.0.2.99"))
    result = inventory("check", str(path))

    assert result.exit_code == 0
    assert result.stderr.startswith(f"{path}:12:49: warning: site paris shares 192.0.2.0/24")


def test_every_error_is_one_unwrapped_line_on_stderr(changed: Change) -> None:
    path = changed(("capacity: 200", "capacity: 0"), ("10.77.2.1", "10.78.2.1"))
    result = inventory("check", str(path))

    assert result.exit_code == 1
    assert result.stdout == ""
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == [
        f"{path}:6:5",
        f"{path}:12:65",
    ]


def test_json_holds_the_parts_of_each_complaint(changed: Change) -> None:
    path = changed(("capacity: 200", "capacity: 0"), ("198.51.100.10", "192.0.2.99"))
    result = inventory("check", str(path), "--json")

    tree = json.loads(result.stdout)
    assert result.exit_code == 1
    assert tree["ok"] is False
    assert tree["counts"] is None
    assert tree["errors"][0] == {
        "file": str(path),
        "line": 6,
        "column": 5,
        "what": "sites.capacity: input should be greater than or equal to 1, not 0",
        "remedy": "correct the value",
    }
    assert tree["warnings"][0]["line"] == 12


def test_render_writes_and_shows_where(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = inventory("render", str(small), "--out", str(out), "--loopback", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads((out / "endpoints.json").read_text())
    again = inventory("render", str(small), "--out", str(out), "--loopback")
    assert "lon1/satellite.yaml" in again.stdout


def test_render_writes_nothing_at_all_when_something_is_wrong(
    changed: Change, tmp_path: Path
) -> None:
    path = changed(("capacity: 200", "capacity: 0"))
    result = inventory("render", str(path), "--out", str(tmp_path / "out"))

    assert result.exit_code == 1
    assert result.stderr.startswith(f"{path}:6:5: ")
    assert not (tmp_path / "out").exists()


def test_render_says_in_one_line_why_it_cannot_write(small: Path) -> None:
    result = inventory("render", str(small), "--out", str(small / "out"))

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "name another folder" in result.stderr


def test_render_names_folders_of_nodes_that_went(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    inventory("render", str(small), "--out", str(out))
    small.write_text(small.read_text().replace("par1", "par9"))
    result = inventory("render", str(small), "--out", str(out))

    assert result.exit_code == 0
    assert result.stderr.startswith(f"{out}/par1: belongs to no node")


def test_wrong_usage_is_exit_code_2(small: Path) -> None:
    assert inventory("render", str(small)).exit_code == 2
    assert mx("render", str(small)).exit_code == 2


def test_plan_shows_sites_and_numbers() -> None:
    result = mx("plan", EXAMPLE)

    assert result.exit_code == 0
    assert "acme.example" in result.stdout
    assert "drawn at capacity 200" in result.stdout


def test_plan_against_itself_is_no_difference(tmp_path: Path) -> None:
    first = mx("plan", EXAMPLE, "--json")
    (tmp_path / "plan.json").write_text(first.stdout)
    result = mx("plan", EXAMPLE, "--against", str(tmp_path / "plan.json"))

    assert first.exit_code == 0
    assert json.loads(first.stdout)["domains"][0]["mx"][0].keys() == {"preference", "site", "host"}
    assert (result.exit_code, result.stdout) == (0, "no difference\n")


def test_plan_against_another_names_every_difference(changed: Change, tmp_path: Path) -> None:
    path = changed()
    (tmp_path / "plan.json").write_text(mx("plan", str(path), "--json").stdout)
    changed(("capacity: 200", "state: drain"))
    result = mx("plan", str(path), "--against", str(tmp_path / "plan.json"))
    as_json = mx("plan", str(path), "--against", str(tmp_path / "plan.json"), "--json")

    assert result.exit_code == 2
    assert [line[:16] for line in result.stdout.splitlines()] == [
        "- acme.example M",
        "- acme.example M",
        "+ acme.example M",
    ]
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout)["differences"][0]["domain"] == "acme.example"


@pytest.mark.parametrize("content", [None, "", "[]", '{"domains": 5}'])
def test_plan_against_something_else_is_an_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_text(content)
    result = mx("plan", EXAMPLE, "--against", str(path))

    assert result.exit_code == 1
    assert result.stderr.startswith(f"{path}:1:1: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_plan_of_a_wrong_inventory_is_an_error(changed: Change) -> None:
    assert mx("plan", str(changed(("capacity: 200", "capacity: 0")))).exit_code == 1


def test_render_for_bind_prints_the_zone() -> None:
    result = mx("render", EXAMPLE, "--format", "bind")

    assert result.exit_code == 0
    assert "$ORIGIN mx.scout.example." in result.stdout


def test_a_format_that_is_not_there_is_wrong_usage() -> None:
    result = mx("render", EXAMPLE, "--format", "x")

    assert result.exit_code == 2
    assert "no format; write --format bind or " in result.stderr


def test_several_files_are_not_printed_one_after_the_other(tmp_path: Path) -> None:
    printed = mx("render", EXAMPLE, "--format", "letter")
    written = mx("render", EXAMPLE, "--format", "letter", "--out", str(tmp_path / "letters"))

    assert (printed.exit_code, printed.stdout) == (2, "")
    assert printed.stderr == "--format letter makes 4 files; add --out DIR or --customer NAME\n"
    assert written.exit_code == 0
    assert len(list((tmp_path / "letters").iterdir())) == 4


def test_a_letter_to_one_customer_is_printed() -> None:
    result = mx("render", EXAMPLE, "--format", "letter", "--customer", "globex")

    assert result.exit_code == 0
    assert result.stdout.startswith("To: globex\n")
    assert "acme.example" not in result.stdout


def test_a_customer_that_is_not_there_is_an_error() -> None:
    result = mx("render", EXAMPLE, "--format", "letter", "--customer", "nobody")

    assert result.exit_code == 1
    assert "has no customer 'nobody'" in result.stderr


def test_what_a_tool_has_no_records_for_is_named(tmp_path: Path) -> None:
    out = str(tmp_path / "cluster")
    assert inventory("render", EXAMPLE, "--out", out).exit_code == 0
    result = mx("render", EXAMPLE, "--format", "terraform", "--rendered", out)

    assert result.exit_code == 0
    assert result.stderr.startswith("hashicorp/dns has no TLSA records: 5 left out; ")


def test_no_rendered_record_holds_a_secret(tmp_path: Path) -> None:
    out = tmp_path / "cluster"
    assert inventory("render", EXAMPLE, "--out", str(out)).exit_code == 0
    secrets = [
        line
        for path in out.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077 == 0
        for line in path.read_text().splitlines()
        if len(line) > 20 and not line.startswith(("-----", "#"))
    ]
    assert len(secrets) > 20
    for name in formats():
        for whose in ("ours", "customers"):
            result = mx(
                *("render", EXAMPLE, "--format", name, "--rendered", str(out)),
                *("--whose", whose, "--json"),
            )
            assert result.exit_code == 0
            assert not [secret for secret in secrets if secret in result.stdout]


def test_a_bar_that_nobody_sees_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as step:
        step("reading", 1, 2)

    assert capsys.readouterr() == ("", "")


def test_records_follow_the_plan_that_is_given(changed: Change, tmp_path: Path) -> None:
    path, plan = changed(), tmp_path / "plan.json"
    plan.write_text(mx("plan", str(path), "--json", "--naming", "sites").stdout)
    command = ("render", str(path), "--format", "bind", "--plan", str(plan))
    same = mx(*command)
    changed(("capacity: 200", "capacity: 300"))
    stale = mx(*command)

    assert same.exit_code == 0
    assert "mx-london IN A 192.0.2.10" in same.stdout
    assert stale.exit_code == 1
    assert "the inventory has changed since this plan was made; plan anew" in stale.stderr
