"""What becomes of mail whose inside nobody can tell: it is delivered, and the failure is seen."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.preferences import Kind
from common.verdict import Outcome
from satellite.app.without_spool import built_rooms
from satellite.filtering.filters.content import ContentFilter
from satellite.filtering.filters.rules import Rules
from satellite.filtering.run import Filters
from satellite.judging.content_reader import ContentReader
from satellite.judging.disposition import Done
from satellite.judging.examination import Examination, ExaminingRooms
from satellite.judging.inside import LooksInside
from satellite.scanning.helper import Helper, Unscannable
from satellite.scanning.sample import Sample
from satellite.scanning.spawned import HelperUnavailable
from tests.support.core.preferences import document, preferences, route
from tests.support.judging.judging_room import ScriptedEngines
from tests.support.judging.looks import given_looks
from tests.support.scanning.filtering import mail
from tests.support.scanning.messages import sample_of, with_attachment

RECIPIENT = "x@acme.example"
MESSAGE = with_attachment(b"MZ" + bytes(256))
ASKING = preferences(
    route(),
    document(Kind.RULE, "BODY", field="body", pattern="(?s).*", score=9),
    document(Kind.RULE, "HEAD", field="subject", pattern="hello", score=1),
    document(Kind.FILTER, "files", kind="content", options={"score": 9.0}),
)


class FaultyHelper(Helper):
    """Fails as a test says."""

    def __init__(self, fault: object) -> None:
        super().__init__(clock=SystemClock())
        self.fault = fault

    async def ask(self, job: str, sample: Sample, *, deadline_s: float) -> dict[str, object]:
        if isinstance(self.fault, Exception):
            raise self.fault
        return self.fault  # type: ignore[return-value]


async def examined(fault: object) -> Examination:
    clock = SystemClock()
    looks = LooksInside(
        reader=ContentReader(FaultyHelper(fault)), authenticator=given_looks().authenticator
    )
    made = Filters((Rules(), ContentFilter()), clock=clock, metrics=CollectorRegistry())
    rooms = ExaminingRooms(ScriptedEngines(), made, looks, clock)
    sample = sample_of(MESSAGE)
    examining = mail(ASKING, inside=rooms.inside_of(sample, mail(ASKING).envelope))
    return await rooms.examined(sample, examining, {}, required={}, ages_max_us={})


@pytest.mark.parametrize(
    "fault",
    [
        HelperUnavailable("the helper process cannot be started: no memory"),
        HelperUnavailable("the helper process had no time for it within 8 s"),
        Unscannable("unscannable: it held its helper process for 7 s, 2 times"),
        {},
        {"texts": 7},
        [],
        None,
    ],
    ids=["down", "slow", "ended", "nothing", "garbage", "a list", "null"],
)
async def test_a_reader_that_fails_makes_mail_neither_ham_nor_spam(fault: object) -> None:
    examination = await examined(fault)

    said = {verdict.by: verdict for verdict in examination.filtered}
    assert said["rules.content"].outcome is Outcome.UNAVAILABLE
    assert said["files.unread"].outcome is Outcome.UNAVAILABLE
    assert [test.name for test in said["rules"].tests] == ["RULE_HEAD"]  # what is known counts
    assert said["files"].tests == ()
    disposed = examination.disposed(examination.scores.of(RECIPIENT), ASKING.policy(RECIPIENT))
    assert disposed.disposition is Done.DELIVER


async def test_what_is_built_for_a_node_looks_into_mail_by_its_own_helper() -> None:
    async with built_rooms(
        (),
        (),
        resolver="127.0.0.1:1",
        registry=CollectorRegistry(),
        clock=SystemClock(),
        yara_rules=lambda: (),
    ) as rooms:
        sample = sample_of(MESSAGE)
        examining = mail(ASKING, inside=rooms.examining.inside_of(sample, mail(ASKING).envelope))

        examination = await rooms.examining.examined(
            sample, examining, {}, required={}, ages_max_us={}
        )

    names = {test.name for verdict in examination.filtered for test in verdict.tests}
    assert {"RULE_BODY", "RULE_HEAD", "CONTENT_FILES_PROGRAM"} <= names
