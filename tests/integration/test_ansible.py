"""Does Ansible bring each machine its own folder, once, and go on only when that machine is ready?

The real ansible-playbook, with the rendered inventory and role. Every machine is a folder of this
one; ``systemctl`` is a script that writes down what it was asked.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from inventory.load import load_inventory
from inventory.render.folder import render_folder
from tests.support.our_files import ROOT

NOW_US = 1_790_000_000_000_000
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
NODES = ("lon1", "lon2")
INVENTORY = """\
cluster: {name: example, mail_domain: mx.scout.example, vpn: 10.77.0.0/16}
core: {name: core, public: core.scout.example, vpn_address: 10.77.0.1}
sites:
  - name: lon-don
    location: [51.5072, -0.1276]
    nodes:
      - {name: lon1, public: 192.0.2.10, vpn_address: 10.77.1.1}
      - {name: lon2, public: 192.0.2.11, vpn_address: 10.77.1.2}
customers:
  - name: acme
    domains:
      - {name: acme.example, deliver_to: ["mail.acme.example:25"], location: [52.37, 4.89]}
"""

SYSTEMCTL = """\
#!/bin/sh
# A service manager in which a unit runs once it was started.
echo "$@" >>"$ASKED"
for unit; do :; done
case " $* " in
*" show "*) if [ -e "$UNITS/$unit" ]; then state=active; else state=inactive; fi
    printf 'LoadState=loaded\\nActiveState=%s\\nSubState=running\\n' "$state" ;;
