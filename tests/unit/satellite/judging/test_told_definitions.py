"""An ICAP server whose tag never changes does not keep its mail from a second look for ever."""

from __future__ import annotations

from common.reports import EngineReport
from satellite.judging.told_definitions import SAME_S, ToldDefinitions


def report(name: str, definitions: str, *, answering: bool = True) -> EngineReport:
    return EngineReport(name=name, answering=answering, definitions=definitions)


def test_who_may_be_doubted_and_tells_the_same_for_long_tells_nothing() -> None:
    told = ToldDefinitions(["nod32"])
    reports = [report("nod32", "tag"), report("clamav", "27807")]

    first = told.told(reports, now_s=0.0)
    before = told.told(reports, now_s=SAME_S - 1.0)
    after = told.told(reports, now_s=SAME_S)

    assert first == before == {"nod32": "tag", "clamav": "27807"}
    assert after == {"nod32": "", "clamav": "27807"}


def test_who_tells_something_else_is_believed_again() -> None:
    told = ToldDefinitions(["nod32"])
    told.told([report("nod32", "tag")], now_s=0.0)
    told.told([report("nod32", "tag")], now_s=SAME_S)

    assert told.told([report("nod32", "new")], now_s=SAME_S + 1.0) == {"nod32": "new"}
    assert told.told([report("nod32", "new")], now_s=2 * SAME_S) == {"nod32": "new"}
    assert told.told([report("nod32", "new")], now_s=2 * SAME_S + 1.0) == {"nod32": ""}


def test_who_does_not_answer_tells_nothing_and_loses_nothing() -> None:
    told = ToldDefinitions(["nod32"])
    told.told([report("nod32", "tag")], now_s=0.0)

    assert told.told([report("nod32", "", answering=False)], now_s=5.0) == {}
    assert told.told([report("nod32", "tag")], now_s=SAME_S) == {"nod32": ""}
