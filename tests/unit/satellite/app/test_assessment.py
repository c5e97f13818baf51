"""Does a look at a file leave the world as it was?"""

from __future__ import annotations

import io
from pathlib import Path

from common.clock import SystemClock
from common.verdict import Outcome
from satellite.app.assessment import assessor
from satellite.settings import load_settings
from tests.support.node.sound_node import SETTINGS
from tests.support.scanning.scorers import weighed
from tests.support.scanning.scripted_scorer import ScriptedScorer, hear_all

ANSWER = b"A\nA\nX-DCC-acme-Metrics: mx.example 1480; bulk Body=many\n"


async def test_a_filter_that_reports_mail_is_only_asked(tmp_path: Path) -> None:
    async with ScriptedScorer(lambda _: ANSWER, hears=hear_all, keeps=False) as server:
        dcc = f"{{name: dcc, kind: dcc, address: '{server.address}', options: {{report: true}}}}"
        file = tmp_path / "satellite.yaml"
        file.write_text(f"{SETTINGS}engines: [{{name: yara, kind: yara}}]\nfilters: [{dcc}]\n")
        settings = load_settings(file)
        async with assessor(
            settings, preferences=weighed("dcc"), recipient="x@acme.example", clock=SystemClock()
        ) as made:
            found = await made.assess(io.BytesIO(b"Subject: x\r\n\r\nhello\r\n"))

    outcomes = {verdict.by: verdict.outcome for verdict in found.verdicts}
    assert outcomes["dcc"] is Outcome.SCORED
    assert [question.split(b"\n")[0] for question in server.questions] == [b"header grey-off query"]
