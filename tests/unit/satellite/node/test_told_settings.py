"""A worker finds the settings that it is told of, and reports how its node stands."""

from __future__ import annotations

import json

from common.link import SettingsOrder
from common.preferences import Document, Position, Preferences
from common.preferences.documents import NOTHING, canonical_json
from common.preferences.node_settings import settings_digest
from common.reports import SettingsState
from satellite.node.settings_question import SettingsAnswer, SettingsQuestion
from satellite.node.told_settings import ToldSettings

TREE = {"workers": 4}
DIGEST = settings_digest(TREE)
BODY = canonical_json({"site": "london", "settings": TREE, "digest": DIGEST})


def worker(node: str = "lon1", *, shard: int = 0) -> ToldSettings:
    documents = [Document("node", "lon1", 1, BODY)]
    position = Position(NOTHING.epoch, 1)
    preferences = Preferences.from_documents(documents, position=position)
    return ToldSettings(node, shard=shard, preferences=lambda: preferences)


def test_what_was_told_is_handed_on_until_it_is_taken() -> None:
    told = worker()
    assert told.asked(SettingsQuestion()) == SettingsAnswer()

    told.told(SettingsOrder(DIGEST, 7))

    answer = told.asked(SettingsQuestion(taken="of another time"))
    assert (answer.digest, json.loads(json.dumps(answer.tree))) == (DIGEST, TREE)
    assert answer.drain_s == 7
    assert told.asked(SettingsQuestion()) == answer
    assert told.asked(SettingsQuestion(taken=answer.token)) == SettingsAnswer()


def test_settings_that_are_not_applied_here_are_none() -> None:
    for one, digest in ((worker(), "f" * 64), (worker("par1"), DIGEST)):
        one.told(SettingsOrder(digest))

        answer = one.asked(SettingsQuestion())

        assert (answer.digest, answer.tree) == (digest, None)
        assert answer.token


def test_a_report_says_how_the_node_stands_once_the_parent_has_said_it() -> None:
    told = worker()
    assert told.of_report() == {}

    told.asked(
        SettingsQuestion(
            in_force="a" * 64, told=DIGEST, state=SettingsState.ROLLED_BACK, problem="no"
        )
    )

    assert told.of_report() == {
        "settings_digest": "a" * 64,
        "settings_told": DIGEST,
        "settings_state": SettingsState.ROLLED_BACK,
        "settings_problem": "no",
    }


def test_one_shard_says_what_an_operator_should_know() -> None:
    failed = SettingsQuestion(told=DIGEST, state=SettingsState.ROLLED_BACK, problem="no")
    first, second = worker(), worker(shard=1)
    for one in (first, second):
        one.asked(failed)

    assert first.problems() == (
        "settings that the core told it to take were tried and taken back: no",
    )
    assert second.problems() == ()
    first.asked(SettingsQuestion(told=DIGEST))
    assert first.problems() == ()
