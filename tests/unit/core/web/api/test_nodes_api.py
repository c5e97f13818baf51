"""A node is told to take the settings that are published for it, when it can."""

from __future__ import annotations

from typing import Any

import pytest

from common.link import DrainOrder, SettingsOrder
from common.preferences.node_settings import settings_digest
from common.reports import SettingsState
from core.link.service import LinkService
from tests.support.core.face import Face
from tests.support.core.rooms import document, identity

FORMER, NEW = {"workers": 2}, {"workers": 4}
DIGEST = settings_digest(NEW)
PATH = "/api/v1/nodes/lon1/settings"


def node_document(settings: dict[str, Any]) -> Any:
    body = {"site": "london", "settings": settings, "digest": settings_digest(settings)}
    return document("node", "lon1", body)


@pytest.fixture
def told(face: Face, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Settings that nodes were told to take, by a link that nobody started."""
    found: list[tuple[str, str]] = []

    def take_settings(node: str, digest: str, *, drain_s: int) -> bool:
        assert drain_s == 0
        found.append((node, digest))
        return True

    monkeypatch.setattr(face.services.link, "take_settings", take_settings)
    return found


def stands(face: Face, revision: int = 1, **more: Any) -> None:
    """Let lon1 be heard, which works with the former settings."""
    standing = {
        "settings_digest": settings_digest(FORMER),
        "settings_state": SettingsState.STEADY,
    }
    face.hear(revision=revision, **(standing | more))


async def test_what_a_node_said_last_is_known_when_nothing_names_it_any_more(face: Face) -> None:
    path = "/api/v1/nodes/old1/last-report"
    await face.refused(404, "GET", path)
    store = face.database.fleet
    report = {"accepting": False, "not_accepting_reason": "draining", "spool": {"held": 2}}
    for shard in (0, 1):
        await store.note_hello(identity("old1", shard=shard), {"shards": 2})
    await store.note_report(identity("old1", shard=0), report | {"outbox_records": 3})

    half = await face.ask("GET", path)
    await store.note_report(identity("old1", shard=1), report | {"outbox_quarantine": 4})
    whole = await face.ask("GET", path)

    assert (half["named"], half["recipients"], half["outbox"]) == (False, 2, 3)
    assert not half["drained"], "one shard has not said so"
    assert (whole["recipients"], whole["outbox"], whole["drained"]) == (4, 7, True)


async def test_a_node_that_can_is_told_and_the_audit_says_so(
    face: Face, told: list[tuple[str, str]]
) -> None:
    await face.database.preferences.publish([node_document(NEW)], who="test")
    stands(face)

    answer = await face.ask("POST", PATH, json={"digest": DIGEST})

    assert answer == {"node": "lon1", "digest": DIGEST, "told": True, "state": "steady"}
    assert told == [("lon1", DIGEST)]
    [entry, *_] = (await face.ask("GET", "/api/v1/audit"))["entries"]
    assert (entry["what"], entry["subject"]) == ("settings", f"lon1 {DIGEST}")


@pytest.mark.parametrize(
    "more",
    [
        {"settings_digest": DIGEST, "settings_told": DIGEST},
        {"settings_state": SettingsState.TRYING, "settings_told": DIGEST},
    ],
)
async def test_what_is_there_or_on_its_way_is_told_no_more(
    face: Face, told: list[tuple[str, str]], more: dict[str, Any]
) -> None:
    await face.database.preferences.publish([node_document(NEW)], who="test")
    stands(face, **more)

    assert (await face.ask("POST", PATH, json={"digest": DIGEST}))["told"] is False
    assert told == []


async def test_what_was_rolled_back_is_told_again(face: Face, told: list[tuple[str, str]]) -> None:
    await face.database.preferences.publish([node_document(NEW)], who="test")
    stands(face, settings_state=SettingsState.ROLLED_BACK, settings_told=DIGEST)

    assert (await face.ask("POST", PATH, json={"digest": DIGEST}))["told"] is True
    assert told


async def test_a_node_that_cannot_is_not_told(face: Face, told: list[tuple[str, str]]) -> None:
    async def refused(what: str, digest: str = DIGEST) -> None:
        problem = await face.refused(409, "POST", PATH, json={"digest": digest})
        assert what in problem["title"], problem

    await refused("lon1 is silent")
    stands(face, revision=0)
    await refused("no settings are published for it")
    await face.database.preferences.publish([node_document(FORMER)], who="test")
    await refused("have another digest")
    await face.database.preferences.publish([node_document(NEW)], who="test")
    await refused("has not applied revision 2 yet")
    stands(face, revision=2, settings_state=SettingsState.TRYING, settings_told="a" * 64)
    await refused("is trying other settings")
    stands(face, revision=2, settings_state=None)
    await refused("does not say how it stands")
    assert told == []
    await face.refused(404, "POST", "/api/v1/nodes/nowhere/settings", json={"digest": DIGEST})
    await face.refused(422, "POST", PATH, json={"digest": "x"})


async def test_a_node_that_left_meanwhile_is_said_to_have(face: Face) -> None:
    await face.database.preferences.publish([node_document(NEW)], who="test")
    stands(face)

    problem = await face.refused(409, "POST", PATH, json={"digest": DIGEST})

    assert problem["title"] == "lon1 cannot be told now"  # nobody started the link here


async def test_a_node_shows_how_it_stands_with_its_settings(face: Face) -> None:
    await face.database.preferences.publish([node_document(NEW)], who="test")
    stands(
        face,
        settings_state=SettingsState.ROLLED_BACK,
        settings_told=DIGEST,
        settings_problem="not ready within 60 s",
    )

    shown = await face.ask("GET", "/api/v1/nodes/lon1")

    assert shown["settings_published"] == DIGEST
    assert shown["settings"] == {
        "in_force": settings_digest(FORMER),
        "told": DIGEST,
        "state": "rolled_back",
        "problem": "not ready within 60 s",
    }
    page = (await face.stranger.get("/metrics")).text
    assert 'borderscout_node_settings_failed{node="lon1"} 1.0' in page
    assert 'borderscout_node_settings_failed{node="par1"} 0.0' in page


def test_the_link_tells_one_shard(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, int, object]] = []
    link = face.services.link
    assert isinstance(link, LinkService)
    control = link._control

    def tell(*what: Any) -> bool:
        said.append(what)
        return True

    monkeypatch.setattr(control, "connected", lambda: [("lon1", 0), ("lon1", 1), ("par1", 0)])
    monkeypatch.setattr(control, "tell", tell)

    assert link.take_settings("lon1", DIGEST)
    assert not link.take_settings("ber1", DIGEST)

    assert said == [("lon1", 0, SettingsOrder(DIGEST))]


def test_the_link_tells_every_shard_to_empty_itself(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, int, object]] = []
    link = face.services.link
    assert isinstance(link, LinkService)
    control = link._control

    def tell(*what: Any) -> bool:
        said.append(what)
        return True

    monkeypatch.setattr(control, "connected", lambda: [("lon1", 0), ("lon1", 1), ("par1", 0)])
    monkeypatch.setattr(control, "tell", tell)

    assert link.drain("lon1", on=True) == 2
    assert said == [("lon1", shard, DrainOrder(True)) for shard in (0, 1)]


async def test_a_silent_node_is_not_told_to_empty_itself(face: Face) -> None:
    problem = await face.refused(409, "POST", "/api/v1/nodes/lon1/drain", json={})

    assert problem["title"] == "lon1 is silent"
