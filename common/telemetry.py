"""How does the program write its diagnostics?

Touches stdout. A diagnostic is one JSON object on one line: a fixed dotted event, facts as fields.
One that cannot be written, since the disk is full or nobody reads, is lost and counted, and never a
reason to stop: mail goes on.
What happened to mail is told by log records; what became of each message stands here too, in a line
that an operator finds on the node itself (``MailLog``) and may switch off. Otherwise addresses and
content stay below the level that is shown by default.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict

SPARING_S = 60.0
LINES_MAX = 300  # in that time, of one event about one node
SPARED_MAX = 4_096  # events and nodes that are counted at once
ABOUT = ("shard", "node", "engine", "task", "library")  # what a line is about
PROMISED = frozenset({"scan.passed", "smtp.refused"})  # by mail_log: each is wanted
UNRAISABLE_EVERY_S = 60.0
UNRAISABLE_LENGTH_MAX = 200  # characters of what is told of one

_stdout: DiagnosticFile | None = None


@contextmanager
def without_diagnostics() -> Iterator[None]:
    """Keep diagnostics off stdout for as long as the context lasts."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def configure_logging(*, level: int = logging.INFO, **facts: object) -> None:
    """Send diagnostics to stdout as JSON lines; ``facts`` stand in each of them.

    The libraries' own warnings come along as ``library`` events.
    """
    global _stdout  # noqa: PLW0603  # a process has one
    _stdout = DiagnosticFile(sys.stdout.fileno())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _Sparing(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(
            cast("TextIO", _stdout)  # its base is what text files are made of, and not their type
        ),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**facts)
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    root.setLevel(logging.WARNING)
    sys.unraisablehook = _Unraisable().tell


class DiagnosticFile(io.TextIOBase):
    """A file of lines that never fails. Once it takes lines again it says how many it did not take.

    Args:
        descriptor: of the open file; nothing is kept back from it after a flush.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._line = ""
        self._lost = 0
        self._is_torn = False  # the last line is there in part
        self._lock = Lock()

    def write(self, text: str) -> int:
        """Take a line, or a part of one."""
        self._line += text
        return len(text)

    def flush(self) -> None:
        """Write the line that was taken."""
        line, self._line = self._line, ""
        self.put(line)

    def put(self, lines: str) -> None:
        """Write whole lines, or count them as lost; from any thread."""
        with self._lock:
            told = lines
            if self._lost:
                told = json.dumps({"event": "log.lines_lost", "lines": self._lost}) + "\n" + told
            if self._is_torn:
                told = "\n" + told
            octets = told.encode()
            try:
                while (written := os.write(self._descriptor, octets)) < len(octets):
                    self._is_torn = self._is_torn or written > 0
                    octets = octets[written:]
            except OSError:
                self._lost += lines.count("\n")
            else:
                self._lost, self._is_torn = 0, False


def put_lines(lines: str) -> None:
    """Write lines that are diagnostics already; what cannot be written is lost like any other."""
    if _stdout is not None:
        _stdout.put(lines)
    else:  # nothing was configured, as in a test
        sys.stdout.write(lines)
        sys.stdout.flush()


class _Sparing:
    """Lets so many lines of one event about one node through in a minute, and counts the rest.

    What makes a line may come from a peer, as often as he likes: a node that is not what it says it
    is writes no core's disk full. The next line of that event tells how many were left out.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._seen: OrderedDict[tuple[str, ...], _Minute] = OrderedDict()

    def __call__(self, _logger: object, _method: str, facts: EventDict) -> EventDict:
        """Pass a line on (``structlog``'s form of a processor).

        Raises:
            DropEvent: there were enough of it.
        """
        event = str(facts.get("event"))
        if event in PROMISED:
            return facts
        key = (event, *(str(facts.get(name, "")) for name in ABOUT))
        now_s = self._now_s()
        minute = self._seen.get(key)
        if minute is None:
            minute = self._seen[key] = _Minute(began_s=now_s)
            if len(self._seen) > SPARED_MAX:
                self._seen.popitem(last=False)
        if now_s - minute.began_s >= SPARING_S:
            minute.began_s, minute.lines = now_s, 0
        minute.lines += 1
        if minute.lines > LINES_MAX:
            minute.left_out += 1
            raise structlog.DropEvent
        if minute.left_out:
            facts["left_out"], minute.left_out = minute.left_out, 0
        return facts


@dataclass(slots=True)
class _Minute:
    """What was written of one event lately.

    Args:
        began_s: when the minute that is counted began.
        lines: in it.
        left_out: lines that nobody was told of yet.
    """

    began_s: float
    lines: int = 0
    left_out: int = 0


class _Unraisable:
    """Tells of errors that nobody could be given, such as one in a library's callback.

    A stranger can make them (a name in a TLS handshake that is no ASCII is one), as often as he
    likes: a line a minute tells how many there were.
    """

    def __init__(self) -> None:
        self._count = 0
        self._told_s = -math.inf

    def tell(self, unraisable: sys.UnraisableHookArgs) -> None:
        self._count += 1
        now_s = time.monotonic()
        if now_s - self._told_s < UNRAISABLE_EVERY_S:
            return
        self._told_s, count, self._count = now_s, self._count, 0
        structlog.get_logger().warning(
            "error.unraisable",
            error=repr(unraisable.exc_value)[:UNRAISABLE_LENGTH_MAX],
            of=repr(unraisable.object)[:UNRAISABLE_LENGTH_MAX],
            count=count,
        )


class _LibraryHandler(logging.Handler):
    """Passes what libraries log on, in our form."""

    def emit(self, record: logging.LogRecord) -> None:
        facts = {"library": record.name, "message": record.getMessage()}
        if record.exc_info:
            facts["exception"] = logging.Formatter().formatException(record.exc_info)
        structlog.get_logger().log(record.levelno, "library", **facts)
