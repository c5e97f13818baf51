"""What holds for every test.

A property test draws the same cases on every run, and has no time limit of its own: on a busy
machine a limit fails where the code does not. ``HYPOTHESIS_PROFILE=explore`` draws new cases.
"""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.marking", "tests.support.scenarios", "tests.support.storms.report"]

# How wide somebody's terminal is, or that of a worker without one (80), is no matter of a test.
os.environ.pop("COLUMNS", None)

settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("explore", parent=settings.get_profile("steady"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_collection_finish() -> None:
    """Leave what was collected, which stays to the end, out of each look of the garbage collector.

    Half a million objects take it half a second, in whichever test its turn happens to come.
    """
    gc.collect()
    gc.freeze()
