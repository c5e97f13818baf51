"""Does every record come back as it was written, and does each event have its class?"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.records import Event, OtherRecord, Record, ScannedRecord, read, written
from common.records.every import RECORDS
from common.records.items import ToldTest, ToldVerdict
from common.records.shape import fields_of
from common.verdict import Effect, Outcome, Test, Verdict
from tests.support.made_records import made, names_of

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


def items_in(cls: type[Any]) -> list[type[Any]]:
    """Return the classes of objects in lists of a class, at any depth."""
    found = [one.kind.item for one in fields_of(cls) if one.kind.item is not None]
    return [*found, *(inner for item in found for inner in items_in(item))]


ITEMS = list({item: None for cls in RECORDS for item in items_in(cls)})


def test_every_event_has_exactly_one_class() -> None:
    assert sorted(cls.event for cls in RECORDS) == sorted(Event)
    assert {cls.event.value for cls in RECORDS} == {
        _snake(cls.__name__.removesuffix("Record")) for cls in RECORDS
    }


def _snake(name: str) -> str:
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name).lstrip("_")


@pytest.mark.parametrize("cls", [*RECORDS, *ITEMS], ids=lambda cls: cls.__name__)
def test_every_field_says_what_it_is_and_what_it_means(cls: type[Any]) -> None:
    assert cls.__doc__
    assert cls.__doc__[0].isupper()
    assert "(" not in cls.__doc__.partition("\n")[0], "a dataclass describes itself so"
    assert [one.name for one in fields_of(cls)] == names_of(cls)
    for field in fields_of(cls):
        assert field.meaning, field.name
        assert field.kind.shown, field.name


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_every_record_says_who_writes_it(cls: type[Record]) -> None:
    assert cls.written_by


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_a_record_comes_back_as_it_was_written(cls: type[Record], data: st.DataObject) -> None:
    record = data.draw(made(cls))

    (fields,) = written(record)

    assert read(cls.event, fields) == record


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_what_is_written_is_the_same_json_that_any_writer_would_make(
    cls: type[Record], data: st.DataObject
) -> None:
    record = data.draw(made(cls))

    (fields,) = written(record)

    assert fields == json.dumps(json.loads(fields), **_COMPACT).encode()
    assert json.loads(fields).keys() <= {one.key for one in fields_of(cls)}


_COMPACT: dict[str, Any] = {"separators": (",", ":"), "ensure_ascii": False}


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_no_content_can_keep_a_record_from_being_read(
    cls: type[Record], data: st.DataObject
) -> None:
    names = st.sampled_from([one.key for one in fields_of(cls)] or ["reason"])
    fields = data.draw(st.dictionaries(names, _JSON))

    record = read(cls.event, json.dumps(fields).encode())

    assert type(record) is cls
    assert read(cls.event, written(record)[0]) == record, "what was read is within its bounds"


def test_a_field_of_a_later_version_is_passed_over() -> None:
    fields = b'{"reason":"the disk","cause":"disk","a_later_one":[1]}'

    record = read("not_accepting", fields)

    assert written(cast("Record", record)) == [b'{"reason":"the disk","cause":"disk"}']


def test_an_event_of_a_later_version_is_kept_as_it_came() -> None:
    assert read("teleported", b'{"to":["x"]}') == OtherRecord("teleported", {"to": ["x"]})


def test_a_verdict_is_told_by_the_same_fields_as_it_is_made_of() -> None:
    assert names_of(ToldVerdict) == _sorted_as(names_of(ToldVerdict), names_of(Verdict))
    assert names_of(ToldTest) == names_of(Test)


def _sorted_as(order: list[str], names: list[str]) -> list[str]:
    return sorted(names, key=order.index)


def test_a_verdict_is_written_as_it_is_and_read_as_words() -> None:
    test = Test(name="SPF_FAIL", score=2.5, detail="a.example", effect=Effect.BLOCK)
    verdict = Verdict(by="auth", outcome=Outcome.SCORED, ms=7, threats=("X",), tests=(test,))

    (fields,) = written(
        ScannedRecord(
            revision=1, score=2.5, subject="s", message_id_header="<1@a>", verdicts=(verdict,)
        )
    )
    record = read("scanned", fields)

    assert isinstance(record, ScannedRecord)
    assert [dataclasses.asdict(one) for one in record.verdicts] == [dataclasses.asdict(verdict)]
    assert json.loads(fields)["message_id"] == "<1@a>"


def test_what_a_strangers_engine_put_into_its_verdict_does_not_stop_a_record() -> None:
    strange: Any = Verdict(
        by="theirs",
        outcome=Outcome.CLEAN,
        version=cast("Any", None),
        ms=cast("Any", 2.5),
        threats=cast("Any", ["A"]),
        tests=(Test(name="T", score=float("nan"), detail=cast("Any", 7)),),
    )

    (fields,) = written(
        ScannedRecord(
            revision=1, score=2.5, subject="s", message_id_header="<1@a>", verdicts=(strange,)
        )
    )

    (verdict,) = json.loads(fields)["verdicts"]
    assert (verdict["by"], verdict["version"], verdict["threats"]) == ("theirs", "", ["A"])
    assert verdict["tests"][0]["name"] == "T"
    assert json.loads(fields)["message_id"] == "<1@a>"


def test_a_word_for_an_outcome_that_is_not_ours_is_kept() -> None:
    record = read("scanned", b'{"verdicts":[{"by":"later","outcome":"dissolved"}]}')

    assert isinstance(record, ScannedRecord)
    assert [one.outcome for one in record.verdicts] == ["dissolved"]


def test_a_recipient_of_which_only_the_address_is_told_is_written_as_that() -> None:
    told = b'{"recipients":["x@a.example",{"address":"y@a.example","reason":"","reply":"451",'
    told += b'"attempts":2,"next_us":5}],"reason":"stopped"}'

    record = read("frozen", told)

    assert written(cast("Record", record)) == [told]


@pytest.mark.parametrize("event", ["accepted", "possibly_delivered", "judged", "ended", "held"])
def test_readers_take_a_recipient_in_either_form(event: str) -> None:
    told = b'{"recipients":["x@a.example",{"address":"y@a.example"},{"address":""},7,{}]}'

    record: Any = read(event, told)

    found = [one if isinstance(one, str) else one.address for one in record.recipients]
    assert found == ["x@a.example", "y@a.example"]
