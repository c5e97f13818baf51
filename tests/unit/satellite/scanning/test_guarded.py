"""No reader's failure ends another reading, or the process that reads; none outlasts its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from satellite.scanning import yara_job
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.engines.yara import _shipped
from satellite.scanning.guarded import guarded
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.unpack import Unpacking
from tests.mail.pieces import der
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.compound_files import compound_file
from tests.support.scanning.messages import with_attachment, zipped
from tests.support.work import work_s

SIGNED = bytes.fromhex("2a864886f70d010702")
DATA = bytes.fromhex("2a864886f70d010701")
VERSION_AND_DIGESTS = der(0x02, b"\1") + der(0x31, b"")

FAILING = {
    "a signature without content": der(0x30, der(0x06, SIGNED)),
    "a signature of nothing": der(0x30, der(0x06, SIGNED) + der(0xA0, b"")),
    "a signature that holds nothing": der(
        0x30,
        der(0x06, SIGNED)
        + der(
            0xA0,
            der(0x30, VERSION_AND_DIGESTS + der(0x30, der(0x06, DATA) + der(0xA0, b""))),
        ),
    ),
    "ends of archives without number": b"text" + b"PK\5\6" * 16_384,
}


@pytest.mark.parametrize("name", FAILING)
def test_what_no_reader_can_read_ends_no_other_reading(name: str) -> None:
    scan = yara_job.prepare({"sources": _shipped()})

    answer = scan(with_attachment(FAILING[name], zipped(("a.com", EICAR))))

    assert answer["found"]["infected"] == ["Eicar-Test-Signature"]
    assert answer["incomplete"]
    assert not any("failed" in what for what in answer["incomplete"]), "it is foreseen"


class Budgets:
    """What a test needs of a budget."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.budget = CpuBudget(5.0, cpu_s=lambda: self.now_s)


def test_the_failure_of_a_reader_is_noted_and_what_it_found_remains() -> None:
    def reading(failure: Exception) -> Iterator[int]:
        yield 1
        raise failure

    notes: list[str] = []
    budget = Budgets().budget

    for failure in (LimitExceeded("too much"), MemoryError(), RecursionError()):
        assert list(guarded(reading(failure), "tapes", budget, notes.append)) == [1]
    assert notes == [
        "too much",
        "the reader of tapes failed: MemoryError",
        "the reader of tapes failed: RecursionError",
    ]


def test_a_reader_that_never_asks_for_the_time_ends_with_it() -> None:
    budgets = Budgets()
    notes: list[str] = []

    def reading() -> Iterator[int]:
        while True:
            budgets.now_s += 1.0
            yield 1

    assert len(list(guarded(reading(), "tapes", budgets.budget, notes.append))) == 5
    assert notes == ["reading it took more than 5 s of processor time"]


def test_once_the_time_is_spent_no_other_reader_begins() -> None:
    budgets = Budgets()
    budgets.now_s = 5.0
    unpacking = Unpacking(UnfoldingLimits(), budgets.budget)

    units = [unit.content for unit in unpacking.units(with_attachment(EICAR))]

    assert len(units) == 1
    assert unpacking.limits_met == ["reading it took more than 5 s of processor time"]


def test_a_small_message_of_long_fields_holds_the_helper_for_a_moment() -> None:
    field = b"Content-Type: a/b" + b" \t" * 1_900 + b"(\r\n"
    message = b"Subject: x\r\n\r\n" + field * 100

    def unpack() -> None:
        list(Unpacking(UnfoldingLimits()).units(message))

    assert work_s(unpack) < 1.0  # the square of each took 3 s


def test_documents_without_number_in_one_file_are_a_limit() -> None:
    unpacking = Unpacking(UnfoldingLimits())
    books = {f"book{number}": {"Workbook": b"\x09\x08\0\0" * 32} for number in range(100)}

    list(unpacking.units(with_attachment(compound_file(books))))

    assert unpacking.limits_met == ["too many documents in a compound file"]
