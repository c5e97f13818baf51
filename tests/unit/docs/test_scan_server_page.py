"""The page of the scanning server names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from common.settings.scan_server import ScanServerSettings
from satellite.scan_server.passing_log import PassingLog
from tests.support.our_files import ROOT

PAGE = (ROOT / "docs" / "scan-server.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"(?ms)^```{kind}\n(.*?)^```$", PAGE)


def test_each_metric_on_the_page_is_there() -> None:
    registry = CollectorRegistry()
    PassingLog(registry, kept_bytes=lambda: 0, is_away=lambda: False)
    ours = {
        f"{one.name}_total" if one.type == "counter" else one.name for one in registry.collect()
    }
    nodes = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")

    named = set(re.findall(r"`(borderscout_\w+)", PAGE))

    assert ours <= named
    assert [name for name in named - ours if f"`{name}`" not in nodes] == []


@pytest.mark.parametrize("number", range(len(blocks("yaml"))))
def test_the_settings_on_the_page_are_taken(number: int) -> None:
    first, *_ = blocks("yaml")
    said = yaml.safe_load(first) | yaml.safe_load(blocks("yaml")[number])

    ScanServerSettings.model_validate(said)


def test_postfix_is_told_of_the_ports_that_our_settings_name() -> None:
    port = re.compile(r"127\.0\.0\.1\]?:(100\d\d)")
    ours = set(port.findall("".join(blocks("yaml"))))
    theirs = set(port.findall("".join([*blocks("main.cf"), *blocks("master.cf")])))

    assert ours == theirs == {"10025", "10026", "10027"}


def test_the_unit_runs_the_command_with_the_state_that_the_settings_name() -> None:
    (unit,) = blocks("ini")
    state = yaml.safe_load(blocks("yaml")[0])["state"]

    assert f"StateDirectory={Path(state).name}" in unit
    assert "scan serve --config" in unit
