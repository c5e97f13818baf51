"""No wrapping of a harmful file is clean, and the docs say what each engine says of each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.scanning.c_icap import CIcap, what_is_missing
from tests.support.scanning.clamd import Clamd, clamd_binary
from tests.support.scanning.wrappings import catalogue, page

CLAMSCAN = shutil.which("clamscan")
COMMAND_EACH = 10  # of so many wrappings one is shown to a program, in the short form
WRITE_ANEW = f"write docs/wrappings.md anew: {page.WRITE}"

without_clamd = pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed")
without_c_icap = pytest.mark.skipif(
    what_is_missing() != "", reason=f"{what_is_missing()} is not installed"
)


async def test_no_wrapping_is_clean_for_our_own_reader() -> None:
    said = await page.said_by_yara()

    assert [wrapping for wrapping, outcome in said.items() if outcome == "clean"] == []
    assert set(said.values()) <= {"infected", "limits", "encrypted", "unreadable"}
    table, _ = page.on_the_page()
    assert said == table[page.YARA], WRITE_ANEW


def test_whatever_a_mail_program_opens_somebody_finds_or_says_that_he_cannot_read() -> None:
    table, _ = page.on_the_page()

    assert len(catalogue()) >= 40
    for column, said in table.items():
        assert said.keys() == catalogue().keys(), column
    passed = [
        wrapping
        for wrapping in catalogue()
        if {table[column][wrapping] for column in page.COLUMNS[:-1]} == {"clean"}
    ]
    assert passed == []


@without_clamd
async def test_what_clamd_says_stands_on_the_page(tmp_path: Path) -> None:
    with Clamd(tmp_path) as clamd:
        said, version = await page.said_by_clamd(clamd.address)

    assert said.keys() == catalogue().keys()
    table, written_for = page.on_the_page()
    if version == written_for:  # another one unpacks other things
        assert said == table[page.CLAMD], WRITE_ANEW


@without_c_icap
async def test_what_a_c_icap_says_stands_on_the_page(tmp_path: Path) -> None:
    with Clamd(tmp_path) as clamd, CIcap(clamd) as server:
        version = await page.version_of(clamd.address)
        said = await page.said_by_c_icap(server.address)

    table, written_for = page.on_the_page()
    if version == written_for:
        assert said == table[page.ICAP], WRITE_ANEW


@without_clamd
@pytest.mark.skipif(CLAMSCAN is None, reason="clamscan is not installed")
async def test_what_clamscan_says_stands_on_the_page(tmp_path: Path, thorough: bool) -> None:
    assert CLAMSCAN is not None
    files, database = tmp_path / "files", tmp_path / "database"
    files.mkdir()
    with Clamd(tmp_path) as clamd:
        version = await page.version_of(clamd.address)
    some = list(catalogue())[:: 1 if thorough else COMMAND_EACH]

    said = await page.said_by_command(CLAMSCAN, database, only=some)
    itself = page.said_by_clamscan(CLAMSCAN, database, files)

    table, written_for = page.on_the_page()
    if version == written_for:
        assert said == {wrapping: table[page.COMMAND][wrapping] for wrapping in some}, WRITE_ANEW
        assert itself == table[page.CLAMSCAN], WRITE_ANEW
