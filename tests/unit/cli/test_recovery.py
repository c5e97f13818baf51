"""A core is saved and brought back from the command line: what is said, and how it fails."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from common.clock import SystemClock
from tests.support.core.rooms import made_id, route
from tests.support.core.saved import open_state, settings_in


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The settings of a core that has a revision and a body."""
    settings = settings_in(tmp_path)

    async def fill() -> None:
        async with open_state(settings, SystemClock()) as core:
            await core.database.preferences.publish([route()], who="test")
            await core.hold(made_id(1), b"evil")

    asyncio.run(fill())
    file = tmp_path / "core.yaml"
    file.write_text(settings.model_dump_json())
    return file


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    status = run([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    status, out, err = said(capsys, *arguments, "--json")
    assert (status, err) == (0, ""), err
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_core_is_saved_looked_at_and_brought_back(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "monday"

    made = told(capsys, "core", "backup", folder, "--config", config)
    looked = told(capsys, "core", "restore", folder, "--check", "--config", config)
    refused = said(capsys, "core", "restore", folder, "--config", config)
    back = told(capsys, "core", "restore", folder, "--replace", "--config", config)

    assert (made["revision"], made["bodies"], made["deleted"], made["lost"]) == (1, 1, 0, [])
    assert looked["damaged"] == []
    assert looked["database_sha256"] == made["database_sha256"]
    assert refused[0] == 1
    assert refused[2].startswith("borderscout: ")
    assert "--replace" in refused[2]
    assert (back["revision"], back["generation"], back["wanted"]) == (1, 2, 0)
    assert Path(back["set_aside"]).is_dir()


def test_a_machine_that_can_become_the_core_has_peers_from_a_backup(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    folder, tunnel = tmp_path / "monday", tmp_path / "wg0.conf"
    told(capsys, "core", "backup", folder, "--config", config)
    without = said(capsys, "core", "peers", folder, "--config", config)
    tunnel.write_text("[Interface]\n")
    settings = json.loads(config.read_text()) | {"wireguard": {"file": str(tunnel)}}
    config.write_text(json.dumps(settings))

    found = told(capsys, "core", "peers", folder, "--config", config)
    status, words, _ = said(capsys, "core", "peers", folder, "--config", config)

    assert (without[0], "names no wireguard.file" in without[2]) == (1, True)
    assert (found["members"], found["changed"]) == (0, False)
    assert status == 0
    assert "0 nodes have joined by" in words
    assert words.endswith("UTC; nothing to do\n")


def test_people_read_the_same_in_words(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "monday"

    _, made, _ = said(capsys, "core", "backup", folder, "--config", config)
    _, looked, _ = said(capsys, "core", "restore", folder, "--check", "--config", config)
    _, back, _ = said(capsys, "core", "restore", folder, "--replace", "--config", config)
    _, renewed, _ = said(capsys, "core", "renew-epoch", "--yes", "--config", config)

    assert f"{folder}: revision 1, database " in made
    assert "1 body, 4 B" in made
    assert looked.startswith(f"{folder}: example, revision 1 of ")
    assert "in a new epoch of generation 2; start the core now\nwhat was there is in " in back
    assert renewed == (
        "a new epoch of generation 3, at revision 1; nodes take it as they connect:"
        " borderscout status\n"
    )


def test_a_damaged_backup_is_found_and_names_what_is_damaged(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "monday"
    told(capsys, "core", "backup", folder, "--config", config)
    (body,) = folder.glob("bodies/??/*")
    body.unlink()

    status, _, err = said(capsys, "core", "restore", folder, "--check", "--config", config)

    assert status == 1
    assert (
        err == f"borderscout: {body.name}: this body is missing or damaged; take another backup\n"
    )


def test_a_body_that_the_core_lost_is_a_warning_and_no_failure(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    (body,) = tmp_path.glob("state/bodies/??/*")
    body.unlink()

    status, _, err = said(capsys, "core", "backup", tmp_path / "b", "--config", config)

    assert status == 0
    assert err.startswith(f"borderscout: warning: no body {body.name}")


def test_an_epoch_of_a_core_at_rest_is_renewed_and_audited(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    found = told(capsys, "core", "renew-epoch", "--yes", "--generation", "9", "--config", config)

    async def entries() -> list[tuple[str, str]]:
        async with open_state(settings_in(tmp_path), SystemClock()) as core:
            assert core.database.epoch.identifier == found["epoch"]
            return [(one.what, one.detail) for one in await core.database.audit.recent()]

    assert (found["generation"], found["revision"]) == (9, 1)
    assert asyncio.run(entries())[0] == ("epoch.renew", "generation 9 after 1")


def test_nobody_is_asked_on_no_terminal_and_nothing_is_done(
    capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    status, _, err = said(capsys, "core", "renew-epoch", "--config", config)

    assert status == 2
    assert "say --yes" in err


def test_a_half_restored_core_does_not_start(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    (tmp_path / "state" / "restore.partial").mkdir()

    status, _, err = said(capsys, "core", "renew-epoch", "--yes", "--config", config)

    assert status == 1
    assert "was not finished; type it again" in err
