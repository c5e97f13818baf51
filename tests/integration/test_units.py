"""Do the rendered units run under a real systemd, closed as they are?

In a container with a copy of this machine's root: the firewall, a core, a node with its socket, and
the tunnel, each by the unit that is rendered.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from inventory.load import load_inventory
from inventory.render.folder import render_folder
from tests.support.our_files import ROOT

BOOT = ROOT / "tests" / "support" / "systemd" / "boot.sh"
NEEDED = ("systemd-nspawn", "unshare", "nft", "wg", "wireguard-go", "ip")
INVENTORY = """\
cluster: {name: example, mail_domain: mx.scout.example, vpn: 10.77.0.0/16}
core: {name: core, public: 192.0.2.1, vpn_address: 10.77.0.1}
engines: [{name: yara, kind: yara}]
sites:
  - name: london
    location: [51.5072, -0.1276]
    nodes: [{name: lon1, public: 192.0.2.10, vpn_address: 10.77.1.1}]
customers:
  - name: acme
    domains: [{name: acme.example, deliver_to: ["192.0.2.99:25"], location: [52.37, 4.89]}]
"""


def missing() -> str:
    if os.geteuid() != 0:
        return "needs root: it boots a container"
    if lacking := [tool for tool in NEEDED if shutil.which(tool) is None]:
        return f"{', '.join(lacking)} not installed"
    return "" if Path("/dev/net/tun").exists() else "this machine has no /dev/net/tun"


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_the_units_of_a_core_and_a_node_run_under_systemd(tmp_path: Path) -> None:
    file, out, base = tmp_path / "inventory.yaml", tmp_path / "out", tmp_path / "base"
    file.write_text(INVENTORY)
    base.mkdir()
    render_folder(load_inventory(file), out, loopback=False, now_us=_now_us())

    done = subprocess.run(
        [
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            "--propagation", "private", "sh", BOOT,
        ],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "BASE": str(base),
            "OUT": str(out),
            "CHECKOUT": str(ROOT),
            "PYTHON": sys.base_prefix,
            "PACKAGES": sysconfig.get_paths()["purelib"],
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-8000:]
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    units = {one["unit"]: one for one in said if "unit" in one}
    facts: Mapping[str, Any] = {one["what"]: one for one in said if "what" in one}
    trace = f"{done.stdout}\n{done.stderr[-8000:]}"
    assert {one["state"] for one in units.values()} == {"active"}, trace
    assert {one["restarts"] for one in units.values()} <= {"0", ""}, trace
    assert units["borderscout-satellite.service"]["status"] == "2 of 2 shards take mail", trace
    assert facts["node"]["ready"] is True, trace
    assert (facts["node"]["core"], facts["node"]["greeting"]) == ("ready\n", "220"), trace
    assert any('result="infected"' in line for line in facts["engine"]["lines"]), trace
    assert facts["satellite"]["uid"] != "0", trace
    assert facts["satellite"]["effective"] == "0000000000000400", "to bind a low port, and no more"
    tunnel = facts["tunnel"]
    assert tunnel["there"], trace
    assert tunnel["told"], trace
    assert tunnel["peers"], trace
    assert tunnel["uid"] != 0, trace
    assert facts["killed"] == {"what": "killed", "greeting": "220"}, trace
    assert facts["hung"] == {"what": "hung", "again": True}, trace
    assert set(facts["stopped"]["results"]) == {"success"}, trace
    assert facts["left"]["tunnel"], "the tunnel stays when what keeps it ends"


def _now_us() -> int:
    return time.time_ns() // 1000
