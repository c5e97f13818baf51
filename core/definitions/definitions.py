"""What can be done with virus definitions, and how do they keep themselves fresh?

Touches what its parts touch: it has freshclam fetch, looks at the mirror's folder, hands what is
new to the keeper, and lets the sites hear of it. What fails is shown until it works again, and the
definitions in use stay.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from common.clock import Clock
from common.errors import BorderScoutError, EnvironmentFailure
from common.rpc import TlsFiles
from common.settings.core import CoreSettings
from common.settings.values import split_endpoint
from common.tasks import keep_running
from core.definitions.announcer import Announcer, DefinitionsLink
from core.definitions.choice import ContentRefusal
from core.definitions.door import CHECK_S, Door, Visitors
from core.definitions.freshclam import Freshclam
from core.definitions.keeper import FAMILY, DefinitionsAudit, Keeper
from core.definitions.mirror import MirrorState, mirror_sources, mirror_state
from core.definitions.rollout import Rollout, RolloutPlan
from core.definitions.sets import SetRefused, StoredSet
from core.definitions.trial_clamd import DefinitionsRefused

log = structlog.get_logger()

LOOK_S = 1.0  # between two looks at the mirror's folder and at what the sites say
TRY_AGAIN_S = 60.0  # after a trial that could not be made
FETCH_AGAIN_S = 600.0  # after a fetch that failed, or the settings' time where that is shorter


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsStatus:
    """How the definitions are, for people.

    Args:
        current: the set that is to be in use everywhere; None: there is none.
        is_rollback: whether somebody went back to it.
        is_busy: whether a new one is being tried.
        plan: how far each site is.
        refused: what of the mirror is not taken, the newest first.
        problems: what an operator should know, a sentence each.
    """

    current: StoredSet | None
    is_rollback: bool
    is_busy: bool
    plan: RolloutPlan
    refused: tuple[ContentRefusal, ...]
    problems: tuple[str, ...]


class Definitions:
    """The definitions of a core.

    Args:
        settings: the core's.
        audit: where it is written down who did what.
        link: to the satellites.
        clock: for all waits.
    """

    def __init__(
        self,
        settings: CoreSettings,
        *,
        audit: DefinitionsAudit,
        link: DefinitionsLink,
        clock: Clock,
    ) -> None:
        said = settings.definitions
        self._settings = said
        self._clock = clock
        folder = Path(settings.state) / "definitions" / FAMILY
        self._keeper = Keeper(said, folder=folder, audit=audit, clock=clock)
        self._mirror = Path(said.mirror) if said.mirror else folder / "mirror"
        self._freshclam = (
            Freshclam(said.freshclam, folder=self._mirror, config=folder / "freshclam.conf")
            if said.freshclam is not None
            else None
        )
        self._door = _door(settings, self._keeper, link) if said.listen else None
        self._announcer = Announcer(
            family=FAMILY,
            rollout=Rollout(turn_s=said.turn_s, away_s=said.away_s),
            link=link,
            port=lambda: self._door.port if self._door is not None else 0,
            clock=clock,
        )
        self._fetching = asyncio.Lock()
        self._seen = MirrorState()  # at the last look
        self._done_with = MirrorState()  # what was taken, or refused
        self._not_before_s = 0.0
        self._fetch_problem = ""
        self._mirror_problem = ""

    # ---- life

    async def open(self) -> None:
        """Find out which set is in use.

        Raises:
            EnvironmentFailure: the folder cannot be had.
        """
        await self._keeper.open()

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin to serve and to fetch; all ends with the stack.

        Raises:
            EnvironmentFailure: the port cannot be had, or the certificate not be read.
        """
        if self._door is not None:
            await self._door.start()
            stack.push_async_callback(self._door.stop)
        works = [("definitions.look", self._keep_looking)]
        if self._freshclam is not None:
            works.append(("definitions.fetch", self._keep_fetching))
        if self._door is not None:
            works.append(("definitions.certificate", self._keep_renewing))
        for name, work in works:
            task = asyncio.create_task(keep_running(work, name=name, clock=self._clock), name=name)
            stack.push_async_callback(_ended, task)

    @property
    def port(self) -> int:
        """Where satellites fetch; 0: nowhere."""
        return self._door.port if self._door is not None else 0

    # ---- what people ask

    def status(self) -> DefinitionsStatus:
        """Return how the definitions are."""
        choice, current = self._keeper.choice, self._keeper.current
        # Of this very set: at the last look the one before may have been in use everywhere.
        plan = self._announcer.look(current, choice)
        problems = [
            *self._keeper.problems(),
            self._fetch_problem,
            self._mirror_problem,
            self._stale(current),
            self._unreachable(current),
            *plan.problems,
        ]
        return DefinitionsStatus(
            current=current,
            is_rollback=choice.is_rollback,
            is_busy=self._keeper.is_busy,
            plan=plan,
            refused=tuple(reversed(choice.refused)),
            problems=tuple(problem for problem in problems if problem),
        )

    async def stored(self) -> list[StoredSet]:
        """Return every set that can be gone back to, the newest first."""
        return await self._keeper.stored()

    async def stored_set(self, serial: int) -> StoredSet:
        """Return one set.

        Raises:
            UnknownSet: it is not there.
        """
        return await self._keeper.stored_set(serial)

    async def change_custom(
        self, added: Mapping[str, bytes], removed: Collection[str], *, who: str
    ) -> StoredSet:
        """Put databases of operators into the set in use, or take them out.

        Raises:
            LocalError: a name is none of ours, or nothing would change.
            DefinitionsRefused: what comes of it must not go out; nothing has changed.
            EnvironmentFailure: it could not be tried.
        """
        with tempfile.TemporaryDirectory(prefix="borderscout-definitions-") as folder:
            paths = await asyncio.to_thread(_written, Path(folder), list(added.values()))
            made = await self._keeper.change_custom(
                dict(zip(added, paths, strict=True)), removed, who=who
            )
        self._announce()
        return made

    async def roll_back(self, serial: int | None, *, who: str) -> StoredSet:
        """Use another set again, at all sites at once.

        Raises:
            UnknownSet: there is none.
        """
        seen = self._announcer.highest_seen()
        made = await self._keeper.roll_back(serial, seen=seen, who=who)
        self._announce()
        return made

    # ---- what runs by itself

    async def _keep_looking(self) -> None:
        while True:
            self._announce()
            await self._look_at_mirror()
            await self._clock.sleep(LOOK_S)

    def _announce(self) -> None:
        self._announcer.look(self._keeper.current, self._keeper.choice)

    async def _look_at_mirror(self) -> None:
        """Take what is new in the mirror, once nobody writes there any more."""
        if self._fetching.locked() or self._clock.monotonic_s() < self._not_before_s:
            return
        try:
            state = await asyncio.to_thread(mirror_state, self._mirror)
            self._mirror_problem = ""
        except OSError as error:
            self._mirror_problem = f"the mirror's folder cannot be read: {error}"
            return
        was, self._seen = self._seen, state
        if self._settings.mirror and not state.files:
            self._mirror_problem = f"the mirror's folder {self._mirror} has no definitions"
        if not state.files or state in (self._done_with, MirrorState()) or state != was:
            return
        trial = asyncio.create_task(self._take(state), name="definitions.trial")
        try:
            # The sites are told on while a new set is tried, which may take minutes.
            while not trial.done():
                await asyncio.wait({trial}, timeout=LOOK_S)
                self._announce()
            trial.result()
        finally:
            await _ended(trial)

    async def _take(self, state: MirrorState) -> None:
        sources = mirror_sources(self._mirror, state)
        try:
            await self._keeper.take_mirrored(sources, made_us=state.changed_ns // 1000)
            self._done_with = state
        except (DefinitionsRefused, SetRefused) as error:
            self._done_with = state
            self._mirror_problem = str(error) if isinstance(error, SetRefused) else ""
        except EnvironmentFailure as error:
            log.error("definitions.not_tried", reason=error.what, hint=error.hint)
            self._not_before_s = self._clock.monotonic_s() + TRY_AGAIN_S

    async def _keep_fetching(self) -> None:
        assert self._freshclam is not None
        assert self._settings.freshclam is not None
        every_s = self._settings.freshclam.every_s
        while True:
            try:
                async with self._fetching:
                    await self._freshclam.fetch()
                wait_s, self._fetch_problem = every_s, ""
            except BorderScoutError as error:
                wait_s = min(every_s, FETCH_AGAIN_S)
                self._fetch_problem = f"definitions cannot be fetched: {error}"
                log.error("definitions.not_fetched", reason=error.what, hint=error.hint)
            await self._clock.sleep(wait_s)

    async def _keep_renewing(self) -> None:
        assert self._door is not None
        while True:
            await self._clock.sleep(CHECK_S)
            await self._door.renew()

    # ---- inside

    def _stale(self, current: StoredSet | None) -> str:
        if current is None or current.manifest.made_us == 0:
            return ""
        age_s = (self._clock.now_us() - current.manifest.made_us) / 1e6
        if age_s <= self._settings.stale_s or not self._is_fed:
            return ""
        return (
            f"the definitions in use are {age_s / 86_400:.1f} days old"
            f" ({current.manifest.version}); nothing newer has come"
        )

    @property
    def _is_fed(self) -> bool:
        """Whether anything newer may come by itself."""
        return self._freshclam is not None or bool(self._settings.mirror)

    def _unreachable(self, current: StoredSet | None) -> str:
        if current is None or self._door is not None:
            return ""
        return "no satellite can fetch definitions: set definitions.listen in the core's settings"


def _door(settings: CoreSettings, keeper: Keeper, link: DefinitionsLink) -> Door:
    tls = settings.tls
    return Door(
        split_endpoint(settings.definitions.listen),
        tls=TlsFiles(
            certificate=Path(tls.certificate), key=Path(tls.key), authority=Path(tls.authority)
        ),
        visitors=Visitors(cluster=settings.cluster, roster=link.roster),
        sets=keeper,
    )


def _written(folder: Path, contents: Sequence[bytes]) -> list[Path]:
    """Write each content to a file with a name of ours."""
    paths = [folder / str(number) for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
