"""What an operator sees of definitions, and what he does about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.reports import DefinitionsReport, DefinitionsState, EngineReport
from tests.support.cli.shell import Shell
from tests.support.core.face import Face

FIRST = "20260101000000"  # the time of the fake clock


@pytest.fixture
def own(tmp_path: Path) -> Path:
    made = tmp_path / "own.hdb"
    made.write_bytes(b"mine")
    return made


async def test_a_database_of_ones_own_is_put_in_seen_and_taken_out(
    core: Face, shell: Shell, own: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.ndb").write_bytes(b"other")

    said = await shell("definitions", "add", own, tmp_path / "other.ndb")
    assert said.out == f"in use: {FIRST} (2 custom), one site after the other\n"
    listed = (await shell("definitions", "list")).out.splitlines()
    assert listed[1].split()[:2] == [FIRST, "yes"]
    assert "other.ndb own.hdb" in listed[1]
    shown = (await shell("definitions", "show", FIRST)).out
    assert "own.hdb" in shown
    assert "yours" in shown
    (line,) = (await shell("definitions", "remove", "own.hdb", "--json")).lines
    assert line["custom"] == ["other.ndb"]


async def test_the_way_back_is_one_command(core: Face, shell: Shell, own: Path) -> None:
    await shell("definitions", "add", own)
    own.write_bytes(b"worse")
    await shell("definitions", "add", own)

    said = await shell("definitions", "rollback")

    assert said.out == f"back to {FIRST} (1 custom), at all sites now\n"
    assert "somebody went back to them" in (await shell("definitions", "status")).out


async def test_the_status_shows_each_site_and_what_is_wrong(
    core: Face, shell: Shell, own: Path
) -> None:
    assert "clamav: no definitions yet" in (await shell("definitions", "status")).out
    await shell("definitions", "add", own)
    said = DefinitionsReport(
        family="clamav",
        serial=7,
        offered=int(FIRST),
        state=DefinitionsState.FAILED,
        detail="clamd was killed",
        version="1.4.6",
    )
    core.hear("lon1", definitions=(said,))
    await shell("definitions", "rollback", "--to", FIRST)  # the sites are looked at anew

    out = (await shell("definitions", "status")).out

    line = next(line for line in out.splitlines() if line.startswith("london"))
    assert line.split()[:5] == ["london", "failed", "lon1", "7", "1.4.6"]
    assert "failed: clamd was killed" in line
    assert "the roll-out of definitions stopped: london could not use them" in out
    assert "the roll-out of definitions stopped" in (await shell("status")).out


async def test_the_clusters_status_shows_version_and_age_of_each_engine_and_site(
    core: Face, shell: Shell
) -> None:
    engine = EngineReport(
        name="clamav", answering=True, version="1.4.6", definitions="27807", definitions_us=5
    )
    core.hear("lon1", engines=(engine, EngineReport(name="silent", answering=False)))
    core.hear("par1", engines=(engine,))

    lines = (await shell("status")).out.splitlines()

    rows = [line.split() for line in lines if " 27807 " in line]
    assert [row[:4] for row in rows] == [
        ["london", "clamav", "1.4.6", "27807"],
        ["paris", "clamav", "1.4.6", "27807"],
    ]
    assert [row[-1] for row in rows] == ["lon1", "par1"]
    assert all(row[-2] == "d" for row in rows), "days since 1970"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("rollback",), 1, "there are no definitions before those in use"),
        (("rollback", "--to", "5"), 1, "there are no definitions 5"),
        (("rollback", "--to", "0"), 2, "--to"),
        (("show", "5"), 1, "there are no definitions 5"),
        (("remove", "x.hdb"), 1, "no database of your own is called x.hdb"),
        (("add", "/nowhere/x.hdb"), 1, "/nowhere/x.hdb: No such file"),
        (("add", "/a/x.hdb", "/b/x.hdb"), 2, "two of the files have one name"),
    ],
)
async def test_what_cannot_be_done_is_one_line(
    core: Face, shell: Shell, arguments: tuple[str, ...], status: int, words: str
) -> None:
    assert words in (await shell("definitions", *arguments)).check_failed(status)
