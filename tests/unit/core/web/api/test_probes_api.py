"""What nodes measured is read page by page, with its age and the node's site."""

from __future__ import annotations

from common.round_trips import RoundTrip
from tests.support.clock import FakeClock
from tests.support.core.face import Face

PATH = "/api/v1/probes"
A, B = "a.example:25", "b.example:25/mx"


async def test_a_probe_has_its_nodes_site_and_its_age(face: Face, fake_clock: FakeClock) -> None:
    await face.database.round_trips.take("lon1", [RoundTrip(A, 12_000, 100, 1, 30)])
    await fake_clock.advance(60)

    found = await face.ask("GET", PATH)

    assert found == {
        "made": "2026-01-01T00:01:00.000000Z",
        "window_s": 86_400,
        "probes": [
            {
                "node": "lon1",
                "site": "london",
                "target": A,
                "rtt_us": 12_000,
                "tries": 100,
                "failures": 1,
                "measured": "2025-12-31T23:59:30.000000Z",
                "age_s": 90,
            }
        ],
        "next": None,
    }


async def test_a_node_that_nobody_names_any_more_has_no_site(face: Face) -> None:
    await face.database.round_trips.take("old1", [RoundTrip(A, None, 3, 3, 0)])

    (one,) = (await face.ask("GET", PATH))["probes"]

    assert (one["site"], one["rtt_us"]) == (None, None)


async def test_pages_are_bounded_and_lead_to_each_other(face: Face) -> None:
    for node in ("lon1", "par1"):
        told = [RoundTrip(target, 5_000, 1, 0, 0) for target in (A, B)]
        await face.database.round_trips.take(node, told)

    first = await face.ask("GET", PATH, params={"limit": 3})
    second = await face.ask("GET", PATH, params={"limit": 3, "after": first["next"]})

    assert first["next"] == f"par1/{A}"
    assert [one["target"] for one in first["probes"]] == [A, B, A]
    assert [(one["node"], one["target"]) for one in second["probes"]] == [("par1", B)]
    assert second["next"] is None
    await face.refused(422, "GET", PATH, params={"limit": 1_001})
