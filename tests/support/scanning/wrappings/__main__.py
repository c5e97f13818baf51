"""How is the page of the wrappings written?

``python -m tests.support.scanning.wrappings``, where clamd, clamscan and c-icap are installed.
Touches the page.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from tests.support.scanning.c_icap import CIcap
from tests.support.scanning.clamd import Clamd
from tests.support.scanning.wrappings import catalogue, page


async def main() -> None:
    table = {page.YARA: await page.said_by_yara()}
    program = shutil.which("clamscan")
    assert program is not None, "clamscan is not installed"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "files"
        files.mkdir()
        with Clamd(folder) as clamd, CIcap(clamd) as server:
            table[page.CLAMD], version = await page.said_by_clamd(clamd.address)
            table[page.ICAP] = await page.said_by_c_icap(server.address)
        database = folder / "database"
        table[page.COMMAND] = await page.said_by_command(program, database, only=catalogue())
        table[page.CLAMSCAN] = page.said_by_clamscan(program, database, files)
    page.PAGE.write_text(page.text(table, version=version), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
