"""Which definitions does a worker keep for its node, and where does it get them?

Touches the certificate's files, when the core is asked. The first worker does it for all: there is
one folder, and one engine that loads.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

from common.clock import Clock
from common.errors import EnvironmentFailure, LocalError
from common.link import DefinitionsOffer
from common.reports import DefinitionsReport
from common.rpc import core_host
from common.settings.satellite import CoreLink, NodeDefinitionsSettings, SatelliteSettings
from common.settings.values import endpoint, split_endpoint
from common.tasks import keep_running
from satellite.definitions.clamd_trial import ClamdTrial, is_on_this_machine
from satellite.definitions.fetching import SetSource
from satellite.definitions.set_changes import watch_sets
from satellite.definitions.upkeep import DefinitionsUpkeep, UpkeepMeans
from satellite.link.own_certificate import link_files

KEEPING_SHARD = 0


class NodeDefinitions:
    """The upkeep of all families that a node takes from the core.

    Args:
        settings: of the node.
        clock: the time.
        shard: of this worker; only the first one keeps any.
        on_change: called with the name of an engine that has other definitions, or soon will have:
            in every worker.
        core_address: returns where the link dials the core now, HOST:PORT: the same machine serves
            the definitions.
    """

    def __init__(
        self,
        settings: SatelliteSettings,
        clock: Clock,
        *,
        shard: int,
        on_change: Callable[[str], None],
        core_address: Callable[[], str],
    ) -> None:
        self._clock = clock
        self._watched = [
            (Path(one.folder), partial(on_change, one.engine)) for one in settings.definitions
        ]
        kept = settings.definitions if shard == KEEPING_SHARD else ()
        self._upkeeps = [
            DefinitionsUpkeep(
                UpkeepMeans(
                    family=one.family,
                    folder=Path(one.folder),
                    trial=ClamdTrial(_addresses(settings, one)),
                    source=partial(_source, settings, one, core_address),
                    load_s=one.load_s,
                    memory_factor=one.memory_factor,
                    reserve_bytes=settings.disk_reserve_bytes,
                ),
                clock,
            )
            for one in kept
        ]

    async def run(self) -> None:
        """Keep them until cancelled."""
        async with asyncio.TaskGroup() as group:
            for folder, on_change in self._watched:
                work = partial(watch_sets, folder, self._clock, on_change)
                group.create_task(keep_running(work, name="definitions.watch", clock=self._clock))
            for one in self._upkeeps:
                name = f"definitions.{one.family}"
                group.create_task(keep_running(one.run, name=name, clock=self._clock), name=name)

    def offered(self, offer: DefinitionsOffer) -> None:
        """Hand on what the core offers to whoever keeps that family."""
        for one in self._upkeeps:
            if one.family == offer.family:
                one.offered(offer)

    def reports(self) -> tuple[DefinitionsReport, ...]:
        """Return what the core is told of each family."""
        return tuple(one.report() for one in self._upkeeps)

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know, a sentence each."""
        return tuple(problem for one in self._upkeeps for problem in one.problems())


def _addresses(settings: SatelliteSettings, one: NodeDefinitionsSettings) -> tuple[str, ...]:
    """Return the servers of an engine that read the folder: those here, or all if none is."""
    found: list[str] = []
    for engine in settings.engines:
        if engine.name == one.engine:
            further = engine.options.get("addresses")
            found += [engine.address, *(further if isinstance(further, list) else ())]
    return tuple(filter(is_on_this_machine, found)) or tuple(found)


def _source(
    settings: SatelliteSettings,
    one: NodeDefinitionsSettings,
    core_address: Callable[[], str],
    offer: DefinitionsOffer,
) -> SetSource:
    """Return where the core serves a set that it offers.

    Raises:
        LocalError: neither the core nor the settings say a port.
    """
    if not one.address and not offer.port:
        raise LocalError(
            "the core does not say at which port it serves definitions",
            hint="set `definitions.address` in the node's settings",
        )
    where = one.address or f"{core_address().rpartition(':')[0]}:{offer.port}"
    return SetSource(
        family=one.family,
        url=f"https://{endpoint(*split_endpoint(where))}/definitions/v1/{one.family}",
        host=core_host(cluster=settings.cluster, name=settings.core.name),
        context=partial(_context, settings.core),
    )


def _context(core: CoreLink) -> ssl.SSLContext:
    """Return what both sides show the certificates of the link with.

    Raises:
        EnvironmentFailure: the files cannot be used; they may be being renewed.
    """
    files = link_files(core)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(files.authority)
        context.load_cert_chain(files.certificate, files.key)
    except OSError as error:
        raise EnvironmentFailure(f"the link's certificate cannot be used: {error}") from None
    return context
