"""What docs/smtp.md says is what the code does."""

from __future__ import annotations

from pathlib import Path

from common.settings.satellite import SmtpSettings
from satellite.smtp import replies

PAGE = (Path(__file__).parents[4] / "docs" / "smtp.md").read_text(encoding="utf-8")


def test_every_reply_stands_in_the_page_with_what_follows() -> None:
    for reply in replies.ALL:
        said = f"{reply.code} {reply.status}".strip()
        [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `{said} {reply.text}`")]
        assert ("closes" in row) == reply.closes, row
        weight = row.split("|")[-2].strip()
        assert float(weight or 0) == reply.weight / 10, row


def test_every_setting_stands_in_the_page() -> None:
    for name in SmtpSettings.model_fields:
        assert f"`{name}`" in PAGE
