"""The doctor finds planted faults, and says what mends each."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections import namedtuple
from pathlib import Path

import pytest

from cli import doctor
from common.certificate import CertificateStatus
from common.preferences import Epoch, Position
from common.reports import PreferenceProblem
from tests.support.cli.shell import Said, Shell
from tests.support.core.face import Face
from tests.support.node.sound_node import SETTINGS, certificate, sound_node


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return sound_node(tmp_path)


def faults(said: Said) -> dict[str, str]:
    """Return what is unfit, each with its remedy, from --json."""
    assert said.err == ""
    assert said.status == (1 if any(not line["ok"] for line in said.lines) else 0)
    return {line["name"]: line["remedy"] for line in said.lines if not line["ok"]}


async def examined(shell: Shell, *arguments: str | Path) -> dict[str, str]:
    return faults(await shell("doctor", *arguments, "--json"))


async def test_a_healthy_node_has_nothing_to_mend(shell: Shell, config: Path) -> None:
    assert await examined(shell, "--config", config) == {}
    assert "✔ link certificate: 89 days left" in (await shell("doctor", "--config", config)).out


async def test_the_file_of_a_core_is_read_as_that_of_a_core(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "core.yaml"
    tls = "{certificate: link.pem, key: link.key, authority: link.pem}"
    file.write_text(
        f"{{cluster: example, name: core, http: '127.0.0.1:1', grpc: '127.0.0.1:2', tls: {tls}}}"
    )
    certificate(tmp_path / "link.pem", days=90)

    assert await examined(shell, "--config", file) == {}
    file.write_text(file.read_text().replace("name: core", "nam: core"))
    said = (await shell("doctor", "--config", file)).out
    assert re.findall(r"(?:unknown|missing) key '\w+'", said) == [
        "missing key 'name'",
        "unknown key 'nam'",
    ]


async def test_a_system_on_which_helpers_keep_their_network_is_named(
    shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satellite.scanning.isolation._ACTIONS", config / "nothing")

    assert "seccomp" in (await examined(shell, "--config", config))["helper isolation"]


@pytest.mark.parametrize("days", [-1, 2.5])
async def test_a_certificate_that_is_nearly_over_is_found(
    shell: Shell, config: Path, days: float
) -> None:
    certificate(config.parent / "link.pem", days=days)

    assert "render" in (await examined(shell, "--config", config))["link certificate"]


@pytest.mark.parametrize(("days", "is_noted"), [(3.5, True), (13.5, True), (14.5, False)])
async def test_a_certificate_that_a_rendering_would_renew_is_worth_a_note(
    shell: Shell, config: Path, days: float, is_noted: bool
) -> None:
    certificate(config.parent / "link.pem", days=days)

    said = await shell("doctor", "--config", config, "--json")

    assert faults(said) == {}
    [line] = [line for line in said.lines if line["name"] == "link certificate"]
    assert line["note"] is is_noted
    assert ("borderscout inventory render" in line["found"]) is is_noted


async def test_a_key_of_another_certificate_is_found(shell: Shell, config: Path) -> None:
    other = config.parent / "other.pem"
    certificate(other, days=90)
    other.with_suffix(".key").replace(config.parent / "link.key")

    said = await shell("doctor", "--config", config, "--json")

    assert "render" in faults(said)["link certificate"]
    [line] = [line for line in said.lines if line["name"] == "link certificate"]
    assert line["found"].endswith("link.pem: the key belongs to another certificate")


@pytest.mark.parametrize("content", [None, b"no certificate"])
async def test_a_certificate_that_cannot_be_read_is_found(
    shell: Shell, config: Path, content: bytes | None
) -> None:
    file = config.parent / "link.pem"
    file.unlink()
    if content is not None:
        file.write_bytes(content)

    assert "render" in (await examined(shell, "--config", config))["link certificate"]


async def test_a_disk_that_is_nearly_full_is_found(
    shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(SETTINGS.replace("disk_reserve_bytes: 0", "disk_reserve_bytes: 1048576"))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _folder: usage(9_000_000, 8_000_000, 1_000_000)
    )

    assert "452 4.3.1" in (await examined(shell, "--config", config))["disk"]


async def test_a_slow_disk_is_found(
    shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "SYNC_MS_MAX", -1.0)

    assert "faster disk" in (await examined(shell, "--config", config))["disk sync"]


async def test_a_folder_that_cannot_be_written_is_found(
    shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(**_more: object) -> None:
        raise PermissionError(13, "Permission denied", "state")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuses)

    assert (await examined(shell, "--config", config)).keys() == {"disk"}


async def test_an_old_sqlite_is_found(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SQLITE_FLOOR", (99, 0, 0))

    assert "apsw" in (await examined(shell))["sqlite"]


@pytest.mark.parametrize("content", [None, "nonsense", SETTINGS + "colour: red\n"])
async def test_settings_that_are_wrong_are_found_with_their_place(
    shell: Shell, config: Path, content: str | None
) -> None:
    config.unlink()
    if content is not None:
        config.write_text(content)
    said = await shell("doctor", "--config", config, "--json")

    assert faults(said).keys() == {"settings"}
    assert any(f"{config}:" in line["found"] for line in said.lines)
    assert "✘ settings" in (await shell("doctor", "--config", config)).out


@pytest.mark.parametrize(
    ("entries", "name", "found"),
    [
        ("engines: [{name: y, kind: norton}]", "settings", "no engine of kind 'norton'"),
        ("engines: [{name: y, kind: yara, options: {speed: 3}}]", "settings", "option 'speed'"),
        ("filters: [{name: r, kind: rules, options: {a: 1}}]", "settings", "unknown option 'a'"),
        ("engines: [{name: y, kind: yara, timeout_s: 1}]", "engines", "less than two tries"),
        ("engines: [{name: y, kind: yara, options: {rules: [/no/a.yar]}}]", "engines", "/no/a.yar"),
    ],
)
async def test_engines_and_filters_that_no_worker_could_build_are_found(
    shell: Shell, config: Path, entries: str, name: str, found: str
) -> None:
    config.write_text(f"{SETTINGS}{entries}\n")

    said = await shell("doctor", "--config", config, "--json")

    assert faults(said).keys() == {name}
    (line,) = (line for line in said.lines if not line["ok"])
    assert found in line["found"]
    assert line["remedy"]


async def test_a_core_that_is_away_is_one_fault_among_others(shell: Shell, config: Path) -> None:
    certificate(config.parent / "link.pem", days=1)
    token = config.parent / "token"
    token.write_text("x" * 40)
    core = ("--url", "http://127.0.0.1:9", "--token-file", token)

    assert (await examined(shell, "--config", config, *core)).keys() == {"core", "link certificate"}


async def test_a_certificate_of_the_core_that_is_nearly_over_is_found(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = CertificateStatus(time.time() + 1.5 * 86_400, "the key belongs to another certificate")
    monkeypatch.setattr(core.services.link, "certificate_status", lambda: status)

    said = await shell("doctor", "--json")

    [line] = [one for one in said.lines if one["name"] == "link certificate of the core"]
    assert not line["ok"]
    assert line["found"].startswith("1 day left, until ")
    assert line["found"].endswith("the key belongs to another certificate")
    assert "borderscout inventory render" in line["remedy"]


async def test_what_the_core_knows_to_be_wrong_is_found(core: Face, shell: Shell) -> None:
    now_us = core.services.clock.now_us()
    core.hear(time_us=now_us + 9_000_000, accepting=False, not_accepting_reason="disk full")

    found = await examined(shell)

    assert found.keys() == {
        "node lon1",
        "clock of lon1",
        "engine clamav at lon1",
        "node par1",
    }
    text = (await shell("doctor")).out
    assert "disk full" in text
    assert "+9.0 s" in text


async def test_nothing_is_said_of_the_ports_of_a_node_that_is_not_heard(
    core: Face, shell: Shell
) -> None:
    core.hear("lon1", accepting=False)

    doctor, status = (await shell("doctor")).out, (await shell("status")).out

    assert "node par1: is silent; lag is unknown; on the node: " in doctor
    assert "node lon1: accepts no mail: not every shard listens; " in doctor
    lines = {line.split()[0]: line.split()[-1] for line in status.splitlines()[1:4]}
    assert lines == {"Node": "Accepts", "lon1": "no", "par1": "unknown"}


@pytest.mark.parametrize(
    ("days", "ok", "note", "words"),
    [
        (90.5, True, False, "90 days left"),
        (13.5, True, True, "13 days left"),
        (-1.5, False, False, "it is over since"),
    ],
)
async def test_a_nodes_certificate_is_seen_before_it_ends_and_named_after(
    core: Face, shell: Shell, days: float, ok: bool, note: bool, words: str
) -> None:
    core.services.link.certificate_ends.showed("par1", time.time() + days * 86_400)

    lines = (await shell("doctor", "--json")).lines
    [line] = [one for one in lines if one["name"] == "link certificate of par1"]
    shown = (await shell("status")).out
    page = (await core.stranger.get("/metrics")).text

    assert (line["ok"], line["note"]) == (ok, note)
    assert line["found"].startswith(words)
    assert (f"link certificate of par1: {words}" in shown) == (note or not ok)
    assert 'borderscout_node_cert_not_after_timestamp_seconds{node="par1"}' in page


async def test_the_full_disk_of_the_core_is_found_and_ends(
    shell: Shell, core: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    core.database.room.refused("database or disk is full")

    found = await examined(shell)
    shown = (await shell("status")).out

    assert found["disk of the core"].startswith("free some space there: df -h")
    assert "the core's disk is full: database or disk is full; free some space" in shown


async def test_a_node_that_was_removed_and_still_speaks_is_named_with_its_address(
    shell: Shell, core: Face
) -> None:
    reason = "gone1 is not in the settings"
    core.services.link.callers.refused(name="gone1", host="10.0.0.9", kind="k", reason=reason)

    [line] = [one for one in (await shell("doctor", "--json")).lines if "gone1" in one["name"]]
    shown = (await shell("status")).out

    assert line["found"] == f"{reason}, and calls from 10.0.0.9"
    assert "borderscout satellite drain" in line["remedy"]
    assert f"{reason}, and calls from 10.0.0.9" in shown


async def test_nodes_that_follow_another_core_are_named_with_the_command_that_mends_it(
    shell: Shell, core: Face
) -> None:
    why = "this core is an earlier one: its generation is 1, ours is 4"
    theirs = Position(Epoch(4, "44444444-4444-4444-8444-444444444444"), 9)
    far = Position(Epoch(9_000, "99999999-9999-4999-8999-999999999999"), 9)
    problem = PreferenceProblem(revision=3, kind="", key="", reason=why)
    core.hear(applied=theirs, refused=problem)
    core.hear("par1", applied=far)

    found = await examined(shell)
    shown = (await shell("status")).out

    assert found["epoch of lon1"].endswith("type: borderscout core renew-epoch; if not, stop it")
    assert "core renew-epoch --generation 9001" in found["epoch of par1"]
    assert found["node lon1"] == f"it refused what this core has: {why}"
    assert "lon1 follows a later core: generation 4, this core's is 1, so nothing" in shown
    assert f"lon1: refused revision 3: {why}" in shown


async def test_a_node_that_refuses_the_core_and_a_core_with_changed_rows_are_found(
    core: Face, shell: Shell
) -> None:
    core.hear(revision=9, core_refused="it lost changes; run: borderscout core renew-epoch")
    core.database.preference_rows.problem = "documents were changed"

    found = await examined(shell)

    assert {"node lon1", "preferences"} <= found.keys()
    lines = (await shell("doctor", "--json")).lines
    [node] = [one for one in lines if one["name"] == "node lon1"]
    assert "is refusing" in node["found"]
    assert "lag is unknown" in node["found"]
    assert "borderscout core renew-epoch" in node["remedy"]


async def test_that_no_node_can_join_is_said_by_status_and_doctor(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "no node can join: issuer.crt: No such file or directory"
    monkeypatch.setattr("core.joining.joining.Joining.problems", lambda _: [why])
    core.hear("lon1")

    assert "inventory members" in (await examined(shell))["nodes that join"]
    assert why in " ".join((await shell("status")).out.split())
