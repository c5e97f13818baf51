"""Every node of an inventory runs on this machine, and mail finds its way by the MX records.

A real Postfix looks them up and fails over by itself; the way is real WireGuard. What is typed is
what stands in docs/lab.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from inventory.lab import lab_state
from inventory.lab.lab_start import why_not
from inventory.lab.lab_state import members, read_state, still_there
from inventory.lab.mail_count import MailCount
from inventory.lab.sending import send_mail
from inventory.lab.standing_lab import StandingLab
from inventory.load import load_inventory
from inventory.model import Inventory
from inventory.mx.plan import make_plan
from tests.support.cluster.commands import Said
from tests.support.cluster.lab import (
    TypedLab,
    commands_of_the_page,
    yaml_of_the_page,
)
from tests.support.our_files import ROOT
from tests.support.waiting import until

FLOWING = 6  # messages that are on their way while the lab changes
JOINED_S = 60.0  # from a node's token to its first mail
REACHED_S = 5.0  # for a change of one domain to be in force everywhere

pytestmark = pytest.mark.timeout(600)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TypedLab]:
    """Give a lab that is not up yet."""
    if why := why_not():
        pytest.skip(why)
    if read_state() is not None:
        pytest.skip("another lab is up on this machine")
    typed = TypedLab(tmp_path_factory.mktemp("lab"))
    try:
        yield typed
    finally:
        await typed.type("borderscout lab down")


def traces(folder: Path) -> list[str]:
    """Return what a lab left on this machine beside its files."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    return [
        *(line for line in links.stdout.splitlines() if "bs-" in line),
        *(line for line in mounts if str(folder) in line),
        *(str(path) for path in lab_state.STATE.parent.glob(f"{lab_state.STATE.stem}.*")),
    ]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("killed", ["who waits for it", "its first process"])
@pytest.mark.long
async def test_a_lab_that_is_killed_on_its_way_leaves_nothing(lab: TypedLab, killed: str) -> None:
    starting = await lab.start()
    assert starting.stderr is not None
    while b"letting nodes join" not in (line := await starting.stderr.readline()):
        assert line, "it ended before"
    state = read_state()
    assert state is not None
    found = members(state.process)
    assert len(still_there(found)) > 7  # one for each machine at least

    if killed == "who waits for it":
        starting.kill()
    else:
        os.kill(state.process, signal.SIGKILL)

    await starting.communicate()
    assert starting.returncode

    async def gone() -> bool:
        return not still_there(found)

    await until(gone, "every process of the lab has ended")
    said = await lab.type("borderscout lab down")
    assert (said.status, said.out) == (0, "no lab is up\n")
    assert traces(lab.folder) == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.long
async def test_the_page_leads_from_an_empty_file_to_mail_that_fails_over(lab: TypedLab) -> None:
    walk = Walk(lab)
    down = "borderscout lab down"
    commands = commands_of_the_page()
    assert commands[-1] == down

    for line in commands[:-1]:
        await walk.before(line)
        said = await lab.type(line)
        assert said.status == 0, (line, said)
        await walk.after(line, said.out)

    mail = (await lab.report()).mail
    assert (mail.refused, mail.returned, mail.waiting) == (0, 0, 0)
    assert set(mail.message_ids.values()) == {1}
    state = read_state()
    assert state is not None
    everything = members(state.process)
    assert (await lab.type("borderscout lab up lab.yaml")).err.endswith(
        "a lab is up on this machine; end it with: borderscout lab down\n"
    )
    said = await lab.type(down)
    assert said.status == 0, said
    assert still_there(everything) == []
    assert traces(lab.folder) == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.long
