"""A helper process holds what it reads mail with, and no library for anything else."""

from __future__ import annotations

import subprocess
import sys

# Each of them, with what it draws in, costs every helper of a node megabytes of its own.
SPARED = ("structlog", "rich", "pydantic", "prometheus_client", "grpc", "uvloop", "decimal", "uuid")
PROBE = f"""
import sys
import satellite.scanning.helper_process
import satellite.scanning.yara_job
print([name for name in {SPARED} if name in sys.modules])
"""


def test_a_helper_imports_nothing_that_it_does_not_read_mail_with() -> None:
    said = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=60, check=False
    )

    assert (said.returncode, said.stdout.strip()) == (0, "[]"), said.stderr
