"""The examples as a stranger installs them: with pip, into a folder of their own.

Their builder is setuptools, which the developers' tools bring along, so that nothing is fetched.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="session")
def examples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder into which pip has installed both examples, from copies."""
    copies = tmp_path_factory.mktemp("examples")
    target = tmp_path_factory.mktemp("installed")
    names = ("engine", "filter")
    for name in names:  # building leaves files beside the sources
        shutil.copytree(EXAMPLES / name, copies / name)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        + ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
        + [str(copies / name) for name in names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def installed(examples_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put what was installed on the path, and forget its modules afterwards."""
    monkeypatch.syspath_prepend(str(examples_folder))
    importlib.invalidate_caches()
    yield examples_folder
    for name in ("example_engine", "example_filter"):
        sys.modules.pop(name, None)