async def test_a_lab_that_is_ended_on_its_way_says_so(lab: TypedLab) -> None:
    starting = await lab.start()
    assert starting.stderr is not None
    while b"starting the core" not in (line := await starting.stderr.readline()):
        assert line, "it ended before"

    assert (await lab.type("borderscout lab down")).status == 0

    _, wrong = await starting.communicate()
    assert wrong.decode().endswith("the lab was ended before it was ready\n")
    assert starting.returncode == 1


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.long
async def test_what_could_not_be_done_is_gone_on_with_or_taken_back(lab: TypedLab) -> None:
    file = lab.folder / "lab.yaml"
    whole = yaml.safe_load(yaml_of_the_page()[0])
    less = whole | {"sites": [one for one in whole["sites"] if one["name"] != "madrid"]}

    async def change(tree: dict[str, Any], *options: str) -> Said:
        file.write_text(yaml.safe_dump(tree), encoding="utf-8")
        return await lab.type(" ".join(["borderscout lab change lab.yaml", *options]))

    async def nodes() -> list[str]:
        report = await lab.report()
        assert all(one.is_well for one in report.machines)
        return [one.machine.name for one in report.machines if one.machine.site]

    file.write_text(yaml.safe_dump(whole), encoding="utf-8")
    assert (await lab.type("borderscout lab up lab.yaml")).status == 0

    refused = await change(less)  # a third of our records would go
    assert refused.status == 1
    assert refused.err.endswith("add --force\n")
    assert await nodes() == ["lon1", "fra1", "mad1"]
    assert (await change(whole)).status == 0
    assert (await lab.type("borderscout lab exec mad1 -- wg show wg0")).status == 0

    forced = await change(less, "--force")
    assert forced.status == 0, forced
    assert "mad1 is gone, and a member still" in forced.out
    assert await nodes() == ["lon1", "fra1"]
    back = await change(whole)  # as a new machine of the old name
    assert back.status == 0, back
    assert "mad1 joined" in back.out
    assert "a member still" not in back.out
    assert await nodes() == ["lon1", "fra1", "mad1"]

    state = read_state()
    assert state is not None
    os.kill(state.process, signal.SIGKILL)
    file.write_text(yaml.safe_dump(less), encoding="utf-8")
    kept = await lab.type("borderscout lab up lab.yaml --keep")
    assert kept.status == 0, kept
    assert "letting nodes join" not in kept.err
    assert "mad1 is gone, and a member still" in kept.out
    assert await nodes() == ["lon1", "fra1"]
    assert (await lab.type("borderscout lab down")).status == 0
    assert traces(lab.folder) == []


