"""What if a core publishes what satellites cannot apply?

Touches what a core touches: it is the real one, but that it takes any pattern for valid, as one of
a later version might. Run as ``python -m tests.support.core.careless_core CONFIG``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

from common.preferences import documents
from core.app import serve


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM."""
    with mock.patch.object(documents, "compile_pattern"):
        serve(Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
