"""Which files beside the settings does a node keep while it takes others?

Touches ``satellite.yaml`` and what stands beside it: ``.candidate``, which is read before it is
anybody's; ``.before``, what was in force until then; ``.trial``, what is recorded. Each step is
durable when it returns. No text from the core chooses a name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from common.durable import disk, publish, write_file
from common.errors import SettingsError
from common.preferences.node_settings import settings_digest
from common.settings.reading import Source
from common.settings.satellite import SatelliteSettings
from common.settings.settings_text import tree_of, yaml_text
from satellite.node.settings_trial import RecordedTrial

log = structlog.get_logger()

TRIAL_BYTES_MAX = 65_536

_TRIAL = TypeAdapter(RecordedTrial)


class SettingsFiles:
    """The settings file of a node, and those beside it.

    Args:
        settings: where it is.
    """

    def __init__(self, settings: Path) -> None:
        self.settings = settings
        self.candidate = settings.with_name(f"{settings.name}.candidate")
        self._before = settings.with_name(f"{settings.name}.before")
        self._trial = settings.with_name(f"{settings.name}.trial")

    def in_place(self) -> str:
        """Return the digest of the settings file; empty: it has none that a document could have."""
        try:
            return settings_digest(Source.read(self.settings).tree)
        except (SettingsError, ValueError):
            return ""

    def recorded(self) -> RecordedTrial:
        """Return what was recorded last; what is not there, or none of ours, is a fresh node's."""
        try:
            with self._trial.open("rb") as file:
                return _TRIAL.validate_json(file.read(TRIAL_BYTES_MAX))
        except FileNotFoundError:
            return RecordedTrial()
        except (OSError, ValidationError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is none of ours"
            log.error("node.trial_unreadable", file=str(self._trial), reason=why)
            return RecordedTrial()

    def record(self, trial: RecordedTrial) -> None:
        """Keep this for the next start.

        Raises:
            OSError: the disk refuses.
        """
        write_file(self._trial, json.dumps(_TRIAL.dump_python(trial, mode="json")).encode())

    def write_candidate(self, tree: Mapping[str, Any]) -> None:
        """Write settings beside those in force, as whoever renders them does.

        Raises:
            OSError: the disk refuses.
        """
        try:
            ordered = tree_of(SatelliteSettings.model_validate(tree))
        except ValidationError:  # whoever reads the file says what is wrong, and where
            ordered = dict(tree)
        # In the order in which they are rendered, if that says the very same: 1 is not 1.0.
        said = ordered if settings_digest(ordered) == settings_digest(tree) else tree
        write_file(self.candidate, yaml_text(said).encode(), mode=self._mode())

    def candidate_digest(self) -> str:
        """Return the digest of what the candidate says, read as any settings file is.

        Raises:
            SettingsError: it is no YAML.
        """
        return settings_digest(Source.read(self.candidate).tree)

    def keep_former(self) -> None:
        """Copy the settings in force.

        Raises:
            OSError: the disk refuses.
        """
        write_file(self._before, self.settings.read_bytes(), mode=self._mode())

    def install(self) -> None:
        """Put the candidate in place.

        Raises:
            OSError: the disk refuses.
        """
        publish(self.candidate, self.settings)

    def restore(self, digest: str) -> None:
        """Put the former settings back if those with this digest are in place.

        A file changes its name, which needs no room on the disk.

        Raises:
            OSError: the disk refuses.
        """
        if self.in_place() == digest:
            publish(self._before, self.settings)

    def discard(self) -> None:
        """Throw the candidate away.

        Raises:
            OSError: the disk refuses.
        """
        if self.candidate.exists():  # a folder in which nothing may be written has none
            disk.unlink(self.candidate)

    def _mode(self) -> int:
        return self.settings.stat().st_mode & 0o777
