"""What is a core made of?

Touches everything of a core. The composition root: it opens the store, takes in the inventory's
first revision, and serves the link and the API until it is told to stop.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from common.binding import bind_hint
from common.clock import Clock, SystemClock
from common.errors import EnvironmentFailure, LocalError
from common.pacing import settle_memory
from common.preferences import DocumentRefused
from common.settings.core import CoreSettings
from common.settings.values import split_endpoint
from common.supervisor import (
    STOPPING,
    ServiceCondition,
    Supervisor,
    keep_told,
    supervisor,
)
from common.tasks import keep_running
from common.telemetry import configure_logging
from core.connections import BoundedConnection
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody
from core.custody.release import Releases
from core.definitions.definitions import Definitions
from core.joining.join_door import JoinDoor
from core.joining.joining import Joining
from core.learning.learning import Learning
from core.link.service import LinkService
from core.people.tokens import Token
from core.preferences.ledger import read_documents
from core.recovery.places import database_target
from core.recovery.restore import check_finished
from core.reloading import RunningSettings
from core.retention.sweeper import Sweeper
from core.running_nodes import RunningNodes
from core.settings import our_hosts, read_settings
from core.store.database import Database
from core.web.application import application_of
from core.web.request.services import Services

log = structlog.get_logger()

STOP_S = 10  # for requests in flight
TEND_S = 3_600.0  # between two looks at what no retention is about


class _Server(uvicorn.Server):
    """Says when it listens, and leaves the process to us when it has stopped.

    The base's way with signals raises SIGTERM once more at its end, which killed the core before
    its streams and its database were closed.
    """

    def __init__(
        self, services: Services, on_hang_up: Callable[[], None], manager: Supervisor
    ) -> None:
        super().__init__(_uvicorn_config(services))
        self._services = services
        self._on_hang_up = on_hang_up
        self._manager = manager

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        loop.add_signal_handler(signal.SIGHUP, self._on_hang_up)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._manager.tell(STOPPING)
        super().handle_exit(sig, frame)

    async def condition(self) -> ServiceCondition:
        """Return how the core stands; nodes do without it, so that nothing else makes it worse."""
        problem = self._services.database.room.problem if self.started else "opens its ports"
        return ServiceCondition(
            is_ready=self.started, is_starting=not self.started, status=problem or "serves"
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        settings = self._services.settings
        log.info("core.started", http=settings.http, grpc=settings.grpc)


def serve(config: Path) -> None:
    """Run a core until SIGTERM or SIGINT.

    Raises:
        SettingsError: the settings are wrong; every complaint is in it.
        EnvironmentFailure: a port or the store cannot be had.
    """
    settings = read_settings(config)
    configure_logging(process="core", core=settings.name)
    if os.geteuid() == 0:
        log.warning("core.root", hint="nothing here needs root")
    asyncio.run(_serve(settings, config))


async def _serve(settings: CoreSettings, config: Path) -> None:
    clock, manager = SystemClock(), supervisor()
    look = _opening

    async def tell() -> None:
        await keep_told(manager, lambda: look(), clock=clock)  # noqa: PLW0108  it is another later

    async with AsyncExitStack() as stack:
        telling = asyncio.create_task(keep_running(tell, name="service manager", clock=clock))
        stack.callback(telling.cancel)
        listener = stack.enter_context(_bound(settings.http))  # before anything is written
        services, link = await _open(settings, clock, stack)
        preferences = services.database.preferences
        nodes = RunningNodes(settings, link=link, preferences=preferences)
        await link.start()
        stack.push_async_callback(link.stop, grace_s=1.0)
        await services.definitions.start(stack)
        _start_joining(services, link, stack)
        running = RunningSettings(
            config,
            settings,
            link=link,
            nodes=nodes,
            clock=clock,
            state=services.settings_file,
        )
        for name, work in (("settings", running.watch), ("nodes", nodes.watch)):
            watching = asyncio.create_task(keep_running(work, name=name, clock=clock))
            stack.callback(watching.cancel)
        server = _Server(services, running.hang_up, manager)
        look = server.condition
        sweeping = asyncio.create_task(
            keep_running(services.sweeper.run, name="sweep", clock=clock)
        )
        stack.callback(sweeping.cancel)
        tending = asyncio.create_task(
            keep_running(lambda: _tend(services), name="tend", clock=clock)
        )
        stack.callback(tending.cancel)
        settle_memory()
        await server.serve(sockets=[listener])  # it ends at SIGTERM or SIGINT
        log.info("core.stopped")


async def _opening() -> ServiceCondition:
    """Return how a core stands that has no server yet: its store may be made anew for an hour."""
    return ServiceCondition(is_ready=False, is_starting=True, status="opens its store")


def _start_joining(services: Services, link: LinkService, stack: AsyncExitStack) -> None:
    """Keep an eye on the members, and the join door open where the settings have one."""
    settings, clock, joining = services.settings, services.clock, services.joining
    works = [("members", joining.watch)]
    if settings.join.listen:
        door = JoinDoor(
            split_endpoint(settings.join.listen),
            joining=joining,
            cluster=settings.cluster,
            roster=link.roster,
            clock=clock,
        )
        works.append(("join door", door.run))
    for name, work in works:
        task = asyncio.create_task(keep_running(work, name=name, clock=clock), name=name)
        stack.push_async_callback(_ended, task)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _open(
    settings: CoreSettings, clock: Clock, stack: AsyncExitStack
) -> tuple[Services, LinkService]:
    state = Path(settings.state)
    await asyncio.to_thread(state.mkdir, parents=True, exist_ok=True, mode=0o700)
    check_finished(state)
    database = await Database.open(
        database_target(settings),
        clock=clock,
        ours=our_hosts(settings.mail_domain, settings.nodes),
        second_look_hours=settings.second_look_hours,
    )
    stack.push_async_callback(database.close)
    database.room.watch(state)
    if database.preferences.position.revision == 0:
        await _adopt_first(database, Path(settings.first_revision))
    bodies = await BodyFolder.open(state / "bodies")
    third = shutil.disk_usage(state / "bodies").total // 3
    database.cases.room.bytes_max = settings.quarantine_bytes_per_node_max or third
    releases = Releases(
        database=database, bodies=bodies, clock=clock, claim_wait_s=settings.claim_wait_s
    )
    arrivals = Arrivals(database=database, bodies=bodies, clock=clock)
    custody = Custody(database=database, bodies=bodies, clock=clock)
    learning = Learning(database=database, custody=custody, clock=clock, bounds=settings.learning)
    link = LinkService(
        settings=settings,
        database=database,
        arrivals=arrivals,
        releases=releases,
        lessons=learning,
        clock=clock,
    )
    definitions = Definitions(settings, audit=database.audit, link=link, clock=clock)
    await definitions.open()
    joining = Joining(
        settings,
        store=database.members,
        preferences=database.preferences,
        link=link,
        clock=clock,
    )
    await joining.open()
    services = Services(
        settings=settings,
        clock=clock,
        database=database,
        custody=custody,
        sweeper=Sweeper(settings, database=database, custody=custody, clock=clock),
        releases=releases,
        learning=learning,
        link=link,
        definitions=definitions,
        joining=joining,
        token=Token.load_or_make(Path(settings.token_file)),
        version=version("border-scout"),
    )
    return services, link


async def _adopt_first(database: Database, file: Path) -> None:
    """Take the inventory's documents in as the first revision, where it gave any."""
    try:
        content = await asyncio.to_thread(file.read_bytes)
    except FileNotFoundError:
        log.warning("core.no_first_revision", file=str(file))
        return
    try:
        documents = read_documents(content)
    except DocumentRefused as error:
        raise LocalError(f"{file}: {error.what}", hint=error.hint) from None
    await database.preferences.adopt_first(documents)
    log.info("core.first_revision", documents=len(documents))


def _bound(endpoint: str) -> socket.socket:
    """Return a socket that is bound to an endpoint.

    Raises:
        EnvironmentFailure: it cannot be had.
    """
    host, port = split_endpoint(endpoint)
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise EnvironmentFailure(
            f"cannot listen on {endpoint}: {error.strerror}",
            hint=bind_hint(error),
        ) from error
    return made


def _uvicorn_config(services: Services) -> uvicorn.Config:
    return uvicorn.Config(
        application_of(services),
        http=BoundedConnection,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_S,
        server_header=False,
    )


async def _tend(services: Services) -> None:
    """Look after what no retention is about."""
    while True:
        await services.database.preference_rows.look()
        await services.learning.forget()
        await services.clock.sleep(TEND_S)
