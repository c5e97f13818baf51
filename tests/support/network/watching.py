"""How does a test see, or change, what passes between a core's feed and a spool?

Pure: it puts itself in the way, and lets everything through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from common import wire
from common.link import Answer, Batch, Bookmark
from common.preferences import Document
from core.feed.feed import Feed
from satellite.spool.store import Spool

Write = Callable[[Batch | Bookmark], Awaitable[None]]


@dataclass(slots=True)
class Applies:
    """What a spool was asked to apply, each time: everything or not, and which documents."""

    snapshots: list[bool] = field(default_factory=list)
    documents: list[Sequence[Document]] = field(default_factory=list)


def watch_applies(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> Applies:
    """Write down what a spool is asked to apply from now on."""
    seen, really = Applies(), spool.apply_preferences

    async def apply(documents: Sequence[Document], **how: Any) -> None:
        seen.snapshots.append(how["snapshot"])
        seen.documents.append(documents)
        await really(documents, **how)

    monkeypatch.setattr(spool, "apply_preferences", apply)
    return seen


@dataclass(frozen=True, slots=True)
class Said:
    """A batch, or an answer to one, by its nonce; octets of a part, 0 of an answer."""

    nonce: str
    size: int


def watch_batches(monkeypatch: pytest.MonkeyPatch) -> list[Said]:
    """Write down the parts of batches and the answers to them, as the core sends and hears them."""
    said: list[Said] = []
    send, hear = wire.preferences_response_to_wire, wire.preferences_request_from_wire

    def sent(message: Batch | Bookmark) -> Any:
        made = send(message)
        if isinstance(message, Batch):
            said.append(Said(message.nonce, made.ByteSize()))
        return made

    def heard(message: Any) -> Any:
        found = hear(message)
        if isinstance(found, Answer):
            said.append(Said(found.nonce, 0))
        return found

    monkeypatch.setattr(wire, "preferences_response_to_wire", sent)
    monkeypatch.setattr(wire, "preferences_request_from_wire", heard)
    return said


def say_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the core say everything on the preference stream twice."""

    async def twice(write: Write, message: Batch | Bookmark) -> None:
        await write(message)
        await write(message)

    _say(monkeypatch, twice)


def let_go_on_from_later(monkeypatch: pytest.MonkeyPatch, *, revision: int) -> None:
    """Let the changes to a revision go on from it, as if a batch before them had been lost."""

    async def say(write: Write, message: Batch | Bookmark) -> None:
        if isinstance(message, Batch) and message.base and message.target.revision == revision:
            message = replace(message, base=message.target)
        await write(message)

    _say(monkeypatch, say)


def _say(
    monkeypatch: pytest.MonkeyPatch, say: Callable[[Write, Batch | Bookmark], Awaitable[None]]
) -> None:
    really = Feed.follow

    async def follow(self: Feed, *said: Any, write: Write, **more: Any) -> None:
        await really(self, *said, write=partial(say, write), **more)

    monkeypatch.setattr(Feed, "follow", follow)
