"""The core goes on on another machine, and every node comes to it by itself, and to no other one.

A lab: real WireGuard, a real Postfix, nodes that joined with a token. The core's machine is cut
off, and comes back while its core runs on.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from inventory.addressing import DEFINITIONS_PORT, HTTP_PORT
from inventory.lab.entering import connected, get_page
from inventory.lab.lab_report import LabReport
from inventory.lab.lab_start import why_not
from inventory.lab.lab_state import members, read_state, still_there
from inventory.lab.sending import InsideSmtp, send_mail
from inventory.lab.standing_lab import StandingLab
from inventory.lab.topology import SENDER_DOMAIN, LabRole
from satellite.joining.staging import CORE_GENERATION
from tests.support.cluster.lab import TypedLab
from tests.support.smtp import corpus
from tests.support.waiting import until

NODES = ("lon1", "fra1", "mad1")
OLD, NEW = "core", "core2"
MOVED_S = 180.0  # for all nodes to come: each looks once a minute at most, and this machine is slow
LOOK_S = 0.5  # between two looks, each of which is some commands

pytestmark = [pytest.mark.timeout(1200), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TypedLab]:
    """Give a lab that is up, with one standby and three sites."""
    if why := why_not():
        pytest.skip(why)
    if read_state() is not None:
        pytest.skip("another lab is up on this machine")
    typed = TypedLab(tmp_path_factory.mktemp("lab"))
    try:
        await done(typed, "lab up lab.yaml")
        yield typed
    finally:
        await typed.type("borderscout lab down")


async def done(lab: TypedLab, words: str) -> str:
    """Type what must succeed, and return what it says."""
    said = await lab.type(f"borderscout {words}")
    assert said.status == 0, (words, said)
    return said.out


async def asked(machine: str, path: str) -> Any:
    """Return what the core on one of its machines answers."""
    lab = StandingLab.find()
    (found,) = lab.place(machine)
    token = (lab.folder / "cluster" / machine / "token").read_text(encoding="utf-8").strip()
    status, body = await asyncio.to_thread(
        partial(
            get_page,
            lab.holder(found),
            found.vpn_address,
            HTTP_PORT,
            f"/api/v1{path}",
            headers={"Authorization": f"Bearer {token}"},
        )
    )
    assert status == 200, body
    return json.loads(body)


async def all_live(lab: TypedLab, core: str) -> LabReport:
    """Return once every node is linked to the core on that machine, and shook hands with it."""

    async def look() -> LabReport | None:
        report = await lab.report()
        of = {one.machine.name: one for one in report.machines}
        tunnels = of[core].handshakes_s_ago
        is_there = all(of[node].state == "live" and tunnels.get(node) for node in NODES)
        return report if is_there and not of[core].is_standby else None

    return await until(look, f"all nodes are live at {core}", deadline_s=MOVED_S, poll_s=LOOK_S)


async def all_arrived(lab: TypedLab, sent: list[str]) -> None:
    async def look() -> bool:
        mail = (await lab.report()).mail
        return set(sent) == set(mail.message_ids) and not mail.waiting

    await until(look, f"{len(sent)} messages arrive, and none waits", poll_s=LOOK_S)
    mail = (await lab.report()).mail
    assert (mail.refused, mail.returned) == (0, 0)
    assert set(mail.message_ids.values()) == {1}


def send(count: int) -> list[str]:
    return send_mail(StandingLab.find(), count=count, to=None)


def send_infected(to: str) -> None:
    """Give the sender a message that will be quarantined."""
    lab = StandingLab.find()
    with InsideSmtp(lab.holder(lab.of(LabRole.SENDER)[0])) as client:
        client.sendmail(f"ann@{SENDER_DOMAIN}", [to], corpus.message("eicar-attached"))


def on_the_nodes(folder: Path) -> dict[str, str]:
    """Return a digest of each file that a node has of its settings, keys and tunnel.

    Which core answered it last it notes by itself.
    """
    files = [path for node in NODES for path in (folder / "lab" / "cluster" / node).rglob("*")]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and path.name != CORE_GENERATION
    }


@pytest.mark.long
async def test_a_standby_takes_the_place_of_a_lost_core_and_no_node_goes_back(
    lab: TypedLab,
) -> None:
    standby = next(one for one in (await lab.report()).machines if one.machine.name == NEW)
    assert standby.is_standby
    assert standby.is_well
    assert [one["program"] for one in standby.programs] == ["wireguard"]
    await until(partial(all_shake_hands, lab), "every node shakes hands with the standby")
    sent = await asyncio.to_thread(send, 3)
    await all_arrived(lab, sent)
    await done(
        lab,
        f"lab exec {OLD} -- borderscout core backup --config /etc/borderscout/core.yaml"
        f" {lab.folder}/backup",
    )
    before = on_the_nodes(lab.folder)

    await done(lab, f"lab cut {OLD}")
    refused = await lab.type(f"borderscout lab move-core {NEW}")
    assert (refused.status, "is cut off" in refused.err) == (1, True)
    meanwhile = await asyncio.to_thread(send, 6)
    await asyncio.to_thread(send_infected, "caught@fjord.example")
    await all_arrived(lab, [*sent, *meanwhile])  # mail waits for no core
    await done(lab, f"lab move-core {NEW} --from {lab.folder}/backup")
    await all_live(lab, NEW)

    assert on_the_nodes(lab.folder) == before
    standing = StandingLab.find()
    for node in NODES:
        holder = standing.holder(standing.place(node)[0])
        door = connected(holder, standing.core.vpn_address, DEFINITIONS_PORT, timeout_s=5.0)
        door.close()
    for message_id in meanwhile:
        await until(partial(ended_at, NEW, message_id), f"the record of {message_id} arrives")
    await until(partial(held_at, NEW, "caught@fjord.example"), "its quarantined mail arrives")

    await done(lab, f"lab heal {OLD}")
    await until(
        name_the_old_core,
        "every node says at its core that another one runs, which it does not follow",
        deadline_s=MOVED_S,
        poll_s=LOOK_S,
    )
    await all_live(lab, NEW)
    assert (await asked(OLD, "/status"))["generation"] < (await asked(NEW, "/status"))["generation"]
    last = await asyncio.to_thread(send, 3)
    await all_arrived(lab, [*sent, *meanwhile, *last])
    for message_id in last:
        await until(partial(ended_at, NEW, message_id), f"the record of {message_id} arrives")
    assert on_the_nodes(lab.folder) == before
    silent = (await asked(OLD, "/status"))["nodes"]
    assert [one["state"] for one in silent] == ["silent"] * len(NODES)


async def all_shake_hands(lab: TypedLab) -> bool:
    standby = next(one for one in (await lab.report()).machines if one.machine.name == NEW)
    return all(standby.handshakes_s_ago.get(node) is not None for node in NODES)


async def ended_at(machine: str, message_id: str) -> bool:
    found = (await asked(machine, f"/messages?query={message_id.replace('@', '%40')}"))["messages"]
    return bool(found) and all(
        recipient["state"] == "delivered" for one in found for recipient in one["recipients"]
    )


async def held_at(machine: str, recipient: str) -> bool:
    cases = (await asked(machine, "/quarantine"))["cases"]
    return [one["state"] for one in cases if recipient in one["recipients"]] == ["held"]


async def name_the_old_core() -> bool:
    (old,) = StandingLab.find().place(OLD)
    nodes = (await asked(NEW, "/status"))["nodes"]
    return all(any(old.vpn_address in text for text in one["problems"]) for one in nodes)


@pytest.mark.long
async def test_the_inventory_follows_the_core_and_it_moves_back_on_purpose(lab: TypedLab) -> None:
    file = lab.folder / "lab.yaml"
    whole = yaml.safe_load(file.read_text(encoding="utf-8"))

    async def change(core: dict[str, Any]) -> Any:
        tree = whole | {"core": whole["core"] | core}
        file.write_text(yaml.safe_dump(tree), encoding="utf-8")
        return await lab.type("borderscout lab change lab.yaml")

    more = {"name": "core3", "public": "core3.scout.example", "vpn_address": "10.77.0.3"}
    for refused, said in (
        (await change({"standbys": []}), "this lab began with core, core2 for the core"),
        (await change({"standbys": [*whole["core"]["standbys"], more]}), "and the inventory has"),
        (await change({"runs_on": OLD}), f"the core is on {NEW}, and not on {OLD}"),
    ):
        assert (refused.status, said in refused.err) == (1, True), refused
    followed = await change({"runs_on": NEW})
    assert followed.status == 0, followed
    await all_live(lab, NEW)

    revision = (await asked(NEW, "/status"))["revision"]
    await done(lab, f"lab move-core {OLD}")  # where the old core still runs
    report = await all_live(lab, OLD)
    programs = {
        one.machine.name: [program["program"] for program in one.programs]
        for one in report.machines
    }
    assert programs[OLD] == ["wireguard", "core"]
    assert programs[NEW] == ["wireguard"]
    assert (await asked(OLD, "/status"))["revision"] == revision
    failed = await lab.type(f"borderscout lab move-core {NEW} --from {lab.folder}")
    assert (failed.status, f"{NEW}: core restore:" in failed.err) == (1, True), failed
    assert StandingLab.find().core.name == OLD

    await done(lab, "lab down")
    refused = await lab.type("borderscout lab up lab.yaml --keep")
    assert (refused.status, f"the core is on {OLD}, and not on {NEW}" in refused.err) == (1, True)
    file.write_text(yaml.safe_dump(whole), encoding="utf-8")
    await done(lab, "lab up lab.yaml --keep")
    await done(lab, f"lab move-core {NEW}")
    await all_live(lab, NEW)
    state = read_state()
    assert state is not None
    everything = members(state.process)
    await done(lab, "lab down")
    assert still_there(everything) == []
    await done(lab, "lab up lab.yaml --keep")
    report = await all_live(lab, NEW)
    assert [one.machine.name for one in report.machines if one.is_standby] == [OLD]