class Walk:
    """What must be so after each command of the page.

    Attributes:
        sent: messages so far.
        taken: whom each node had taken mail for, before the command.
    """

    def __init__(self, lab: TypedLab) -> None:
        self._lab = lab
        self._file = lab.folder / "lab.yaml"
        self._is_cut = ""
        self._edits = [self._with_a_site, self._draining, self._without_a_site]
        self.sent = 0
        self.taken: dict[str, int] = {}
        self._read()

    async def before(self, line: str) -> None:
        """Edit the inventory as the page says, and let mail flow while the lab changes."""
        if "inventory apply" in line:
            self._write(self._with_other_days)
        if line.startswith("borderscout lab change"):
            self._write(self._edits.pop(0))
            self.sent += len(await asyncio.to_thread(self._give))

    def _write(self, edit: Callable[[dict[str, Any]], None]) -> None:
        tree = yaml.safe_load(self._file.read_text(encoding="utf-8"))
        edit(tree)
        self._file.write_text(yaml.safe_dump(tree), encoding="utf-8")
        self._read()

    def _give(self) -> list[str]:
        return send_mail(StandingLab.find(), count=FLOWING, to=None)

    def _read(self) -> None:
        self._inventory = load_inventory(self._file)
        self._node = {site.name: site.nodes[0].name for site in self._inventory.sites}
        plan = make_plan(self._inventory)
        self._first = {one.domain: one.mx[0].site for one in plan.domains}

    def _with_a_site(self, tree: dict[str, Any]) -> None:
        tree["sites"] += yaml.safe_load(yaml_of_the_page()[1])

    def _draining(self, tree: dict[str, Any]) -> None:
        (madrid,) = (site for site in tree["sites"] if site["name"] == "madrid")
        madrid["state"] = "drain"

    def _without_a_site(self, tree: dict[str, Any]) -> None:
        tree["sites"] = [site for site in tree["sites"] if site["name"] != "madrid"]

    def _with_other_days(self, tree: dict[str, Any]) -> None:
        (fjord,) = (one for one in tree["customers"] if one["name"] == "fjord")
        fjord["domains"][0]["hold_days"] = 5

    async def after(self, line: str, said: str) -> None:
        """Look after one command."""
        words = line.split()
        match words[1:3]:
            case ["lab", "cut"] if "--from-core" not in words:
                self._is_cut = words[3]
            case ["lab", "heal"]:
                self._is_cut = ""
                await self._healed()
            case ["lab", "slow"]:
                report = await self._lab.report()
                assert [one.line for one in report.machines if one.machine.site == words[3]] == [
                    f"{words[5]} kbit"
                ]
            case ["lab", "send"]:
                await self._sent(int(words[4]), words[6] if "--to" in words else "")
            case ["lab", "up"]:
                self._nodes_have_joined()
            case ["lab", "change"] if "lis1" in said:
                assert StandingLab.find().state.joined["lis1"]["mail_s"] < JOINED_S
            case ["lab", "exec"] if "apply" in words and "inventory" in words:
                found = json.loads(said)
                assert len(found["applied"]) == 4
                assert found["reached_s"] < REACHED_S
            case ["lab", "exec"] if "members" in words:
                assert all(node in said for node in self._node.values())
            case ["lab", "exec"] if "wg" in words:
                assert re.search(r"latest handshake: .* ago", said), said

    def _nodes_have_joined(self) -> None:
        """Every key of a node came from joining, and none of it was ever rendered."""
        lab = StandingLab.find()
        assert sorted(lab.state.joined) == sorted(self._node.values())
        rendered = [path for path in (lab.folder / "rendered").rglob("*") if path.is_file()]
        assert rendered
        for node in self._node.values():
            name = re.compile(rb"\b%b\b" % node.encode())
            assert [path for path in rendered if name.search(bytes(path) + path.read_bytes())] == []
            folder = lab.folder / "cluster" / node
            assert json.loads((folder / "joined.json").read_bytes())["has_tunnel"] is True
            assert (folder / "wireguard.key").exists()

    async def _healed(self) -> None:
        async def linked() -> bool:
            report = await self._lab.report()
            nodes = [one for one in report.machines if one.machine.site]
            return all(one.line == "up" and one.state == "live" for one in nodes)

        await until(linked, "every line is up and every node is linked")

    async def _sent(self, count: int, to: str) -> None:
        """Wait until all mail has arrived, and look which nodes it came by."""
        self.sent += count

        async def arrived() -> MailCount | None:
            mail = (await self._lab.report()).mail
            is_there = len(mail.message_ids) == self.sent and not mail.waiting
            return mail if is_there and mail.taken.total() == self.sent else None

        mail = await until(arrived, f"{self.sent} messages arrive, and none waits")
        names = [domain.name for _, domain in self._inventory.domains()]
        domains = [to.partition("@")[2]] * count if to else list(islice(cycle(names), count))
        expected: dict[str, int] = {}
        for domain in domains:
            if (site := self._first[domain]) != self._is_cut:
                expected[site] = expected.get(site, 0) + 1
        came = Counter(mail.taken)
        came.subtract(self.taken)
        cut = self._node.get(self._is_cut, "")
        # What the first site did not get by itself came by the others.
        assert not cut or came[cut] == 0
        assert all(came[self._node[site]] >= many for site, many in expected.items()), (
            came,
            expected,
        )
        self.taken = dict(mail.taken)


def test_the_page_has_the_example_whole() -> None:
    example = (ROOT / "examples" / "lab.yaml").read_text(encoding="utf-8")

    def known(text: str) -> object:
        return Inventory.model_validate(yaml.safe_load(text))

    assert known(yaml_of_the_page()[0]) == known(example)
