"""An inventory is planned and applied against a real core: just what was planned, once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli import applied, inventory_apply, inventory_plan, settings_roll_out
from cli.client import Client, CoreFailure
from cli.inventory_plan import WantedCluster
from common.preferences import Kind
from common.preferences.documents import check_document as checked
from common.reports import SettingsState
from common.tasks import finish
from inventory.addressing import wanted_ports
from inventory.load import load_inventory
from inventory.node_documents import node_documents
from inventory.settings_turns import WantedSettings
from tests.support.cli.shell import Said, Shell
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.core.face import Face
from tests.support.core.preferences import document, route, tombstone

MANY = 1_000  # documents are counted here, not timed

PLAN, APPLY = ("inventory", "plan"), ("inventory", "apply")


class Desk:
    """Somebody with an inventory file."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self.file = folder / "inventory.yaml"
        self.plan_file = folder / "plan.json"
        self._shell = shell
        self.domains = ["a.example", "b.example", "c.example", "d.example"]
        self.more: dict[str, Any] = {}

    def write(self, *nodes: str, **more: Any) -> None:
        """Write the inventory: a site of its own for each node, and the domains."""
        self.more = self.more | more
        tree = inventory(
            sites=[site(f"s{n}", *nodes[n - 1 : n], number=n) for n in range(1, len(nodes) + 1)],
            customers=[customer("acme", ["mail.acme.example:25"], *self.domains)],
            **self.more,
        )
        self.file.write_text(json.dumps(tree))

    async def plan(self, *arguments: str) -> Said:
        return await self._shell(*PLAN, self.file, *arguments)

    async def apply(self, *arguments: str) -> Said:
        return await self._shell(*APPLY, self.file, *arguments)


@pytest.fixture
def desk(shell: Shell, tmp_path: Path) -> Desk:
    made = Desk(shell, tmp_path)
    made.write("lon1", "par1")
    return made


def keys(core: Face, kind: Kind) -> list[str]:
    return [one.key for one in core.database.preferences.current.documents(kind)]


async def published(core: Face, *documents: Any, who: str = "bob") -> None:
    await core.database.preferences.publish(documents, who=who, comment="by hand")


async def test_a_plan_says_what_would_change_and_changes_nothing(core: Face, desk: Desk) -> None:
    await published(core, route("gone.example"), route("b.example", "acme", hold_days=3))

    said = await desk.plan()

    assert said.status == 2
    assert "route: 3 added, 1 changed, 1 removed" in said.out
    assert "  - gone.example" in said.out
    assert "      hold_days: 3 -> 7" in said.out
    assert "node: 2 added" in said.out
    assert core.database.preferences.position.revision == 1


async def test_applying_publishes_one_revision_and_repeating_it_changes_nothing(
    core: Face, desk: Desk
) -> None:
    first = await desk.apply("--yes")
    again = await desk.apply("--yes")
    planned = await desk.plan("--json")

    assert first.status == 0, first.err
    assert "revision 1" in first.out
    assert again.status == 0
    assert "nothing to do: the core has all of it at revision 1" in again.out
    assert "silent" not in again.out
    assert planned.status == 0
    assert planned.lines[0]["changes"] == []
    assert keys(core, Kind.ROUTE) == desk.domains
    assert keys(core, Kind.NODE) == ["lon1", "par1"]
    (entry,) = await core.database.audit.recent()
    assert (entry.what, entry.who) == ("preferences.publish", "admin")


async def test_only_what_changed_is_published(core: Face, desk: Desk) -> None:
    await desk.apply("--yes")
    desk.domains[0] = "new.example"
    desk.write("lon1", "par1", resolver="127.0.0.1:53")

    planned = await desk.plan()
    await desk.apply("--yes")

    assert '      settings.resolver: "127.0.0.1:53" (new)' in planned.out
    assert "digest" not in planned.out
    revision = (await core.database.preferences.history())[0]
    assert {f"{one.kind} {one.key}" for one in revision.changes} == {
        "route a.example",
        "route new.example",
        "node lon1",
        "node par1",
    }


