"""How fast is Postfix, by itself and with a scanner behind its milter interface?

Touches processes. Each configuration is complete and below the run's folder; the system's own
Postfix is left alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.bench.loads import SENDERS_NET
from tests.bench.parts import PeerFailed
from tests.bench.peers import clamd
from tests.bench.peers.peer import SINK, TARGET_PORT, Peer
from tests.support.smtp.postfix import MASTER

MESSAGE_BYTES_MAX = 60_000_000


class Postfix(Peer):
    """Postfix with a queue and a relay, and no filter at all."""

    name = "postfix"
    title = "Postfix alone, scanning nothing"

    def start(self) -> None:
        self.start_postfix()

    def start_postfix(self, *main: str, master: str = "") -> None:
        """Start Postfix with further lines of its two files."""
        configuration = self.folder / "conf"
        for name in ("queue", "data", "conf"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        (configuration / "main.cf").write_text("\n".join([*self._main(), *main]) + "\n")
        (configuration / "master.cf").write_text(MASTER.format(port=TARGET_PORT) + master)
        postfix = ["postfix", "-c", str(configuration)]
        self.parts.stop_with([*postfix, "stop"])
        if self.parts.spawn("postfix", [*postfix, "start"]).wait(60):
            raise PeerFailed(self.parts.story())
        self.parts.wait_for_port(TARGET_PORT, "Postfix")

    def _main(self) -> list[str]:
        host, _, port = SINK.rpartition(":")
        return [
            "compatibility_level = 3.6",
            f"queue_directory = {self.folder / 'queue'}",
            f"data_directory = {self.folder / 'data'}",
            "myhostname = gw.bench.test",
            "mydestination =",
            "local_recipient_maps =",
            "alias_maps =",
            f"mynetworks = 127.0.0.0/8, {SENDERS_NET}/24",
            "inet_interfaces = 127.0.0.1",
            "inet_protocols = ipv4",
            "relay_domains = bench.test",
            f"relay_transport = smtp:[{host}]:{port}",
            f"default_transport = smtp:[{host}]:{port}",
            "smtpd_peername_lookup = no",
            "smtp_dns_support_level = disabled",
            "smtpd_relay_restrictions = permit_mynetworks, reject",
            f"message_size_limit = {MESSAGE_BYTES_MAX}",
            "mailbox_size_limit = 0",
            f"maillog_file = {self.folder / 'mail.log'}",
            f"maillog_file_prefixes = {self.work}",
            "smtpd_tls_security_level = none",
            "smtp_tls_security_level = none",
        ]


class ClamavMilter(Postfix):
    """The peer that ratios are taken to: the fastest that scans."""

    name = "clamilter-unix"
    title = "Postfix + clamav-milter + clamd"

    def start(self) -> None:
        scanner = clamd.start(self.parts)
        socket = self.folder / "milter.sock"
        lines = [
            f"MilterSocket unix:{socket}",
            "MilterSocketMode 666",
            "Foreground yes",
            f"ClamdSocket unix:{scanner}",
            "OnInfected Reject",
            "OnFail Defer",
            "AddHeader Add",
            "User root",
            f"LogFile {self.folder / 'milter.txt'}",
            "LogInfected Basic",
            "MaxFileSize 60M",
        ]
        configuration = self.folder / "milter.conf"
        configuration.write_text("\n".join(lines) + "\n")
        self.parts.spawn("milter", ["clamav-milter", "-c", str(configuration)])
        self.parts.wait_for_file(socket, "clamav-milter")
        self.start_postfix(*milter_lines(socket))


def milter_lines(socket: Path) -> list[str]:
    """Return the lines of main.cf that ask a milter."""
    return [f"smtpd_milters = unix:{socket}", "milter_default_action = tempfail"]
