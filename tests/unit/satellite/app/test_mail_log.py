"""The node's own log says what became of each message, in lines that nobody can forge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from common.records import EndedRecipient
from common.states import State
from satellite.app.mail_log import RECIPIENTS_MAX, MailLog
from satellite.spool.listeners import MailEnd
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Settled
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.spool.listening import listen
from tests.support.spool.open_spool import accept

REPLY = "250 2.0.0 queued as 7"


def judgement() -> Judgement:
    one = Judged(number=0, disposition=Disposition.DELIVER, reason="clean", copy=Copy(head=b""))
    return Judgement(
        revision=7, subject="", message_id_header="", recipients=(one,), verdicts=(), score=0.0
    )


def read(written: list[str]) -> list[dict[str, Any]]:
    text = "".join(written)
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


async def test_each_message_that_ends_has_a_line_without_any_core(tmp_path: Path) -> None:
    clock = FakeClock()
    written: list[str] = []
    spool = await Spool.open(tmp_path, node="lon1", shard=0, clock=clock)
    listen(spool, ended=MailLog(clock, written.append).ended)
    message = await accept(spool)
    await spool.judge(message, judgement())
    await clock.advance(1.5)
    assert written == []

    await spool.mark_sending(message, [0])
    await spool.settle(message, [Settled(number=0, state=State.DELIVERED, reason="", reply=REPLY)])

    (line,) = read(written)
    assert line["event"] == "message.ended"
    assert line["message"] == message
    assert line["sender"] == "a@sender.example"
    assert line["recipients"] == ["x@acme.example"]
    assert (line["outcome"], line["reply"]) == ("delivered", REPLY)
    assert line["ms"] == 1500
    assert line["time"].endswith("Z")
    await spool.close()


def test_recipients_that_ended_alike_share_a_line_and_no_line_is_long() -> None:
    written: list[str] = []
    delivered = [
        EndedRecipient(address=f"u{n}@a.example", reason="r", reply=REPLY, outcome=State.DELIVERED)
        for n in range(RECIPIENTS_MAX + 1)
    ]
    bounced = EndedRecipient(
        address="x@b.example", reason="550 no", reply="x" * 9_999, outcome=State.BOUNCED
    )
    end = MailEnd(message="M", sender="", recipients=(*delivered, bounced), ms=3)

    MailLog(FakeClock(), written.append).ended([end])

    first, second, third = read(written)
    assert len(written) == 1
    assert len(first["recipients"]) == RECIPIENTS_MAX
    assert second["recipients"] == [f"u{RECIPIENTS_MAX}@a.example"]
    assert (third["outcome"], third["reason"]) == ("bounced", "550 no")
    assert len(third["reply"]) < 1_000


def test_nothing_from_outside_forges_a_line_or_moves_a_cursor() -> None:
    written: list[str] = []
    nasty = 'a"},\n{"event":"message.ended"\r\x1b[2J\u2028\u202e\x85\x00'
    one = EndedRecipient(address=nasty, reason=nasty, reply=nasty, outcome=State.DROPPED)

    end = MailEnd(message="M", sender=nasty, recipients=(one,), ms=0)
    MailLog(FakeClock(), written.append).ended([end])

    (line,) = written[0].splitlines()
    assert line.isascii() and line.isprintable()
    found = json.loads(line)
    assert (found["sender"], found["recipients"], found["reply"]) == (nasty, [nasty], nasty)