*" start "* | *" restart "*) [ ! -e "$UNITS/broken" ] && touch "$UNITS/$unit" ;;
*" stop "*) rm -f "$UNITS/$unit" ;;
*" is-active "*) [ -e "$UNITS/$unit" ] ;;
*" is-enabled "*) echo enabled ;;
esac
"""

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: install(1) gives files away"),
    pytest.mark.skipif(not PLAYBOOK.exists(), reason="ansible-core is not installed"),
]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cluster")
    (out / "inventory.yaml").write_text(INVENTORY)
    render_folder(load_inventory(out / "inventory.yaml"), out, loopback=False, now_us=NOW_US)
    return out


STANDBY = "  standbys: [{name: core2, public: core2.scout.example, vpn_address: 10.77.0.2}]\n"
CORE_LINE = "core: {name: core, public: core.scout.example, vpn_address: 10.77.0.1}\n"
CORE = "core:\n  name: core\n  public: core.scout.example\n  vpn_address: 10.77.0.1\n"


@pytest.fixture(scope="module")
def with_a_standby(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("with-a-standby")
    (out / "inventory.yaml").write_text(INVENTORY.replace(CORE_LINE, CORE + STANDBY))
    render_folder(load_inventory(out / "inventory.yaml"), out, loopback=False, now_us=NOW_US)
    return out


def play(
    out: Path,
    base: Path,
    *more: str,
    options: tuple[str, ...] = (),
    env: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Run the playbook with each machine in the folder ``base/NAME``."""
    base.mkdir(exist_ok=True)
    facts = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "borderscout_destdir": f"{base}/machines/{{{{ inventory_hostname }}}}",
    }
    told = [word for key, value in facts.items() for word in ("-e", f"{key}={value}")]
    told += [word for each in more for word in ("-e", each)]
    return subprocess.run(
        [
            PLAYBOOK, "-i", out / "ansible" / "inventory.yaml",
            out / "ansible" / "playbook.yaml", *told, *options,
        ],
        env={
            "PATH": f"{base}/bin:{PLAYBOOK.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(base),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_LOCAL_TEMP": str(base / "local"),
            "ANSIBLE_REMOTE_TEMP": str(base / "remote"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )  # fmt: skip


def recap(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, int]]:
    """Return the counts of each machine."""
    lines = done.stdout.partition("PLAY RECAP")[2].splitlines()[1:]
    named = [line.split(":", 1) for line in lines if ":" in line]
    return {
        name.strip(): {
            key: int(value) for key, value in (pair.split("=") for pair in counts.split())
        }
        for name, counts in named
    }


def files(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        str(path.relative_to(folder)): (
            path.read_bytes(), stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }  # fmt: skip


def secrets(out: Path) -> dict[str, bytes]:
    """Return every key and token of a cluster, by its place."""
    found = [*out.rglob("*.key"), out / "authority", out / "core" / "token"]
    return {str(path.relative_to(out)): path.read_bytes().strip() for path in found}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_each_machine_gets_its_own_folder_and_a_second_run_changes_nothing(
    rendered: Path, tmp_path: Path
) -> None:
    looked = play(rendered, tmp_path, options=("--check", "--diff", "--limit", "lon1"))
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert not (tmp_path / "machines").exists(), "a look changes nothing"

    machines_here = ("--limit", "core,lon1")
    first = play(rendered, tmp_path, options=machines_here)

    assert first.returncode == 0, first.stdout + first.stderr
    assert "WARNING" not in first.stderr, first.stderr
    machines = tmp_path / "machines"
    assert {path.name for path in machines.iterdir()} == {"core", "lon1"}
    known = secrets(rendered)
    for machine in machines.iterdir():
        mine = files(machine)
        settings = "core.yaml" if machine.name == "core" else "satellite.yaml"
        assert (
            mine[f"etc/borderscout/{settings}"][0]
            == (rendered / machine.name / settings).read_bytes()
        )
        everything = b"\n".join(content for content, *_ in mine.values())
        for place, secret in known.items():
            is_mine = place.startswith(f"{machine.name}/")
            assert (secret in everything) == is_mine, f"{place} on {machine.name}"
        for name, (content, mode, _) in mine.items():
            if any(secret in content for secret in known.values()):
                assert not mode & 0o077, name

    before = files(machines)
    second = play(rendered, tmp_path, options=("--diff", *machines_here))

    assert second.returncode == 0, second.stdout + second.stderr
    assert {name: counts["changed"] for name, counts in recap(second).items()} == dict.fromkeys(
        ("core", "lon1"), 0
    ), second.stdout
    assert files(machines) == before

    (machines / "lon1" / "etc" / "borderscout-machine" / "firewall.nft").write_text(
        "flush ruleset\n"
    )
    look = play(rendered, tmp_path, options=("--check", "--limit", "lon1"))
    assert recap(look)["lon1"]["changed"] == 0, "the copy is as it was"
    mended = recap(play(rendered, tmp_path, options=("--limit", "lon1")))
    assert mended["lon1"]["changed"] == 1
    told = looked.stdout + first.stdout + second.stdout
    assert not [place for place, secret in known.items() if secret.decode() in told]


@pytest.mark.slow
def test_a_node_that_made_its_own_keys_gets_no_others(rendered: Path, tmp_path: Path) -> None:
    own = tmp_path / "machines" / "lon1" / "etc" / "borderscout"
    own.mkdir(parents=True)
    (own / "joined.json").write_text("{}")
    (own / "satellite.yaml").write_text("node: lon1\n")

    done = play(rendered, tmp_path, options=("--limit", "lon1"))

    assert done.returncode == 0, done.stdout + done.stderr
    there = files(tmp_path / "machines" / "lon1")
    assert there["etc/borderscout/satellite.yaml"][0] == b"node: lon1\n"
    assert "etc/systemd/system/borderscout-satellite.service" in there
    assert not [
        name
        for name, (content, *_) in there.items()
        if any(secret in content for secret in secrets(rendered).values())
    ]


class Readiness(ThreadingHTTPServer):
    """Says of each machine, by the port's path, whether it is ready."""

    def __init__(self) -> None:
        self.ready = {"core", *NODES}
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Answer)


class _Answer(BaseHTTPRequestHandler):
    server: Readiness

    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.server.asked.append(name)
        self.send_response(200 if name in self.server.ready else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def readiness() -> Iterator[Readiness]:
    with Readiness() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def put_systemctl(folder: Path) -> None:
    """Make what stands for systemctl, and the folder in which it notes what runs."""
    for name in ("bin", "units"):
        (folder / name).mkdir()
    (folder / "bin" / "systemctl").write_text(SYSTEMCTL)
    (folder / "bin" / "systemctl").chmod(0o755)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_next_node_is_touched_only_once_the_one_before_is_ready(
    rendered: Path, tmp_path: Path, readiness: Readiness
) -> None:
    put_systemctl(tmp_path)
    asked = tmp_path / "asked"
    env = {"UNITS": str(tmp_path / "units"), "ASKED": str(asked)}
    url = f"http://127.0.0.1:{readiness.server_port}/{{{{ inventory_hostname }}}}"
    told = (
        "borderscout_start=true", f"borderscout_ready_url={url}",
        "borderscout_ready_tries=2", "borderscout_ready_pause=1",
    )  # fmt: skip
    nodes = ("--limit", "borderscout_satellites")

    readiness.ready.discard("lon1")
    done = play(rendered, tmp_path, *told, options=nodes, env=env)

    assert done.returncode != 0
    assert recap(done)["lon1"]["failed"] == 1, done.stdout
    touched = {path.name for path in (tmp_path / "machines").iterdir()}
    assert touched == {"lon1"}, "those after it are as they were"
    assert set(readiness.asked) == {"lon1"}
    starts = {line.partition(" ")[2] for line in asked.read_text().splitlines() if "start " in line}
    assert "borderscout-satellite.service" in starts

    readiness.ready.add("lon1")
    again = play(rendered, tmp_path, *told, env=env)
    assert again.returncode == 0, again.stdout + again.stderr
    third = play(rendered, tmp_path, *told, env=env)
    assert {counts["changed"] for counts in recap(third).values()} == {0}, third.stdout


@pytest.mark.long
@pytest.mark.timeout(900)
def test_what_was_installed_by_a_run_that_was_cut_short_is_started_by_the_next(
    rendered: Path, tmp_path: Path, readiness: Readiness
) -> None:
    put_systemctl(tmp_path)
    asked, broken = tmp_path / "asked", tmp_path / "units" / "broken"
    for unit in (rendered / "lon1").glob("borderscout-*"):  # all of it runs, as it was before
        (tmp_path / "units" / unit.name).touch()
    env = {"UNITS": str(tmp_path / "units"), "ASKED": str(asked)}
    url = f"http://127.0.0.1:{readiness.server_port}/lon1"
    told = ("borderscout_start=true", f"borderscout_ready_url={url}")
    lon1 = ("--limit", "lon1")

    broken.touch()
    first = play(rendered, tmp_path, *told, options=lon1, env=env)
    broken.unlink()
    asked.unlink()
    second = play(rendered, tmp_path, *told, options=lon1, env=env)
    started = {line.split()[-1] for line in asked.read_text().splitlines() if "start " in line}
    asked.unlink()
    third = play(rendered, tmp_path, *told, options=lon1, env=env)

    assert (recap(first)["lon1"]["failed"], second.returncode) == (1, 0), second.stdout
    assert started >= {"borderscout-satellite.service", "borderscout-firewall.service"}
    assert recap(third)["lon1"]["changed"] == 0, third.stdout
    assert "start " not in asked.read_text()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_standby_gets_its_tunnel_started_and_not_the_core(
    with_a_standby: Path, tmp_path: Path, readiness: Readiness
) -> None:
    put_systemctl(tmp_path)
    asked = tmp_path / "asked"
    env = {"UNITS": str(tmp_path / "units"), "ASKED": str(asked)}
    url = f"http://127.0.0.1:{readiness.server_port}/{{{{ inventory_hostname }}}}"
    told = ("borderscout_start=true", f"borderscout_ready_url={url}")
    core2 = ("--limit", "core2")

    done = play(with_a_standby, tmp_path, *told, options=core2, env=env)

    assert done.returncode == 0, done.stdout + done.stderr
    there = files(tmp_path / "machines" / "core2")
    rendered = (with_a_standby / "core2" / "wg0.conf").read_bytes()
    assert there["etc/borderscout/wg0.conf"][0] == rendered
    assert "etc/systemd/system/borderscout-core.service" in there, "it is ready to be started"
    units = {unit.name for unit in (tmp_path / "units").iterdir()}
    assert {"borderscout-wireguard.service", "borderscout-firewall.service"} <= units
    assert not [line for line in asked.read_text().splitlines() if "core.service" in line]
    assert readiness.asked == []

    again = play(with_a_standby, tmp_path, *told, options=core2, env=env)
    assert recap(again)["core2"]["changed"] == 0, again.stdout


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_standby_that_is_away_keeps_nothing_from_a_node(
    with_a_standby: Path, tmp_path: Path
) -> None:
    away = "{{ 'ssh' if inventory_hostname == 'core2' else 'local' }}"
    nowhere = ("ansible_host=127.0.0.1", "ansible_port=1")  # where nobody listens

    done = play(with_a_standby, tmp_path, f"ansible_connection={away}", *nowhere)

    machines_there = {path.name for path in (tmp_path / "machines").iterdir()}
    assert machines_there == {"core", *NODES}, done.stdout + done.stderr
    counts = recap(done)
    assert counts["core2"]["unreachable"] == 1, "and it is said"
    assert [counts[name]["failed"] for name in ("core", "core2", *NODES)] == [0] * 4
    assert done.returncode != 0


def test_ansible_finds_no_fault_in_the_playbook(rendered: Path, tmp_path: Path) -> None:
    done = play(rendered, tmp_path, options=("--syntax-check",))

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_the_port_is_let_go_before_the_program_that_who_connects_would_start_again() -> None:
    steps = ROOT / "inventory/render/ansible/roles/borderscout/tasks/start.yaml"
    [task] = [
        one
        for one in yaml.safe_load(steps.read_text())
        if one.get("ansible.builtin.systemd_service", {}).get("state") == "stopped"
    ]

    assert task["loop"].startswith("{{ borderscout_sockets + (")


def test_no_secret_stands_in_what_ansible_reads(rendered: Path) -> None:
    ansible = b"".join(path.read_bytes() for path in (rendered / "ansible").rglob("*.yaml"))

    assert not [place for place, secret in secrets(rendered).items() if secret in ansible]
