"""Do the pages that are drawn from code say what they are for?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from common.certificate import CertificateStatus
from common.reports import DefinitionsReport, DefinitionsState
from common.settings.core import CoreSettings
from common.settings.satellite import SatelliteSettings
from common.wireguard.tunnel_state import PeerHealth, TunnelHealth
from core.retention.report import ClassReport, RetentionReport
from docs.generate import map as code_map
from docs.generate import metrics
from tests.support.core.face import Face
from tests.support.core.rests import no_rest
from tests.support.metrics_page import labels_of_a_scrape, labels_on_the_page

ROOT = Path(__file__).parents[3]
MAP = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "word",
    [
        "engine",
        "filter",
        "retry schedule",
        "text of a DSN",
        "header",
        "limit",
        "log record",
        "metric",
        "feed of revisions",
        "MX formula",
    ],
)
def test_the_map_answers_where_something_is(word: str) -> None:
    rows = [row for row in MAP.splitlines() if row.startswith("| ") and word in row.split(" | ")[0]]

    assert rows
    for row in rows:
        targets = re.findall(r"\]\((\S+?)\)", row)
        assert targets
        assert all((ROOT / "docs" / target).exists() for target in targets)


@pytest.mark.parametrize("model", [SatelliteSettings, CoreSettings])
def test_the_map_leads_to_where_settings_are_declared(model: type[BaseModel]) -> None:
    assert (
        f"{model.__module__.replace('.', '/')}.py" in code_map.INDEX["a limit of a node, a setting"]
    )


def test_the_map_has_every_file_of_the_product() -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for package in code_map.PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }

    assert {
        name
        for name in files
        if not name.endswith("__init__.py")
        and not name.startswith(code_map.LEFT_OUT)
        and f"](../{name})" not in MAP
    } == set()


def test_a_place_of_the_index_that_is_gone_stops_the_drawing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(code_map, "INDEX", {"a treasure": ("satellite/island.py",)})

    with pytest.raises(code_map.NowhereError, match=r"a treasure: satellite/island\.py is not"):
        code_map.text()


def test_every_metric_has_a_meaning_that_somebody_can_read() -> None:
    for one in [*metrics.of_a_node(), *metrics.of_the_core()]:
        assert len(one.meaning.split()) > 1, one.name
        assert one.name.startswith("borderscout_")


async def test_what_a_core_shows_stands_on_the_page(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"own.hdb": "YQ=="}
    await face.ask("POST", "/api/v1/definitions/custom", json={"files": files})
    says = DefinitionsReport(family="clamav", state=DefinitionsState.CURRENT)
    face.hear(revision=0, definitions=(says,))
    face.services.link.certificate_ends.showed("lon1", 1_800_000_000.0)
    audit = ClassReport(name="audit", rows=1, oldest_us=1, days=1100, gone=0)
    face.services.sweeper.report = RetentionReport(classes=(audit,))
    # Nothing listens here, and so no certificate is in use.
    status = CertificateStatus(1_800_000_000.0)
    monkeypatch.setattr(face.services.link, "certificate_status", lambda: status)
    # Nor is there a tunnel.
    lon1 = PeerHealth(name="lon1", handshake_s=1, mtu=1420)
    told = TunnelHealth(interface="wg0", at_s=1, up=True, peers=(lon1,))
    monkeypatch.setattr("core.web.metrics.told_health", lambda _: told)
    monkeypatch.setattr(face.services.sweeper, "_rest", no_rest)
    await face.services.sweeper.sweep()
    face.services.link.certificate_ends.remember("lon1", 1_800_000_000.0)

    shown = labels_of_a_scrape((await face.stranger.get("/metrics")).text)

    assert shown == labels_on_the_page("The core")
