"""How fast is Haraka with clamd, with and without a queue of its own?

Touches processes, and once the npm registry: ``npm install haraka@3`` below the work folder.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.bench.parts import PeerFailed
from tests.bench.peers import clamd
from tests.bench.peers.peer import SINK, TARGET_PORT, Peer

PACKAGE = "haraka@3"
INSTALL_S = 600.0

# Answers at once instead of asking DNS, as the other gateways do here, and routes to the sink.
LOCAL_PLUGIN = """
exports.hook_lookup_rdns = function (next) { next(OK, 'load.bench.test') }
exports.hook_rcpt = function (next, c) { c.relaying = !!process.env.BENCH_RELAY; next(OK) }
exports.hook_get_mx = function (next) {
  next(OK, { priority: 0, exchange: '@HOST@', port: @PORT@ })
}
"""


class HarakaForward(Peer):
    """Haraka that answers 250 after the sink has: no queue, nothing on disk."""

    name = "haraka-forward"
    title = "Haraka + clamd, no queue of its own"
    plugins: tuple[str, ...] = ("bench_local", "clamd", "queue/smtp_forward")
    is_relaying = False

    def start(self) -> None:
        scanner = clamd.start(self.parts)
        modules = self._installed()
        home = self.folder / "home"
        for name in ("config", "queue", "plugins"):
            (home / name).mkdir(parents=True)
        for name, text in self._files(scanner, modules / "haraka" / "config").items():
            (home / "config" / name).write_text(text)
        host, _, port = SINK.rpartition(":")
        plugin = LOCAL_PLUGIN.replace("@HOST@", host).replace("@PORT@", port)
        (home / "plugins" / "bench_local.js").write_text(plugin)
        (home / "node_modules").symlink_to(modules)
        program = modules / "haraka" / "bin" / "haraka"
        self.parts.spawn(
            "haraka",
            ["node", str(program), "-c", str(home)],
            cwd=home,
            env={"BENCH_RELAY": "1"} if self.is_relaying else {},
        )
        self.parts.wait_for_port(TARGET_PORT, "Haraka")

    def _files(self, scanner: Path, defaults: Path) -> dict[str, str]:
        host, _, port = SINK.rpartition(":")
        files = {
            "smtp.ini": f"listen=127.0.0.1:{TARGET_PORT}\n",
            "plugins": "\n".join(self.plugins) + "\n",
            "me": "gw.bench.test\n",
            "host_list": "bench.test\n",
            "internalcmd_key": "bench\n",
            "clamd.ini": f"clamd_socket={scanner}\n[reject]\nvirus=true\nerror=true\n",
            "smtp_forward.ini": f"host={host}\nport={port}\nenable_tls=false\n",
            "outbound.ini": "enable_tls=false\nlocal_mx_ok=true\n",
        }
        for name in ("connection.ini", "log.ini"):  # as `haraka -i` would install them
            files[name] = (defaults / name).read_text().replace("bytes=26214400", "bytes=60000000")
        return files

    def _installed(self) -> Path:
        home = self.work / "haraka"
        modules = home / "node_modules"
        if not (modules / "haraka").is_dir():
            home.mkdir(parents=True, exist_ok=True)
            try:
                subprocess.run(
                    ["npm", "install", PACKAGE],
                    cwd=home,
                    check=True,
                    capture_output=True,
                    timeout=INSTALL_S,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise PeerFailed(f"npm install {PACKAGE} in {home}: {error}") from error
        return modules


class HarakaQueue(HarakaForward):
    """Haraka with its own queue on disk."""

    name = "haraka-queue"
    title = "Haraka + clamd, its own queue"
    plugins = ("bench_local", "clamd")
    is_relaying = True
