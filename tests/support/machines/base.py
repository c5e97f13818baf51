"""What stands on a fresh Debian machine, and how does a test get its files?

Touches the folder ``.machines`` of this checkout, and the mirror that this machine's apt uses: the
files are fetched once. Takes root. Where something is missing, the test is skipped with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.our_files import ROOT

KEPT = ROOT / ".machines"
# What an administrator installs from Debian beside our packages, and what these depend on.
INCLUDED = (
    *("systemd", "systemd-sysv", "dbus", "procps", "ca-certificates", "iputils-ping"),
    *("python3", "iproute2", "nftables", "wireguard-tools", "wireguard-go", "swaks"),
)
FETCHING_S = 1_200


def base_system() -> Path:
    """Return the folder of a Debian as it is after its installation; nobody writes there."""
    if os.geteuid() != 0:
        pytest.skip("machines of our own take root")
    for program, package in (("systemd-nspawn", "systemd-container"), ("dh", "debhelper")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here: apt-get install {package}")
    codename, mirror = _mirror()
    folder = KEPT / codename
    mark = KEPT / f"{codename}.included"
    wanted = " ".join(INCLUDED)
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        if shutil.which("debootstrap") is None:
            pytest.skip("debootstrap is not here: apt-get install debootstrap")
        shutil.rmtree(folder, ignore_errors=True)
        KEPT.mkdir(exist_ok=True)
        _fetch(codename, folder, mirror)
        mark.write_text(wanted, encoding="utf-8")
    return folder


def _mirror() -> tuple[str, str]:
    """Return this Debian's name, and where this machine's apt gets it from."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    for line in listed:
        codename, component, where = line.split(" ", 2)
        if component == "main" and f"VERSION_CODENAME={codename}\n" in release:
            return codename, where
    pytest.skip("apt knows no mirror of this Debian: apt-get update")


def _fetch(codename: str, folder: Path, mirror: str) -> None:
    done = subprocess.run(
        [
            *("debootstrap", "--variant=minbase", "--components=main"),
            *(f"--include={','.join(INCLUDED)}", codename, str(folder), mirror),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=FETCHING_S,
    )
    if done.returncode:
        pytest.skip(f"no Debian could be fetched: {(done.stdout.splitlines() or [''])[-1]}")
    # It asks nothing on a terminal that is not there, and waits for no mirror.
    settings = folder / "etc" / "apt" / "apt.conf.d" / "90-unattended"
    settings.write_text('APT::Get::Assume-Yes "true";\n', encoding="utf-8")
    (folder / "etc" / "apt" / "sources.list").write_text("", encoding="utf-8")
