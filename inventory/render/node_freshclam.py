"""How does a node's clamd get its definitions from the core where the node itself brings none?

Pure: freshclam's settings, and the units that run it. The core is its private mirror, shown the
node's own certificate. Where a node says ``definitions:`` for its clamd, it brings them itself, in
turns and tried; then there is no freshclam, which would write into the same folder.

Source: freshclam.conf(5); freshclam(1), *ENVIRONMENT*; systemd.exec(5), *Credentials*;
docs/definitions.md, *With a freshclam of its own instead*.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from common.settings.core import CoreDefinitionsSettings
from common.settings.satellite import SatelliteSettings
from common.settings.values import split_endpoint
from common.wireguard.tunnel_bounds import MACHINE_FOLDER
from inventory.render.sandbox import Sandbox

FRESHCLAM_FILE = "freshclam.conf"
FRESHCLAM_UNIT = "borderscout-freshclam.service"
FRESHCLAM_KEYS_UNIT = "borderscout-freshclam-keys.service"
FRESHCLAM_TIMER = "borderscout-freshclam.timer"
DATABASES = "/var/lib/clamav"  # Debian's, and its user's
USER = "clamav"
OFFICIAL = ("bytecode", "daily", "main")
TLS = "/etc/borderscout/tls"
_GIVEN = ("authority.crt", "node.crt", "node.key")
_GIVEN_FOLDER = "borderscout-freshclam"  # below /run


def wants_freshclam(settings: SatelliteSettings, definitions: CoreDefinitionsSettings) -> bool:
    """Say whether a node has a clamd of its own, for which nobody else fetches definitions.

    A core that fetches none itself has none to give: then what updates the node's clamd stays.
    """
    fetched = {one.engine for one in settings.definitions}
    has_source = definitions.freshclam is not None or bool(definitions.mirror)
    return (
        has_source
        and bool(definitions.listen)
        and any(
            engine.kind == "clamd" and engine.name not in fetched and _is_here(engine.address)
            for engine in settings.engines
        )
    )


def freshclam_text(
    definitions: CoreDefinitionsSettings,
    *,
    others: Sequence[str] = (),
    folder: str = DATABASES,
    user: str = USER,
) -> str:
    """Return freshclam's settings.

    Args:
        definitions: the core's; ``listen`` is where satellites fetch.
        others: where they fetch once the core runs on another machine, HOST:PORT.
        folder: clamd's ``DatabaseDirectory``.
        user: who owns it.
    """
    door = f"https://{definitions.listen}"
    fetched = definitions.freshclam
    names = [_file_name(url) for url in fetched.custom_urls] if fetched is not None else []
    lines = [
        f"DatabaseDirectory {folder}",
        f"DatabaseOwner {user}",
        *(f"PrivateMirror {one}" for one in (door, *(f"https://{other}" for other in others))),
        # Whole files: what is signed is the whole.
        "ScriptedUpdates no",
        "CompressLocalDatabase no",
        # Loaded once before clamd is told; nobody else tries them here.
        "TestDatabases yes",
        "NotifyClamd /etc/clamav/clamd.conf",
        "MaxAttempts 3",
        "ConnectTimeout 30",
        "ReceiveTimeout 300",
        *(f"DatabaseCustomURL {door}/{name}" for name in names if name),
    ]
    if fetched is not None and not fetched.official:
        lines += [f"ExcludeDatabase {name}" for name in OFFICIAL]
    return "# Rendered from the inventory; changes here are lost.\n" + "".join(
        f"{line}\n" for line in lines
    )


def freshclam_units() -> dict[str, str]:
    """Return the units by file name.

    One run each, so that a renewed certificate is shown by the next. The user that fetches may read
    no other file of ours: the settings are given to it by the service manager, and certificate and
    key by a unit of our own user, who renews them. Read by root they would be whatever a link in
    that user's folder leads to.
    """
    sandbox = Sandbox(
        user=USER,
        writes=[DATABASES],
        makes_code=True,  # ClamAV's bytecode, where it is built so
    )
    giving = Sandbox(group=USER, families=["AF_UNIX"])
    files = " ".join(f"{TLS}/{name}" for name in _GIVEN)
    return {
        FRESHCLAM_KEYS_UNIT: f"""\
[Unit]
Description=Border Scout certificate for what fetches definitions

[Service]
Type=oneshot
RuntimeDirectory={_GIVEN_FOLDER}
RuntimeDirectoryMode=0750
RuntimeDirectoryPreserve=yes
ExecStart=/usr/bin/install --mode=0640 {files} %t/{_GIVEN_FOLDER}

{giving.lines()}""",
        FRESHCLAM_UNIT: f"""\
[Unit]
Description=Border Scout definitions for the clamd of this machine
Wants=network-online.target
After=network-online.target borderscout-wireguard.service {FRESHCLAM_KEYS_UNIT}
Requires={FRESHCLAM_KEYS_UNIT}
# Two would write into one folder.
Conflicts=clamav-freshclam.service

[Service]
Type=oneshot
ExecStart=/usr/bin/freshclam --config-file=%d/{FRESHCLAM_FILE} --foreground --stdout
LoadCredential={FRESHCLAM_FILE}:{MACHINE_FOLDER}/{FRESHCLAM_FILE}
Environment=CURL_CA_BUNDLE=%t/{_GIVEN_FOLDER}/authority.crt
Environment=FRESHCLAM_CLIENT_CERT=%t/{_GIVEN_FOLDER}/node.crt
Environment=FRESHCLAM_CLIENT_KEY=%t/{_GIVEN_FOLDER}/node.key
# Of older ones: there is nothing new.
SuccessExitStatus=1
TimeoutStartSec=30min
LimitCORE=0

{sandbox.lines()}""",
        FRESHCLAM_TIMER: """\
[Unit]
Description=Border Scout definitions: look for new ones

[Timer]
OnBootSec=1min
OnUnitInactiveSec=5min
# Sites do not ask, and their clamds do not load, all at once.
RandomizedDelaySec=5min

[Install]
WantedBy=timers.target
""",
    }


def _is_here(address: str) -> bool:
    """Say whether an engine listens on the node itself."""
    if address.startswith("unix:"):
        return True
    host, _ = split_endpoint(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _file_name(url: str) -> str:
    """Return under which name a database of others stands at the core, as freshclam names it."""
    return urlsplit(url).path.rpartition("/")[2]
