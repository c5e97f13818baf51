"""What holds for whom."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from common.settings.satellite import ClientSettings
from satellite.smtp.client_policy import ClientPolicies


def client(network: str, bare_newlines: str = "normalise") -> ClientSettings:
    return ClientSettings.model_validate({"network": network, "bare_newlines": bare_newlines})


def test_of_several_networks_the_narrowest_decides() -> None:
    policies = ClientPolicies(
        [
            client("192.0.2.0/24"),
            client("192.0.2.128/25", "refuse"),
            client("192.0.2.129/32"),
            client("2001:db8::/32"),
        ]
    )

    asked = [
        "192.0.2.1",
        "192.0.2.128",
        "192.0.2.129",
        "198.51.100.1",
        "2001:db8::1",
        "2001:db9::1",
    ]
    assert [policies.mends_newlines_of(address) for address in asked] == [
        True, False, True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("network", ["192.0.2.1/24", "acme.example", "", "192.0.2.0/33"])
def test_what_is_no_network_is_refused_with_a_remedy(network: str) -> None:
    with pytest.raises(ValidationError, match="write ADDRESS/LENGTH"):
        client(network)
