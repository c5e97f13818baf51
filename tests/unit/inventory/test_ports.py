"""Are loopback ports chosen once, free and apart?"""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure, LocalError
from inventory import ports
from inventory.ports import HIGHEST, LOWEST, complete, known_ports, was_on_loopback

WANTED = {"core": ("http", "grpc"), "lon1": ("smtp", "metrics")}


def test_new_ports_are_apart_and_below_the_ephemeral_range() -> None:
    found = complete({}, WANTED)

    every = [port for mine in found.values() for port in mine.values()]
    assert len(set(every)) == 4
    assert all(LOWEST <= port <= HIGHEST < 32_768 for port in every)


def test_known_ports_stay_when_a_node_comes() -> None:
    before = complete({}, WANTED)
    after = complete(before, WANTED | {"par1": ("smtp", "metrics")})

    assert {name: after[name] for name in before} == before
    assert set(after["par1"].values()).isdisjoint(p for m in before.values() for p in m.values())


def test_a_port_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LOWEST", 32_700)  # a narrow range, so that the search meets it
    monkeypatch.setattr(ports, "HIGHEST", 32_703)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 32_701))
        found = complete({"x": {"smtp": 32_700}}, {"lon1": ("smtp", "metrics")})

    assert set(found["lon1"].values()) == {32_702, 32_703}


@pytest.mark.parametrize(
    ("endpoints", "is_so"),
    [
        ('{"core": {"grpc": "127.0.0.1:20001"}}', True),
        ('{"core": {"grpc": "10.77.0.1:7443"}}', False),
        ("{}", True),
        ("[]", True),
        (None, True),
    ],
)
def test_ports_that_a_trial_has_left_make_no_cluster_on_loopback(
    tmp_path: Path, endpoints: str | None, is_so: bool
) -> None:
    if endpoints is not None:
        (tmp_path / "endpoints.json").write_text(endpoints)

    assert not was_on_loopback(tmp_path)
    (tmp_path / "ports.json").write_text("{}")
    assert was_on_loopback(tmp_path) is is_so


def test_without_a_free_port_nothing_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LOWEST", 32_710)
    monkeypatch.setattr(ports, "HIGHEST", 32_710)

    with pytest.raises(EnvironmentFailure, match="no free port"):
        complete({}, {"lon1": ("smtp", "metrics")})


def test_ports_are_read_back(tmp_path: Path) -> None:
    found = complete({}, WANTED)
    (tmp_path / "ports.json").write_text(json.dumps(found))

    assert known_ports(tmp_path / "ports.json") == found
    assert known_ports(tmp_path / "none.json") == {}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"core": 5}',
        '{"core": {"http": "x"}}',
        '{"core": {"http": 80}}',
        '{"core": {"http": 40000}}',
        '{"core": {"http": 20000, "grpc": 20000}}',
    ],
)
def test_a_damaged_file_of_ports_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "ports.json").write_text(content)

    with pytest.raises(LocalError, match="delete it to have ports chosen anew"):
        known_ports(tmp_path / "ports.json")