async def test_what_admins_typed_is_never_touched(core: Face, desk: Desk) -> None:
    typed = [
        document(Kind.POLICY, "cluster", virus="drop"),
        document(Kind.LIST, "black/cluster/bad.example"),
        document(Kind.RECIPIENT, "joe@a.example"),
        document(Kind.WEIGHT, "cluster/RULE_X", score=1),
        document(Kind.HOLD, "a.example", hold_days=9),
    ]
    await published(core, *typed)

    assert (await desk.apply("--yes")).status == 0

    for one in typed:
        assert core.database.preferences.current.document(Kind(one.kind), one.key) is not None


async def test_a_stale_plan_is_refused_with_who_changed_what(core: Face, desk: Desk) -> None:
    await desk.apply("--yes")
    desk.domains.append("e.example")
    desk.write("lon1", "par1")
    assert (await desk.plan("--out", str(desk.plan_file))).status == 2
    await published(core, route("typed.example"))

    line = (await desk.apply("--plan", str(desk.plan_file))).check_failed()

    assert "the plan is stale" in line
    assert "changed after revision 1" in line
    assert "revision 2 by bob: by hand" in line
    assert core.database.preferences.position.revision == 2


async def test_a_plan_of_another_inventory_is_refused(core: Face, desk: Desk) -> None:
    await desk.plan("--out", str(desk.plan_file))
    desk.domains.append("e.example")
    desk.write("lon1", "par1")

    line = (await desk.apply("--plan", str(desk.plan_file))).check_failed()

    assert "the inventory says something else" in line
    assert core.database.preferences.position.revision == 0


async def test_a_plan_that_was_read_is_carried_out_without_asking_and_but_once(
    core: Face, desk: Desk
) -> None:
    await desk.plan("--out", str(desk.plan_file))
    await published(core, document(Kind.POLICY, "cluster", virus="drop"))  # none of its kinds

    first = await desk.apply("--plan", str(desk.plan_file))
    again = await desk.apply("--plan", str(desk.plan_file))

    assert (first.status, again.status) == (0, 0), first.err + again.err
    assert core.database.preferences.position.revision == 2
    assert desk.plan_file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"id": 1}', '{"id": "x", "version": 9}'])
async def test_what_is_no_plan_is_refused(core: Face, desk: Desk, content: str) -> None:
    desk.plan_file.write_text(content)

    line = (await desk.apply("--plan", str(desk.plan_file))).check_failed()

    assert "plan.json: is " in line
    assert core.database.preferences.position.revision == 0


async def test_without_a_terminal_it_asks_for_a_yes(core: Face, desk: Desk) -> None:
    said = await desk.apply()

    assert said.status == 2
    assert "say --yes" in said.err
    assert core.database.preferences.position.revision == 0


async def test_taking_many_routes_away_needs_force_and_each_is_named(
    core: Face, desk: Desk
) -> None:
    desk.domains = [f"{letter}.example" for letter in "abcdefgh"]
    desk.write("lon1", "par1")
    await desk.apply("--yes")
    desk.domains = desk.domains[:4]
    desk.write("lon1", "par1")

    planned = await desk.plan()
    refused = await desk.apply("--yes")
    forced = await desk.apply("--yes", "--force")

    assert [line for line in planned.out.splitlines() if line.startswith("  - ")] == [
        "  - e.example",
        "  - f.example",
        "  - g.example",
        "  - h.example",
    ]
    assert "4 of 8 routes" in planned.out
    assert (refused.status, forced.status) == (1, 0)
    assert "say --force" in refused.err
    assert keys(core, Kind.ROUTE) == desk.domains


async def test_routes_of_others_may_be_kept(core: Face, desk: Desk) -> None:
    await published(core, route("typed.example"))

    assert (await desk.apply("--yes", "--keep-others")).status == 0

    assert keys(core, Kind.ROUTE) == [*desk.domains, "typed.example"]


