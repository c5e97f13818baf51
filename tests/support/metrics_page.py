"""What does the page of metrics say?

Touches docs/metrics.md.
"""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
OF_HISTOGRAMS = "le"


def labels_on_the_page(section: str) -> dict[str, set[str]]:
    """Return the labels of each metric of a section (``A node``, ``The core``), by its name."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| `(\w+)` \| \w+ \| ([^|]*) \|", text)
    everywhere = {"shard"} if section == "A node" else set()
    return {name: set(re.findall(r"\w+", labels)) | everywhere for name, labels in rows}


def labels_of_a_scrape(text: str) -> dict[str, set[str]]:
    """Return the labels of each metric that a scrape had samples of."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): {
            label for sample in family.samples for label in sample.labels
        }
        - {OF_HISTOGRAMS}
        for family in text_string_to_metric_families(text)
        if family.samples and not family.name.endswith("_created")
    }
