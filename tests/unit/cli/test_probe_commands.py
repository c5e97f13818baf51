"""Do `report probes`, `mx measurements` and `--measurements core` show what was measured?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli import probes as asking
from cli.client import Client
from cli.mx_inputs import CORE
from common.round_trips import RoundTrip
from core.web.api import probes as api
from tests.support.cli.shell import Shell
from tests.support.clock import FakeClock
from tests.support.core.face import Face

SITES = """\
cluster: {name: example, mail_domain: mx.scout.example, vpn: 10.77.0.0/16}
core: {name: core, public: core.scout.example, vpn_address: 10.77.0.1}
sites:
  - name: london
    location: [51.5072, -0.1276]
    nodes:
      - {name: lon1, public: 192.0.2.10, vpn_address: 10.77.1.1}
  - name: paris
    location: [48.8566, 2.3522]
    nodes:
      - {name: par1, public: 198.51.100.10, vpn_address: 10.77.2.1}
customers:
  - name: acme
    domains:
      - {name: acme.example, deliver_to: ["mail.acme.example:25"], location: [52.37, 4.89]}
"""
MAIL = "mail.acme.example:25"
DAY_S = 86_400


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.yaml"
    path.write_text(SITES, encoding="utf-8")
    return path


async def measure(core: Face, *, london: int | None, paris: int | None, age_s: int = 0) -> None:
    for node, rtt_us in (("lon1", london), ("par1", paris)):
        failures = 100 if rtt_us is None else 1
        told = [RoundTrip(MAIL, rtt_us, 100, failures, age_s)]
        await core.database.round_trips.take(node, told)


async def reason(shell: Shell, file: Path, *more: str) -> tuple[str, str]:
    """Return the first site of the one domain, and why it is that."""
    said = await shell("mx", "plan", file, "--json", "--measurements", CORE, *more)
    assert said.status == 0, said.err
    (entry,) = json.loads(said.out)["domains"]
    return entry["mx"][0]["site"], entry["reason"]


async def test_a_plan_goes_by_what_the_core_knows_today(
    core: Face, shell: Shell, file: Path
) -> None:
    await measure(core, london=90_000, paris=2_000)
    site, why = await reason(shell, file)
    assert site == "paris"
    assert "paris: 2.000 ms, 134.000 km + 300.000 km for 1 of 100 tries failed" in why

    await measure(core, london=9_000, paris=None)
    site, why = await reason(shell, file)
    assert site == "london"
    assert "30000.000 km for 100 of 100 tries failed" in why


async def test_old_figures_are_named_and_the_distance_counts(
    core: Face, shell: Shell, file: Path
) -> None:
    await measure(core, london=90_000, paris=2_000, age_s=DAY_S + 1)

    said = await shell("mx", "plan", file, "--json", "--measurements", CORE)

    assert "london: 1 server was not measured in the last 24 hours, and left out" in said.err
    assert " km away" in json.loads(said.out)["domains"][0]["reason"]


async def test_what_a_plan_rests_on_can_be_kept(
    core: Face, shell: Shell, file: Path, tmp_path: Path
) -> None:
    await measure(core, london=90_000, paris=2_000)
    out = tmp_path / "probes.json"

    said = await shell("mx", "measurements", file, "--out", out)
    shown = await shell("mx", "measurements", file)

    assert (said.status, said.out) == (0, "")
    assert said.err == f"{out}: 1 domain\n"
    assert shown.out == out.read_text()
    plans = [
        await shell("mx", "plan", file, "--json", "--measurements", one) for one in (CORE, out)
    ]
    assert plans[0].out == plans[1].out
    assert json.loads(shown.out)["sites"]["paris"] == {
        "acme.example": {"rtt_us": 2_000, "tries": 100, "failures": 1}
    }


async def test_a_simulation_goes_by_it_too(core: Face, shell: Shell, file: Path) -> None:
    await measure(core, london=90_000, paris=2_000)

    said = await shell(
        "mx", "simulate", file, "--without", "paris", "--json", "--measurements", CORE
    )

    assert json.loads(said.out)["moved"]["domains"] == 1


async def test_a_report_shows_each_site_and_server(core: Face, shell: Shell) -> None:
    await measure(core, london=12_340, paris=None, age_s=DAY_S + 3600)
    await measure(core, london=12_340, paris=None)
    told = [RoundTrip("b.example:25", 5_000, 3, 0, DAY_S * 3)]
    await core.database.round_trips.take("lon1", told)

    said = await shell("report", "probes")

    lines = [line.split() for line in said.out.splitlines()]
    assert lines[0] == ["Server", "Site", "Round", "trip", "Success", "Tries", "Age"]
    assert lines[1] == ["b.example:25", "london", "5.0", "ms", "100.0", "%", "3", "3", "d", "old"]
    assert lines[2] == [MAIL, "london", "12.3", "ms", "99.0", "%", "100", "0", "ms"]
    assert lines[3] == [MAIL, "paris", "-", "0.0", "%", "100", "0", "ms"]

    none = await shell("report", "probes", "--site", "rome")
    assert none.out.startswith("nothing measured has this site and server; leave them out")

    some = await shell("report", "probes", "--site", "paris", "--target", "ACME", "--json")
    assert some.lines == [
        {
            "made": "2026-01-01T00:00:00Z",
            "probes": [
                {
                    **{"site": "paris", "target": MAIL, "rtt_us": None, "tries": 100},
                    **{"failures": 100, "age_s": 0, "is_fresh": True, "nodes": ["par1"]},
                }
            ],
        }
    ]


async def test_a_core_that_knows_nothing_says_so(core: Face, shell: Shell, file: Path) -> None:
    shown = await shell("report", "probes")
    planned = await shell("mx", "plan", file, "--json", "--measurements", CORE)

    assert shown.out == "nothing is measured; nodes begin some minutes after their start\n"
    assert planned.status == 0
    assert planned.err.count("has told of no server lately: its distance counts") == 2


async def test_many_pages_are_read_to_their_end(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [RoundTrip(f"m{number:04}.example:25", 5_000, 1, 0, 0) for number in range(1_050)]
    await core.database.round_trips.take("lon1", told)

    said = await shell("report", "probes", "--json")

    assert len(said.lines[0]["probes"]) == 1_050 > api.PAGE_MAX
    monkeypatch.setattr(asking, "PAGES_MAX", 1)
    assert "the pages do not end" in (await shell("report", "probes", "--json")).err


async def test_another_answer_is_no_page(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: Any, **__: Any) -> dict[str, Any]:
        return {"nodes": []}

    monkeypatch.setattr(Client, "ask", ask)

    assert "no page of probes" in (await shell("report", "probes")).check_failed()


async def test_a_database_that_was_put_back_makes_no_figure_young(
    core: Face, shell: Shell, file: Path
) -> None:
    await measure(core, london=90_000, paris=2_000)
    clock = core.services.clock
    assert isinstance(clock, FakeClock)
    clock.jump(30 * DAY_S)  # what was copied then is looked at now

    said = await shell("mx", "plan", file, "--json", "--measurements", CORE)

    assert "hours, and left out" in said.err
    clock.jump(-60 * DAY_S)
    assert "hours, and left out" in (await shell("mx", "plan", file, "--measurements", CORE)).err
