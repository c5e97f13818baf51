"""Is it shown how the tunnel fares, and nothing where nobody tells?"""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from common.wireguard.tunnel_metrics import TunnelMetrics
from common.wireguard.tunnel_state import STATE_BYTES_MAX, PeerHealth, TunnelHealth, health_text
from common.wireguard.tunnel_told import read_health, told_health

HEALTH = TunnelHealth(
    interface="wg0",
    at_s=1005,
    up=True,
    peers=(
        PeerHealth(name="lon1", handshake_s=1000, received_bytes=7, sent_bytes=8, mtu=1300),
        PeerHealth(name="par1", unresolved=True),
    ),
)


def samples(health: TunnelHealth | None) -> dict[str, float]:
    registry = CollectorRegistry()
    TunnelMetrics(lambda: health, registry, now_s=lambda: 1010.0)
    return {
        f"{one.name.removeprefix('borderscout_wireguard_')} {one.labels.get('peer', '')}".strip(): (
            one.value
        )
        for family in registry.collect()
        for one in family.samples
    }


def test_each_peer_is_shown_by_its_name() -> None:
    assert samples(HEALTH) == {
        "up": 1.0,
        "told_age_seconds": 5.0,
        "handshake_age_seconds lon1": 10.0,
        "path_mtu_bytes lon1": 1300.0,
        "unresolved lon1": 0.0,
        "unresolved par1": 1.0,
        "received_bytes_total lon1": 7.0,
        "received_bytes_total par1": 0.0,
        "sent_bytes_total lon1": 8.0,
        "sent_bytes_total par1": 0.0,
    }


def test_what_nobody_tells_has_no_sample() -> None:
    assert samples(None) == {}


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"{}", b" " * (STATE_BYTES_MAX + 1)])
def test_a_file_that_is_none_tells_nothing(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "wireguard.json"
    if content is not None:
        file.write_bytes(content)

    assert read_health(file) is None


def test_a_program_without_such_a_file_has_no_tunnel(tmp_path: Path) -> None:
    file = tmp_path / "wireguard.json"
    file.write_text(health_text(HEALTH))

    assert told_health("") is None
    assert told_health(str(file)) == HEALTH
