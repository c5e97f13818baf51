"""Does freshclam, as the core runs it, fetch from a mirror of ours, and say why when it cannot?

A real freshclam and a small HTTP server. Official databases are signed by ClamAV's makers alone:
what comes whole here is a database of others, and of the official ones the test sees what is asked.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from common.settings.core import FreshclamSettings
from core.definitions.freshclam import FetchFailed, Freshclam
from core.definitions.mirror import mirror_sources, mirror_state
from core.definitions.programs import ProgramMissing
from tests.support.definitions.web_mirror import web_mirror

HDB = b"44d88612fea8a8f36de82e1278abb02f:68:Eicar\n"

needs_freshclam = pytest.mark.skipif(
    shutil.which("freshclam") is None, reason="freshclam is not installed"
)


def freshclam(folder: Path, **settings: object) -> Freshclam:
    made = FreshclamSettings.model_validate(settings)
    return Freshclam(made, folder=folder / "mirror", config=folder / "freshclam.conf")


@needs_freshclam
async def test_a_database_of_others_is_fetched(tmp_path: Path) -> None:
    with web_mirror({"/own/local.hdb": HDB}) as (url, _):
        made = freshclam(tmp_path, official=False, custom_urls=[f"{url}/own/local.hdb"])
        await made.fetch()
        await made.fetch()  # nothing new is no failure

    state = mirror_state(tmp_path / "mirror")
    (source,) = mirror_sources(tmp_path / "mirror", state)
    assert (source.name, source.path.read_bytes()) == ("local.hdb", HDB)


@needs_freshclam
async def test_a_mirror_of_ours_is_asked_for_the_official_databases(tmp_path: Path) -> None:
    with web_mirror({}) as (url, asked), pytest.raises(FetchFailed, match="does not give what it"):
        await freshclam(tmp_path, private_mirrors=[url]).fetch()

    assert "/daily.cvd" in asked
    assert mirror_state(tmp_path / "mirror").files == ()


@needs_freshclam
async def test_a_mirror_that_is_away_is_said_in_words(tmp_path: Path) -> None:
    with web_mirror({}) as (url, _):
        pass

    with pytest.raises(FetchFailed, match=r"cannot be reached.*Couldn't connect to server"):
        await freshclam(tmp_path, private_mirrors=[url]).fetch()


@needs_freshclam
async def test_a_web_proxy_is_asked_for_what_lies_behind_it(tmp_path: Path) -> None:
    with web_mirror({}) as (proxy, asked):
        made = freshclam(
            tmp_path,
            official=False,
            custom_urls=["http://feed.example/local.hdb"],
            proxy=proxy.removeprefix("http://"),
        )
        with pytest.raises(FetchFailed):
            await made.fetch()

    assert set(asked) == {"feed.example:80"}


async def test_a_freshclam_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing, match="no-freshclam is not installed"):
        await freshclam(tmp_path, program="no-freshclam").fetch()


@pytest.mark.parametrize(
    "settings",
    [
        {"mirrors": ["https://a.example\nOnUpdateExecute rm"]},
        {"mirrors": ["https://a.example/path"]},
        {"custom_urls": ["file:///etc/passwd"]},
        {"custom_urls": ["http://a.example/x y"]},
        {"custom_urls": ["http://a.example/x\n"]},
        {"proxy": "a.example:80\nOnUpdateExecute rm"},
    ],
)
def test_no_setting_writes_another_line_of_freshclams(settings: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match=r"is no (mirror|URL|endpoint); write"):
        FreshclamSettings.model_validate(settings)
