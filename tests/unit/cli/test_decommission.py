"""A node is taken out of service in one command, which is typed again after an interruption."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cli import decommission
from core.people.members import MadeToken, NodeMember
from inventory.mx.leads import MxLeads
from tests.support.cli.shell import Said, Shell
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.core.face import Face
from tests.support.core.rooms import identity

EMPTY: dict[str, Any] = {
    "accepting": False,
    "not_accepting_reason": "draining",
    "spool": {},
    "outbox_records": 0,
    "outbox_quarantine": 0,
}


class Desk:
    """Somebody with an inventory, and DNS that says what a test wants."""

    def __init__(self, shell: Shell, file: Path) -> None:
        self.dns = MxLeads((), ())
        self.asked: list[Sequence[str]] = []
        self.file = file
        self._shell = shell

    async def leads(self, domains: Sequence[str], addresses: Sequence[str], **_: Any) -> MxLeads:
        self.asked.append(addresses)
        return self.dns

    async def types(self, *more: str, node: str = "lon1") -> Said:
        return await self._shell("inventory", "decommission", node, self.file, *more)


@pytest.fixture
def desk(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    tree = inventory(
        sites=[site("s1", "lon1", number=1), site("s2", "par1", number=2)],
        customers=[customer("acme", ["mail.acme.example:25"], "a.example")],
    )
    file = tmp_path / "inventory.yaml"
    file.write_text(json.dumps(tree))
    made = Desk(shell, file)
    monkeypatch.setattr(decommission, "mx_leads", made.leads)
    monkeypatch.setattr(decommission, "LOOK_S", 0.0)
    return made


async def joins(core: Face, node: str = "lon1") -> None:
    store, now_us = core.database.members, core.services.clock.now_us()
    token = MadeToken(digest="d", node=node, made_us=now_us, expires_us=now_us + 1, who="t")
    await store.add_token(token)
    member = NodeMember(node=node, joined_us=now_us, certificates={"a": now_us // 1_000_000 + 60})
    await store.join("d", keys="k", issued="{}", member=member, client="t")
    await core.services.joining.open()


async def last_said(core: Face, report: dict[str, Any]) -> None:
    """Let the core have kept this of lon1."""
    await core.database.fleet.note_hello(identity("lon1"), {"shards": 1})
    await core.database.fleet.note_report(identity("lon1"), report)


async def test_an_empty_node_is_revoked_and_what_is_left_to_do_is_said(
    core: Face, desk: Desk
) -> None:
    await joins(core)
    core.hear("lon1", **EMPTY)

    said = await desk.types()
    again = await desk.types("--json")

    assert said.status == 0, said
    assert "lon1 is out of service and takes no mail; nothing that it has is let in" in said.out
    assert "left to do: take lon1 out of the inventory" in said.out
    (member,) = core.services.joining.members()
    assert member.revoked_us
    assert json.loads(again.out)["done"] is True, "who was interrupted types it again"


async def test_mail_that_dns_still_leads_there_is_a_reason_to_refuse(
    core: Face, desk: Desk
) -> None:
    await joins(core)
    core.hear("lon1", **EMPTY)
    desk.dns = MxLeads(("a.example",), ())

    refused = await desk.types()
    desk.dns = MxLeads((), ("a.example",))
    unknown = await desk.types()
    forced = await desk.types("--force")

    assert (refused.status, unknown.status, forced.status) == (1, 1, 0)
    assert (
        "DNS leads mail of 1 domain to lon1: a.example; give its site state: drain" in refused.err
    )
    assert "DNS does not say where mail of 1 domain goes" in unknown.err
    assert len(desk.asked) == 2


async def test_of_a_node_whose_addresses_nobody_knows_dns_cannot_be_asked(
    core: Face, desk: Desk
) -> None:
    tree = json.loads(desk.file.read_text())
    del tree["sites"][0]
    desk.file.write_text(json.dumps(tree))
    core.hear("lon1", **EMPTY)

    refused = await desk.types()
    forced = await desk.types("--force")

    line = refused.check_failed()
    assert f"neither {desk.file} nor a document of the core says where lon1 takes mail" in line
    assert line.endswith("; name an inventory that still has it, or say --force")
    assert desk.asked == []
    assert "its keys were rendered" in forced.out


@pytest.mark.parametrize(
    "options",
    [("--resume", "--lost"), ("--resume", "--force"), ("--resume", "--resolver", "127.0.0.1:53")],
)
async def test_who_says_two_things_that_contradict_each_other_is_asked_which(
    core: Face, desk: Desk, options: tuple[str, ...]
) -> None:
    line = (await desk.types(*options)).check_failed(2)

    assert f"--resume lets lon1 take mail again, and {options[1]} is about" in line


async def test_one_that_was_revoked_is_not_said_to_take_mail_again(core: Face, desk: Desk) -> None:
    """Its last report is of a moment ago, so that it seems to be there still."""
    await joins(core)
    core.hear("lon1", **EMPTY)
    assert (await desk.types()).status == 0

    line = (await desk.types("--resume")).check_failed(1)

    assert "lon1 was revoked" in line
    assert "borderscout inventory join-token lon1" in line


async def test_a_member_that_nothing_names_any_more_is_to_be_revoked(
    core: Face, shell: Shell
) -> None:
    await joins(core, "mad1")

    before = await shell("doctor")
    await core.services.joining.revoke("mad1", who="t")
    after = await shell("doctor")

    (line,) = [one for one in before.out.splitlines() if "nodes that join" in one]
    assert "mad1 has joined, and neither a document nor core.yaml names it any more" in line
    assert "borderscout inventory revoke mad1" in line
    assert "mad1" not in after.out


async def test_a_resolver_that_nobody_asks_is_refused(core: Face, desk: Desk) -> None:
    line = (await desk.types("--force", "--resolver", "127.0.0.1:53")).check_failed(2)

    assert "--force does not look at DNS" in line


async def test_a_node_without_a_name_is_told_so(core: Face, desk: Desk) -> None:
    line = (await desk.types(node="")).check_failed(2)

    assert "is empty: name a node; borderscout status shows those there are" in line


async def test_of_a_silent_node_it_says_what_it_holds_and_asks_for_lost(
    core: Face, desk: Desk
) -> None:
    await joins(core)
    core.hear("lon1", **EMPTY | {"spool": {"held": 7}})
    for (node, _), shard in core.services.link.fleet._shards.items():
        if node == "lon1":
            shard.heard_s = core.services.clock.monotonic_s() - 3_600

    refused = await desk.types()
    given_up = await desk.types("--lost", "--json")
    again = await desk.types()

    assert again.out.startswith("lon1 is out of service; nothing that it has is let in\n")
    assert refused.status == 1
    assert "lon1 is silent, and is known to hold mail for 7 recipients" in refused.err
    assert "say --lost" in refused.err
    assert (given_up.status, json.loads(given_up.out)["lost"]["recipients"]) == (0, 7)


async def test_a_node_that_begins_anew_is_waited_for_and_not_taken_for_drained(
    core: Face, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decommission, "WAIT_S", 0.0)
    await joins(core)
    core.hear("lon1", **EMPTY | {"not_accepting_reason": "begins anew with other settings"})

    line = (await desk.types()).check_failed()

    assert "lon1 begins anew with other settings, still after" in line
    (member,) = core.services.joining.members()
    assert not member.revoked_us


async def test_a_node_whose_keys_were_rendered_is_emptied_and_not_done(
    core: Face, desk: Desk
) -> None:
    core.hear("lon1", **EMPTY)

    said = await desk.types()

    assert said.status == 1
    assert "borderscout inventory render FILE --out DIR, and install DIR/core" in said.out
    assert "type this again then: it ends with 0 once nothing" in said.out


async def test_a_node_whose_keys_were_rendered_is_done_once_nothing_names_it_any_more(
    core: Face, desk: Desk
) -> None:
    await last_said(core, EMPTY)
    core.services.link.fleet.take([("par1", "paris")])
    tree = json.loads(desk.file.read_text())
    del tree["sites"][0]
    desk.file.write_text(json.dumps(tree))

    said = await desk.types("--json")

    assert (said.status, json.loads(said.out)["done"]) == (0, True), said
    assert desk.asked == [], "whatever DNS says, it takes no mail"


async def test_a_member_that_nothing_names_any_more_is_not_told_to_be_started(
    core: Face, desk: Desk
) -> None:
    """It may well run: the core does not let it in."""
    await joins(core)
    await last_said(core, EMPTY | {"outbox_records": 1})
    core.services.link.fleet.take([("par1", "paris")])

    line = (await desk.types()).check_failed()

    assert "lets lon1 in no more, before it was seen to be empty" in line
    assert "mail for 0 recipients and 1 record or quarantined message" in line
    assert "put it back into the inventory and apply that" in line


async def test_a_node_that_was_taken_away_with_mail_on_it_is_not_taken_for_empty(
    core: Face, desk: Desk
) -> None:
    await last_said(core, EMPTY | {"spool": {"held": 7}})
    core.services.link.fleet.take([("par1", "paris")])

    refused = await desk.types()
    given_up = await desk.types("--lost", "--json")

    assert "lets lon1 in no more, before it was seen to be empty" in refused.err
    assert "is known to hold mail for 7 recipients" in refused.err
    assert (refused.status, given_up.status) == (1, 0)
    assert json.loads(given_up.out)["lost"]["recipients"] == 7


async def test_a_node_that_nobody_ever_heard_of_is_a_wrong_name(core: Face, desk: Desk) -> None:
    line = (await desk.types(node="lon11")).check_failed()

    assert "the core knows no node lon11; borderscout status shows those" in line
