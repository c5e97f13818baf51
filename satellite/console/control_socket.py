"""How do ``borderscout spool`` and ``satellite drain`` reach a running node?

Touches a unix socket in the state folder, 0600. A question goes to every worker; what comes back is
one answer for each shard. ``borderscout spool …`` is its client, and it works without the core.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from common.errors import EnvironmentFailure
from satellite.console.questions import OPERATOR_QUESTIONS, DrainQuestion
from satellite.node.channel import LINE_BYTES_MAX, JsonObject, answer_lines
from satellite.node.parent import Workers
from satellite.node.question import (
    ErrorAnswer,
    NotUnderstood,
    Question,
    as_json,
    question_json,
    read_answer,
    read_question,
)
from satellite.overload.draining import mark, unmark

NAME = "control.sock"
DEADLINE_S = 30.0
HELP = "see borderscout spool --help"

AnswerT = TypeVar("AnswerT")


class ControlSocket:
    """The parent's end."""

    def __init__(self, workers: Workers, state: Path) -> None:
        self._workers = workers
        self._state = state
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            EnvironmentFailure: the socket cannot be made.
        """
        (self._state / NAME).unlink(missing_ok=True)  # left by a parent that was killed
        before = os.umask(0o177)
        try:
            with _short_path(self._state) as path:
                self._server = await asyncio.start_unix_server(
                    self._serve, path, limit=LINE_BYTES_MAX
                )
        except OSError as error:
            raise EnvironmentFailure(f"cannot make {self._state / NAME}: {error}") from error
        finally:
            os.umask(before)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._open):
                writer.close()  # whoever is connected and silent must not hold up our end
            await self._server.wait_closed()
        (self._state / NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await answer_lines(reader, writer, self._answer)
        finally:
            self._open.discard(writer)

    async def _answer(self, body: JsonObject) -> JsonObject:
        try:
            question = read_question(body, OPERATOR_QUESTIONS)
        except NotUnderstood as error:
            return as_json(ErrorAnswer(error=str(error)))
        if isinstance(question, DrainQuestion):
            try:
                # Durable before a worker is told: one that starts meanwhile reads the mark.
                await asyncio.to_thread(mark if question.on else unmark, self._state)
            except OSError as error:
                return as_json(ErrorAnswer(error=f"the mark cannot be written: {error}"))
        answers = await self._workers.ask_each(question)
        return {
            "shards": {
                str(shard): None if answer is None else as_json(answer)
                for shard, answer in answers.items()
            }
        }


async def ask(state: Path, question: Question[AnswerT]) -> dict[int, AnswerT | None]:
    """Return what each shard of a running node answers, None from one that does not answer now.

    Raises:
        EnvironmentFailure: no satellite runs on this state folder, or it has no answer.
    """
    found = await _said(state, question_json(question))
    shards = found.get("shards")
    if not isinstance(shards, dict):
        raise EnvironmentFailure(str(found.get("error", "it has no shards")), hint=HELP)
    answers: dict[int, AnswerT | None] = {}
    for shard, body in shards.items():
        answer = None if body is None else read_answer(question, body)
        if isinstance(answer, ErrorAnswer):
            raise EnvironmentFailure(f"shard {shard}: {answer.error}", hint=HELP)
        answers[int(shard)] = answer
    return answers


async def _said(state: Path, question: JsonObject) -> JsonObject:
    try:
        async with asyncio.timeout(DEADLINE_S):
            with _short_path(state) as path:
                reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES_MAX)
            try:
                writer.write(json.dumps(question).encode() + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise EnvironmentFailure(
            f"the satellite at {state} does not answer: {error}",
            hint="start it with: borderscout satellite serve --config FILE",
        ) from error
    if not line:
        raise EnvironmentFailure(f"the satellite at {state} closed the connection")
    answer: JsonObject = json.loads(line)
    return answer


@contextmanager
def _short_path(state: Path) -> Iterator[str]:
    """Yield a name of the socket that is short enough: a unix address has 108 octets."""
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)
