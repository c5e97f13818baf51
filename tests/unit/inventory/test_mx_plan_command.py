"""Do `mx plan` and `mx simulate` print a plan only when it is one, and say what is wrong?"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

import cli.mx
from cli.client import Client

Change = Callable[..., Path]
TWELVE = "".join(
    f"      - {{name: d{number}.example, deliver_to: 'm.d.example:25'}}\n" for number in range(12)
)


def mx(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.mx.app, [str(one) for one in arguments])


@pytest.fixture
def many(small: Path) -> Path:
    small.write_text(small.read_text() + TWELVE)
    return small


def planned(path: Path, tmp_path: Path, name: str, *more: str) -> Path:
    target = tmp_path / name
    result = mx("plan", path, "--json", *more)
    assert result.exit_code in (0, 2), result.stderr
    target.write_text(result.stdout)
    return target


def test_a_plan_that_leaves_a_domain_without_mx_is_not_printed(changed: Change) -> None:
    path = changed(
        ("capacity: 200", "region: uk\n    state: off"),
        ("location: [52.37, 4.89]", "regions: uk"),
    )
    result = mx("plan", path, "--json")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(
        "\nerror: acme.example would have no MX: activate a site in uk, or let it have others\n"
    )


def test_a_change_of_most_domains_needs_force_and_is_shown(many: Path, tmp_path: Path) -> None:
    before = planned(many, tmp_path, "before.json")
    many.write_text(many.read_text().replace("capacity: 200", "state: drain"))

    refused = mx("plan", many, "--against", before)
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"{before}: 13 of 13 domains change (100 %), more than 30 %; ")
    assert refused.stdout.count(" (london)\n") >= 13

    as_json = mx("plan", many, "--against", before, "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout).keys() == {"differences", "errors"}

    forced = mx("plan", many, "--against", before, "--json", "--force")
    assert forced.exit_code == 2
    assert len(json.loads(forced.stdout)["domains"]) == 13


def test_every_record_that_goes_has_a_line(many: Path, tmp_path: Path) -> None:
    before = planned(many, tmp_path, "before.json")
    text = many.read_text()
    many.write_text(text.replace("      - {name: d3.example, deliver_to: 'm.d.example:25'}\n", ""))
    result = mx("plan", many, "--against", before)

    lines = result.stdout.splitlines()
    assert result.exit_code == 2
    assert [line.split()[:4] for line in lines] == [
        ["-", "d3.example", "MX", "10"],
        ["-", "d3.example", "MX", "20"],
    ]


def measurements(folder: Path, london_us: int, paris_us: int) -> Path:
    path = folder / f"{london_us}.json"
    rows: dict[str, Any] = {
        "london": {"acme.example": {"rtt_us": london_us, "tries": 9, "failures": 0}},
        "paris": {"acme.example": {"rtt_us": paris_us, "tries": 9, "failures": 0}},
        "oslo": {"acme.example": {"rtt_us": 1, "tries": 9, "failures": 0}},
    }
    made = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    path.write_text(json.dumps({"made": made, "sites": rows}))
    return path


def test_a_kept_plan_changes_as_often_as_it_may(small: Path, tmp_path: Path) -> None:
    near = str(measurements(tmp_path, 1_000, 90_000))
    far = str(measurements(tmp_path, 90_000, 1_000))
    before = planned(small, tmp_path, "before.json", "--measurements", near)
    kept = ["--against", str(before), "--keep", "--measurements", far]

    held = mx("plan", small, *kept, "--moves-max", "0", "--json")
    assert held.exit_code == 0
    assert json.loads(held.stdout)["waiting"] == ["acme.example"]
    assert "warning: 1 more would change, and are over --moves-max: acme.example" in held.stderr
    assert "warning: measured by oslo, which is no site" in held.stderr

    moved = mx("plan", small, *kept, "--json")
    entry = json.loads(moved.stdout)["domains"][0]
    assert moved.exit_code == 2
    assert (entry["mx"][0]["site"], entry["since"][-1]) == ("paris", "Z")
    assert "paris: 1.000 ms, 67.000 km " in entry["reason"]
    assert json.loads(moved.stdout)["inputs"].keys() == {"against", "inventory", "measurements"}


TORN = "the file ends in the middle, it was not written whole"


def test_measurements_that_were_not_written_whole_are_told_with_their_end(
    small: Path, tmp_path: Path
) -> None:
    torn = tmp_path / "torn.json"
    torn.write_text('{"made": "2026-11-30T06:00:00Z",\n "sites": {"lond')

    result = mx("plan", small, "--measurements", torn)

    remedy = "write it anew, as mx measurements --out does"
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{torn}:2:17: no measurements: {TORN}; {remedy}\n"


def test_a_plan_that_was_not_written_whole_is_told_with_its_end(
    small: Path, tmp_path: Path
) -> None:
    torn = planned(small, tmp_path, "before.json")
    torn.write_text(torn.read_text().partition('"domain"')[0])

    result = mx("plan", small, "--against", torn)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (f"{torn}:4:2: no MX plan: {TORN}; name one that --json printed\n")


def test_keep_without_a_plan_is_wrong_usage(small: Path) -> None:
    result = mx("plan", small, "--keep")

    assert result.exit_code == 2
    assert "--keep needs an earlier plan" in result.stderr


def test_load_is_shown_against_capacity(small: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("domain,messages_per_s\nacme.example,150\n")
    result = mx("plan", small, "--traffic", table)
    assert "150.000" in result.stdout
    assert result.stderr == (
        "warning: site paris gets 150.000 messages per second without london, "
        "and its capacity is 100\n"
    )

    table.write_text("domain,messages_per_s\nacme.example,many\n")
    wrong = mx("plan", small, "--traffic", table)
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith(f"{table}:2:1: 'many' is no rate of acme.example; ")


def test_the_core_knows_the_traffic(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def ask(_self: Client, method: str, path: str, *, query: dict[str, Any]) -> dict[str, Any]:
        asked.update(query, path=f"{method} {path}")
        return {
            "by": "domain",
            "since": "2026-11-01T00:00:00.000000Z",
            "until": "2026-11-02T00:00:00.000000Z",
            "groups": [{"name": "acme.example", "accepted": 864_000}],
            "totals": {"accepted": 864_000},
        }

    monkeypatch.setattr(Client, "ask", ask)
    token = tmp_path / "token"
    token.write_text("x")
    core = ["--traffic-days", "1", "--url", "http://127.0.0.1:1", "--token-file", str(token)]
    result = mx("plan", small, *core, "--json")

    assert asked["path"] == "GET /api/v1/reports/summary"
    assert asked["until_us"] - asked["since_us"] == 86_400_000_000
    assert [one["messages_per_s"] for one in json.loads(result.stdout)["sites"]] == [10.0, 0.0]


def test_a_core_that_is_not_there_is_one_line(small: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x")
    core = ["--url", "http://127.0.0.1:1", "--token-file", str(token)]
    result = mx("plan", small, "--traffic-days", "1", *core)

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert httpx.URL(core[1]).host in result.stderr


def test_a_simulation_shows_who_takes_what(many: Path, tmp_path: Path) -> None:
    result = mx("simulate", many, "--without", "london", "--json")
    tree = json.loads(result.stdout)

    assert result.exit_code == 0
    assert tree["without"] == ["london"]
    assert {one["site"]: one["after"]["domains"] for one in tree["sites"]} == {
        "london": 0,
        "paris": 13,
    }
    table = tmp_path / "t.json"
    table.write_text('{"domains": {"acme.example": 101}}')
    shown = mx("simulate", many, "--without", "london", "--traffic", table)
    assert "without london: " in shown.stdout
    assert "site paris would get 101.000 messages per second, and its capacity is 100" in (
        shown.stderr
    )


def test_a_site_that_is_none_is_wrong_usage(small: Path) -> None:
    result = mx("simulate", small, "--without", "oslo")

    assert result.exit_code == 2
    assert "--without 'oslo' is no site; there are london, paris" in result.stderr


@pytest.mark.parametrize("asked", [("render", "--format", "bind"), ("steps", "--against")])
def test_nothing_is_published_by_which_a_domain_has_no_mx(
    changed: Change, tmp_path: Path, asked: tuple[str, ...]
) -> None:
    path = changed(("location: [52.37, 4.89]", "regions: uk"), ("capacity: 200", "region: uk"))
    before = planned(path, tmp_path, "before.json")
    path.write_text(path.read_text().replace("region: uk", "region: uk\n    state: off"))

    result = mx(asked[0], path, *asked[1:], *([before] if asked[0] == "steps" else []))

    assert (result.exit_code, result.stdout) == (1, "")
    assert "would have no MX" in result.stderr
