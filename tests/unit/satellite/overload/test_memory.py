"""What memory is taken is read as the kernel writes it, in both versions of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from satellite.overload.memory import control_group, resident_bytes


def process(folder: Path, cgroup: str) -> Path:
    (folder / "cgroup").write_text(cgroup)
    return folder


def test_resident_memory_is_that_of_this_process() -> None:
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]

    assert resident_bytes() == pytest.approx(int(line.split()[1]) * 1024, rel=0.05)


@pytest.mark.parametrize(
    ("cgroup", "folder", "limit_name", "statistics"),
    [
        ("0::/system.slice/scout\n", "system.slice/scout", "memory.max", "anon 250\nfile 700\n"),
        (
            "5:cpu:/x\n4:hugetlb,memory:/scout\n0::/\n",
            "memory/scout",
            "memory.limit_in_bytes",
            "cache 700\ntotal_rss 250\n",
        ),
    ],
)
def test_a_group_s_share_is_what_cannot_be_given_back(
    tmp_path: Path, cgroup: str, folder: str, limit_name: str, statistics: str
) -> None:
    groups = tmp_path / "groups"
    (groups / folder).mkdir(parents=True)
    limit = groups / folder / limit_name
    limit.write_text("1000\n")
    (groups / folder / "memory.stat").write_text(statistics)

    group = control_group(process(tmp_path, cgroup), groups)

    assert group is not None
    assert group.share() == 0.25
    for no_limit in ("max\n", "9223372036854771712\n", "0\n"):
        limit.write_text(no_limit)
        assert group.share() == 0.0
    limit.unlink()
    assert group.share() == 0.0, "a group that is gone bounds nothing"


def test_without_a_group_there_is_no_limit(tmp_path: Path) -> None:
    assert control_group(process(tmp_path, "0::/gone\n"), tmp_path) is None
    assert control_group(tmp_path / "none", tmp_path) is None