async def _meanwhile(core: Face, monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any]) -> None:
    """Let something happen between the last look of the next apply and its publication."""
    loop = asyncio.get_running_loop()
    plain = inventory_apply._publish
    monkeypatch.setattr(
        inventory_apply,
        "_publish",
        lambda *a, **k: (
            (asyncio.run_coroutine_threadsafe(finish(work()), loop).result(10) and None)
            or plain(*a, **k)
        ),
    )


async def test_who_publishes_a_policy_meanwhile_does_not_stop_it(
    core: Face, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = document(Kind.POLICY, "cluster", virus="drop")
    await _meanwhile(core, monkeypatch, lambda: published(core, policy))

    assert (await desk.apply("--yes")).status == 0

    assert core.database.preferences.position.revision == 2


async def test_of_two_applies_at_once_one_is_refused_and_nothing_is_mixed(
    core: Face, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _meanwhile(core, monkeypatch, lambda: published(core, route("other.example"), who="eve"))

    said = await desk.apply("--yes", "--json")

    assert said.status == 1
    assert "somebody else changed what the plan starts from (revision 1 by eve" in said.err
    assert keys(core, Kind.ROUTE) == ["other.example"]


async def test_two_applies_of_the_same_both_end_well(
    core: Face, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await desk.apply("--yes")
    stood = core.database.preferences.current.document(Kind.ROUTE, "a.example")
    await published(core, tombstone(Kind.ROUTE, "a.example"))
    await _meanwhile(core, monkeypatch, lambda: published(core, stood, who="eve"))

    said = await desk.apply("--yes")

    assert (first.status, said.status) == (0, 0), said.err


async def test_a_silent_node_is_named_and_makes_the_exit_code_1(core: Face, desk: Desk) -> None:
    core.hear("lon1", revision=0)
    await core.services.clock.advance(60.0)  # type: ignore[attr-defined]

    said = await desk.apply("--yes")

    assert said.status == 1
    assert "not yet at lon1: it is silent" in said.out


async def test_a_node_that_is_behind_is_named_and_all_that_is_left_is_said(
    core: Face, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applied, "WAIT_S", 0.0)
    settings = {"settings_digest": "0" * 64, "settings_state": SettingsState.STEADY}
    core.hear("lon1", revision=0, **settings)

    said = await desk.apply("--yes", "--json")

    assert said.status == 1
    (told,) = said.lines
    assert "it has not applied revision 1 yet" in told["settings"]["waiting"]["lon1"]
    assert told["settings"]["to_join"] == ["par1"]


async def test_a_node_that_is_gone_and_that_the_cores_settings_name_is_told_of(
    core: Face, desk: Desk
) -> None:
    await desk.apply("--yes")
    desk.write("lon1")

    said = await desk.apply("--yes")

    assert "  - par1" in said.out
    assert said.status == 1
    assert "par1 is in no document any more: core.yaml still names it" in said.out
    assert keys(core, Kind.NODE) == ["lon1"]


async def test_a_plan_that_would_move_nodes_off_loopback_asks_for_the_rendered_folder(
    core: Face, desk: Desk
) -> None:
    known = load_inventory(desk.file)
    ports = {
        place: {name: 2_000 + number for number, name in enumerate(sorted(names))}
        for place, names in wanted_ports(known).items()
    }
    await published(core, *map(checked, node_documents(known, ports)))

    said = await desk.plan("--json")

    assert json.loads(said.out)["hint"].startswith("lon1, par1 would move from a port of 127.0.0.1")


class ToldNodes:
    """A core's status and its door for settings; it fulfils what the roll-out asks of a client."""

    def __init__(self, **fates: str) -> None:
        self._fates = fates
        self.settings = {name: {"in_force": "old", "state": "steady"} for name in fates}
        self.told: list[str] = []
        self.drains: dict[str, int] = {}

    def ask(self, method: str, path: str, **more: Any) -> Any:
        if method == "POST":
            node = path.split("/")[4]
            self.told.append(node)
            self.drains[node] = more["body"]["drain_s"]
            fate = self._fates[node]
            if fate == "untold":
                raise CoreFailure(f"{node}: it has not applied revision 2 yet", status=409)
            took = {"in_force": more["body"]["digest"], "state": "steady"}
            gave_up = {"in_force": "old", "state": fate, "problem": "not ready within a minute"}
            self.settings[node] = took if fate == "takes" else gave_up
            return {}
        return {
            "nodes": [
                {
                    "node": name,
                    "site": name[:3],
                    "state": "live",
                    "accepting": True,
                    "heard_s_ago": 1.0,
                    "settings": said,
                }
                for name, said in self.settings.items()
            ]
        }


@pytest.mark.parametrize("fate", ["refused", "rolled_back"])
def test_the_roll_out_stops_with_the_first_node_that_did_not_take_its_settings(fate: str) -> None:
    core = ToldNodes(lon1="takes", lon2=fate, par1="takes")
    turns = [WantedSettings(name[:3], name, "new", "old") for name in ("lon1", "lon2", "par1")]
    said: list[str] = []

    found = settings_roll_out.roll_out(_client(core), turns, say=said.append)

    assert core.told == ["lon1", "lon2"]
    assert core.drains == {"lon1": 60, "lon2": 60}, "each has the other one"
    assert (found.done, found.failed, found.left) == (("lon1",), "lon2", ("par1",))
    assert found.why.endswith("not ready within a minute")
    assert said == ["lon1 is at work with its settings"]


def test_a_node_that_cannot_be_told_keeps_no_other_from_its_settings() -> None:
    core = ToldNodes(lon1="untold", par1="takes")
    turns = [WantedSettings(name[:3], name, "new", "old") for name in ("lon1", "par1")]

    found = settings_roll_out.roll_out(_client(core), turns, say=lambda _: None)

    assert core.told == ["lon1", "par1"]
    assert (found.done, found.failed) == (("par1",), "")
    assert found.untold == {"lon1": "lon1: it has not applied revision 2 yet"}


def test_a_node_that_has_just_begun_is_waited_for_until_it_says_what_it_works_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core = ToldNodes(lon1="takes")
    core.settings["lon1"] = {"in_force": "", "state": ""}
    has_begun = {"in_force": "old", "state": "steady"}
    monkeypatch.setattr(time, "sleep", lambda _: core.settings.update(lon1=has_begun))

    assert inventory_plan.stands_when_said(_client(core))["lon1"].in_force == "old"


def test_a_node_of_a_version_before_is_not_waited_for_any_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core = ToldNodes(old1="takes")
    core.settings["old1"] = {"in_force": "", "state": ""}
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(time, "sleep", lambda wait_s: now_s.__setitem__(0, now_s[0] + wait_s))

    assert inventory_plan.stands_when_said(_client(core))["old1"].in_force == ""
    assert now_s[0] == inventory_plan.JUST_BEGUN_S


def _client(core: ToldNodes) -> Client:
    return core  # type: ignore[return-value]


async def test_of_very_many_domains_only_the_one_that_changed_is_sent(
    core: Face, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [route(f"d{number:06}.example") for number in range(MANY)]
    await core.database.preferences.publish(many, who="before")
    many[7] = route("d000007.example", hold_days=3)
    monkeypatch.setattr(inventory_apply, "wanted_of", lambda *_: WantedCluster(tuple(many), ()))
    sent: list[bytes] = []
    plain = inventory_apply._body

    def body(*of: Any) -> list[bytes]:
        sent.extend(plain(*of))
        return list(sent)

    monkeypatch.setattr(inventory_apply, "_body", body)

    said = await desk.apply("--yes")

    assert "route: 1 changed" in said.out
    assert [one["key"] for one in json.loads(b"".join(sent))["documents"]] == ["d000007.example"]
    (newest, *_) = await core.database.preferences.history(limit=1)
    assert newest.changes_count == 1
