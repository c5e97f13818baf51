"""Who hears of a filter's document that no node goes by?"""

from __future__ import annotations

import json
from pathlib import Path

from common.reports import FilterReport
from tests.support.cli.shell import Shell
from tests.support.core.face import Face

OURS = FilterReport(name="", kind="spoofing")
THEIRS = FilterReport(name="rspamd", kind="rspamd")
TOLD = "filter rspamd: no node has a filter of this name"


async def test_whoever_publishes_it_and_whoever_looks_at_the_status(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "filter.json"
    file.write_text(json.dumps([{"kind": "filter", "key": "rspamd", "body": {"kind": "rspamd"}}]))
    core.hear("lon1", filters=(OURS,))
    early = await shell("policy", "apply", file)
    before = await shell("status")
    core.hear("par1", filters=(OURS,))

    assert TOLD not in early.out + early.err + before.out, "nobody knows what par1 has"
    assert TOLD in " ".join((await shell("status")).out.split())
    assert TOLD in " ".join((await shell("policy", "apply", file)).err.split())
    core.hear("par1", filters=(OURS, THEIRS))
    assert TOLD not in " ".join((await shell("status")).out.split())
