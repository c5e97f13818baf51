"""What may a request handler use?

Pure: the core's rooms in one place, handed to each request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request

from common.certificate import CertificateStatus
from common.clock import Clock
from common.settings.core import CoreSettings
from core.custody.custody import Custody
from core.custody.release import Releases
from core.definitions.definitions import Definitions
from core.fleet.certificate_ends import CertificateEnds
from core.fleet.fleet import Fleet
from core.fleet.refused_callers import RefusedCallers
from core.fleet.tally_sums import TallySums
from core.joining.joining import Joining
from core.learning.learning import Learning
from core.people.tokens import Token
from core.retention.sweeper import Sweeper
from core.settings import SettingsFileState
from core.store.database import Database


class SatelliteLink(Protocol):
    """The link to all satellites, as far as people ask for it."""

    @property
    def fleet(self) -> Fleet: ...

    @property
    def tallies(self) -> TallySums: ...

    @property
    def certificate_ends(self) -> CertificateEnds: ...

    @property
    def callers(self) -> RefusedCallers: ...

    def flush(self, destination: str = "", *, node: str | None = None) -> int: ...

    def take_settings(self, node: str, digest: str, *, drain_s: int = 0) -> bool: ...

    def drain(self, node: str, *, on: bool) -> int: ...

    def certificate_status(self) -> CertificateStatus | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The rooms of one core."""

    settings: CoreSettings
    clock: Clock
    database: Database
    custody: Custody
    releases: Releases
    learning: Learning
    link: SatelliteLink
    definitions: Definitions
    joining: Joining
    sweeper: Sweeper
    token: Token
    version: str
    settings_file: SettingsFileState = field(default_factory=SettingsFileState)

    @property
    def sites(self) -> Mapping[str, str]:
        """The site of each node."""
        return self.link.fleet.sites


def services_of(request: Request) -> Services:
    """Return the rooms that the application was made with."""
    return cast(Services, request.app.state.services)


Core = Annotated[Services, Depends(services_of)]
