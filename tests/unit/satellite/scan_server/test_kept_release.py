"""Kept mail goes on when an operator says so, and is forgotten when the next hop has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure
from common.settings.scan_server import ScanServerSettings
from common.verdict import Outcome
from satellite.scan_server.kept_release import NotKept, release
from tests.support.smtp.next_hop import NextHop
from tests.support.smtp.passing import passing

X, Y = "x@acme.example", "y@acme.example"


def settings(folder: Path, hop: NextHop) -> ScanServerSettings:
    return ScanServerSettings.model_validate(
        {
            "hostname": "scan.example",
            "state": str(folder),
            "next_hop": f"127.0.0.1:{hop.port}",
            "smtp": {"listen": ["127.0.0.1:10025"]},
            "engines": [{"name": "yara", "kind": "yara"}],
        }
    )


async def kept(folder: Path, hop: NextHop) -> str:
    """Have a message kept for two, and return its id."""
    async with passing(folder, f"127.0.0.1:{hop.port}") as here:
        here.rooms.outcome = Outcome.INFECTED
        talk = await here.client()
        for line in ("MAIL FROM:<a@sender.example>", f"RCPT TO:<{X}>", f"RCPT TO:<{Y}>", "DATA"):
            await talk.ask(line)
        await talk.send(b"Subject: hello\r\n\r\nwords\r\n.\r\n")
        return (await talk.reply()).rpartition(" ")[2]


async def test_a_released_message_goes_to_all_and_is_forgotten(tmp_path: Path) -> None:
    async with NextHop() as hop:
        message = await kept(tmp_path, hop)

        results = await release(settings(tmp_path, hop), message)

        assert [one.is_delivered for one in results] == [True, True]
        (taken,) = hop.taken
        assert taken.recipients == (X, Y)
        assert taken.mail.startswith("MAIL FROM:<a@sender.example>")
        assert taken.data.endswith(b"words\r\n")
        assert list((tmp_path / "kept").iterdir()) == []


async def test_who_is_refused_it_is_kept_for_him_alone(tmp_path: Path) -> None:
    async with NextHop() as hop:
        message = await kept(tmp_path, hop)
        hop.script["RCPT"] = lambda line: b"450 4.2.0 Later\r\n" if X in line else b"250 Ok\r\n"

        results = await release(settings(tmp_path, hop), message)

        assert [one.is_delivered for one in results] == [False, True]
        told = json.loads((tmp_path / "kept" / f"{message}.json").read_text())
        assert [one["address"] for one in told["recipients"]] == [X]
        assert (tmp_path / "kept" / f"{message}.eml").exists()


async def test_a_next_hop_that_is_away_leaves_it_kept(tmp_path: Path) -> None:
    async with NextHop() as hop:
        message = await kept(tmp_path, hop)

    with pytest.raises(EnvironmentFailure, match="the next hop"):
        await release(settings(tmp_path, hop), message)

    assert len(list((tmp_path / "kept").iterdir())) == 2


@pytest.mark.parametrize("name", ["", "../lock", "01M8KNY535P24DBW1Q8JNB3R8P", "a/b"])
async def test_what_is_not_kept_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "kept").mkdir()
    for suffix in (".eml", ".json"):
        (tmp_path / f"lock{suffix}").write_text("{}")
    async with NextHop() as hop:
        with pytest.raises(NotKept):
            await release(settings(tmp_path, hop), name)
