"""Rows are found on the pages as SQL finds them by the trees; nonsense is no row."""

from __future__ import annotations

import os
import random
from pathlib import Path

import apsw
import pytest

from satellite.spool.disk.pages import PAGE_BYTES, Pages

LENGTHS = (0, 1, 30, 900, 1002, 1003, 3000, 4061, 4062, 9000, 60_000)


def written(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}").fetchall()
    connection.execute("CREATE TABLE named (key TEXT PRIMARY KEY, n, b BLOB) WITHOUT ROWID")
    connection.execute("CREATE TABLE numbered (n INTEGER PRIMARY KEY, t TEXT, b BLOB)")
    chance = random.Random(7)
    numbers = (0, 1, -1, 127, -129, 40_000, -9_000_000, 1 << 40, -(1 << 47), (1 << 62) + 5, None)
    with connection:
        for index in range(300):
            octets = chance.randbytes(LENGTHS[index % len(LENGTHS)])
            number = numbers[index % len(numbers)]
            connection.execute("INSERT INTO named VALUES (?,?,?)", (f"k{index}é", number, octets))
            connection.execute("INSERT INTO numbered VALUES (?,?,?)", (index * 7, "ä", octets))
    return connection


def found(path: Path) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    cells = list(Pages(memoryview(path.read_bytes())).rows())
    by_key: set[tuple[object, ...]] = {
        cell.values for cell in cells if not cell.is_table and len(cell.values) == 3
    }
    by_number: set[tuple[object, ...]] = {
        (cell.row, *cell.values[1:]) for cell in cells if cell.is_table
    }
    return by_key, by_number


def test_every_row_of_a_sound_file_is_found_on_its_pages(tmp_path: Path) -> None:
    connection = written(tmp_path / "db")

    by_key, by_number = found(tmp_path / "db")

    assert by_key == set(connection.execute("SELECT * FROM named"))
    assert by_number == set(connection.execute("SELECT * FROM numbered"))
    connection.close()


def test_what_was_deleted_is_not_found_again(tmp_path: Path) -> None:
    connection = written(tmp_path / "db")
    connection.execute("DELETE FROM named")
    connection.execute("DELETE FROM numbered WHERE n > 70")

    by_key, by_number = found(tmp_path / "db")

    assert by_key == set()
    assert by_number == set(connection.execute("SELECT * FROM numbered"))
    connection.close()


@pytest.mark.parametrize("seed", range(8))
def test_nonsense_gives_rows_or_none_and_always_an_end(tmp_path: Path, seed: int) -> None:
    written(tmp_path / "db").close()
    octets = bytearray((tmp_path / "db").read_bytes())
    chance = random.Random(seed)
    for _ in range(400):
        octets[chance.randrange(len(octets))] = chance.randrange(256)

    list(Pages(memoryview(bytes(octets))).rows())
    list(Pages(memoryview(os.urandom(20 * PAGE_BYTES))).rows())
    list(Pages(memoryview(b"short")).rows())
