"""A table of ten thousand rows is printed at once, and looks as a short one does."""

from __future__ import annotations

import pytest
from rich.table import Table
from rich.text import Text

from cli import output
from cli.output import coloured, print_facts, print_table

COLUMNS = ("Domain", "!State", ">Recipients", "Why")
ROWS = [
    (f"d{n:05}.example", coloured("held"), n, Text.assemble("the server ", ("says no", "bold")))
    for n in range(output.LONG_ROWS)
]


@pytest.mark.parametrize("indent", [0, 2])
def test_a_long_table_looks_as_a_short_one_does(
    indent: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_table(COLUMNS, ROWS, indent=indent)
    at_once = capsys.readouterr().out
    monkeypatch.setattr(output, "LONG_ROWS", len(ROWS) + 1)
    print_table(COLUMNS, ROWS, indent=indent)

    assert at_once == capsys.readouterr().out


def test_its_colours_are_those_of_a_short_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_table(COLUMNS, ROWS)
    at_once = capsys.readouterr().out.splitlines()

    assert at_once[1].startswith("d00000.example  \x1b[33mheld\x1b[0m ")
    assert "\x1b[1msays no\x1b[0m" in at_once[1]


def test_a_long_table_is_not_laid_out_cell_by_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    def add_row(*_: object) -> None:
        raise AssertionError("rich needs half a millisecond for a row")

    monkeypatch.setattr(Table, "add_row", add_row)

    print_table(COLUMNS, ROWS)


def test_one_that_is_wider_than_the_terminal_wraps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")

    print_table(COLUMNS, ROWS)

    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 50


def test_facts_in_a_pipe_end_where_their_text_ends(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts([("serial", "7"), ("version", "main 62")])

    assert capsys.readouterr().out == "  serial   7      \n  version  main 62\n"
