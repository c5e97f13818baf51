"""How fast is Postfix with rspamd and clamd behind it?

Touches processes. rspamd runs without the modules that ask DNS, Redis or the network, as ours runs
without the filters that do.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.parts import PeerFailed
from tests.bench.peers import clamd, name_server
from tests.bench.peers.postfix import MESSAGE_BYTES_MAX, Postfix, milter_lines

USER = "_rspamd"
WITHOUT = (
    "rbl spf dkim dkim_signing dmarc arc mx_check surbl fuzzy_check phishing asn greylisting "
    "ratelimit history_redis replies url_redirector neural mid multimap bayes_expiry elastic "
    "metadata_exporter spamtrap known_senders"
)
AUTHENTICATION = {"spf": "R_SPF_ALLOW", "dkim": "R_DKIM_ALLOW", "dmarc": "DMARC_POLICY_ALLOW"}


class Rspamd(Postfix):
    """Postfix + rspamd by its milter interface + clamd."""

    name = "rspamd-unix"
    title = "Postfix + rspamd + clamd"
    without = frozenset(WITHOUT.split())

    def start(self) -> None:
        scanner = clamd.start(self.parts)
        socket = self.folder / "rspamd.sock"
        self._configure(scanner, socket, self.more())
        (self.folder / "db").mkdir()
        for owned in (self.folder, self.folder / "db"):
            shutil.chown(owned, USER)
        command = ["rspamd", "-f", "-u", USER, "-g", USER]
        for name, value in (
            ("DBDIR", self.folder / "db"),
            ("RUNDIR", self.folder),
            ("LOCAL_CONFDIR", self.folder),
        ):
            command += ["--var", f"{name}={value}"]
        self.parts.spawn("rspamd", command)
        self.parts.wait_for_file(socket, "rspamd")
        self.start_postfix(*milter_lines(socket), "milter_protocol = 6")

    def more(self) -> dict[str, str]:
        """Return what stands in files of ``local.d`` beside what is there."""
        return {}

    def _configure(self, scanner: Path, socket: Path, more: Mapping[str, str]) -> None:
        local = self.folder / "local.d"
        local.mkdir()
        files = {f"{module}.conf": "enabled = false;" for module in self.without}
        files |= {
            "antivirus.conf": (
                f'clamav {{ type = "clamav"; servers = "{scanner}"; action = "reject"; '
                'symbol = "CLAM_VIRUS"; scan_mime_parts = false; log_clean = false; '
                f"max_size = {MESSAGE_BYTES_MAX}; }}"
            ),
            "worker-proxy.inc": (
                f'bind_socket = "{socket} mode=0666"; milter = yes; timeout = 60s; count = 2; '
                'upstream "local" { default = yes; self_scan = yes; }'
            ),
            "worker-normal.inc": "enabled = false;",
            "worker-controller.inc": f'bind_socket = "{self.folder / "controller.sock"}";',
            "options.inc": (
                f'local_addrs = []; max_message = 60M; tempdir = "{self.folder}"; '
                f'pidfile = "{self.folder / "rspamd.pid"}";'
            ),
            "logging.inc": (
                f'type = "file"; filename = "{self.folder / "rspamd.txt"}"; level = "notice";'
            ),
            "classifier-bayes.conf": "enabled = false;",
        }
        for name, text in more.items():
            files[name] = f"{files.get(name, '')} {text}"
        for name, text in files.items():
            (local / name).write_text(text.replace("; ", ";\n") + "\n")


class AuthenticatingRspamd(Rspamd):
    """The same with SPF, DKIM and DMARC on, asking a name server of its own for nothing else."""

    name = "postfix-rspamd"
    title = "Postfix + rspamd + clamd, with SPF, DKIM and DMARC"
    apart = frozenset({name_server.GROUP})
    without = Rspamd.without - AUTHENTICATION.keys() | {"hfilter", "once_received"}

    def more(self) -> dict[str, str]:
        host, _, port = name_server.start(self.parts, self.work).rpartition(":")
        return {"options.inc": f'dns {{ nameserver = ["{host}:{port}:1"]; }}'}

    def settle(self) -> dict[str, Any]:
        log = (self.folder / "rspamd.txt").read_text(encoding="utf-8", errors="replace")
        looks = looks_in(log)
        missed = sum(not all(one in look for one in AUTHENTICATION.values()) for look in looks)
        if missed:
            raise PeerFailed(f"{missed} of {len(looks)} have not passed SPF, DKIM and DMARC")
        return {}


def looks_in(log: str) -> list[str]:
    """Return what rspamd says of each message, but for those with a virus: there it ends early."""
    looks = [line for line in log.splitlines() if "rspamd_task_write_log" in line]
    return [look for look in looks if "CLAM_VIRUS(" not in look]
