"""How does a rendered folder come into its places on a machine?

Pure: the script's text. It asks for nothing, downloads nothing, can be run again, and stops at the
first thing that goes wrong. What it copies last is what the programs go by: a run that was cut
short leaves what was there. What is in its place already is left alone, and each file that is not
is told, and noted before it is changed, where that is asked for; a node that has joined keeps what
it made and was given since.

Source: sh by POSIX.1-2017, install(1), setpriv(1), setsid(1), useradd(8); docs/inventory.md,
*Install*.
"""

from __future__ import annotations

from collections.abc import Mapping

from common.wireguard.tunnel_bounds import MACHINE_FOLDER, NETWORKS_FILE
from common.wireguard.tunnel_rules import FIREWALL_FILE

INSTALL_FILE = "install.sh"


def install_text(units: Mapping[str, str], *, settings: str, resting: str = "") -> str:
    """Return the script of one machine.

    Args:
        units: the text of each unit by its file name; that of the program last.
        settings: the settings file, copied last.
        resting: the unit that is to be there and not to start, of a machine on which the core does
            not run; empty: there is none.
    """
    every = " ".join(units)
    enabled = " ".join(
        name for name, text in units.items() if "[Install]" in text and name != resting
    )
    end = _RESTING.format(unit=resting) if resting else ""
    return f"""\
#!/bin/sh
# Puts this folder where Border Scout looks for it. Run as root, from anywhere; again after each
# rendering. DESTDIR=DIR installs below DIR, and starts nothing. CHANGED=FILE: the name of each file
# is added there before that file is changed, for whoever starts anew what reads them.
set -eu
cd "$(dirname "$0")"
to=${{DESTDIR:-}}
noted=${{CHANGED:-}}
for path in "DESTDIR=$to" "CHANGED=$noted"; do
    case $path in
    *= | *=/*) ;;
    *)
        echo "install.sh: $path is no absolute path; begin it with /" >&2
        exit 1
        ;;
    esac
done
if [ "$(id -u)" != 0 ]; then
    echo "install.sh: needs root; run it with sudo" >&2
    exit 1
fi
if [ -z "$to" ] && [ ! -x /usr/bin/borderscout ]; then
    echo "install.sh: /usr/bin/borderscout is not there; install Border Scout first" >&2
    exit 1
fi
owner=root
if [ -z "$to" ]; then
    id borderscout >/dev/null 2>&1 ||
        useradd --system --home-dir /var/lib/borderscout --shell /usr/sbin/nologin borderscout
    owner=borderscout
fi
# In the owner's folder only the owner writes: it is who reads mail, and a link that it makes there
# would have root give away, or write, whatever the link leads to. What runs as the owner it may
# trace, and with root's terminal it could type there: so that gets none.
exec </dev/null
by_owner() {{
    if [ "$owner" = root ]; then "$@"; return; fi
    said=$(setsid -w setpriv --reuid="$owner" --regid="$owner" --clear-groups --inh-caps=-all \\
        "$@" 2>&1) || {{ echo "$said" >&2; return 1; }}
}}
is_there() {{  # FILE MODE PLACE: the same, of the same owner
    [ -f "$3" ] && cmp -s "$1" "$3" && [ "0$(stat -c %a "$3") $(stat -c %U "$3")" = "$2 $owner" ]
}}
put() {{  # FILE MODE FOLDER [NAME]: whole or not at all, after a power cut too
    place=$3/${{4:-${{1##*/}}}}
    if is_there "$1" "$2" "$place"; then return; fi
    if [ -n "$noted" ]; then echo "${{place##*/}}" >>"$noted"; fi
    new="$3/.${{4:-${{1##*/}}}}.new"
    by_owner sh -ec 'umask 077; rm -f "$1"; cat >"$1"; chmod "$2" "$1"; sync "$1"; mv -f "$1" "$3"
        sync "$4"' sh "$new" "$2" "$place" "$3" <"$1"
    echo "changed ${{place#"$to"}}"
}}
if [ -n "$noted" ]; then : >>"$noted"; fi
install -d -o "$owner" -g "$owner" -m 0750 "$to/etc/borderscout"
mkdir -p "$to/etc/borderscout/tls"
chown -h "$owner:$owner" "$to/etc/borderscout/tls"
by_owner chmod 0750 "$to/etc/borderscout/tls"
install -d -m 0755 "$to/etc/systemd/system"
if [ -e "$to/etc/borderscout/joined.json" ]; then
    joined=yes
else
    joined=
fi
if [ -z "$joined" ]; then
    for file in tls/*; do
        case $file in *.key) mode=0600 ;; *) mode=0644 ;; esac
        put "$file" "$mode" "$to/etc/borderscout/tls"
    done
    for file in *.key token; do
        if [ -e "$file" ]; then put "$file" 0600 "$to/etc/borderscout"; fi
    done
    for file in issuer.crt preferences.json; do
        if [ -e "$file" ]; then put "$file" 0644 "$to/etc/borderscout"; fi
    done
    put wg0.conf 0600 "$to/etc/borderscout"
fi
ours=$owner owner=root
# What others of this machine load lies where the owner writes nothing.
install -d -m 0755 "$to{MACHINE_FOLDER}"
for file in {FIREWALL_FILE} {NETWORKS_FILE} freshclam.conf; do
    if [ "$file" != freshclam.conf ] || [ -e freshclam.conf ]; then
        put "$file" 0644 "$to{MACHINE_FOLDER}"
    fi
done
if [ -e unbound.conf ]; then
    install -d -m 0755 "$to/etc/unbound/unbound.conf.d"
    put unbound.conf 0644 "$to/etc/unbound/unbound.conf.d" borderscout.conf
fi
# Of a rendering before: wg-quick, as root, would do whatever the owner had written there.
if [ "$(readlink "$to/etc/wireguard/wg0.conf")" = /etc/borderscout/wg0.conf ]; then
    rm -f "$to/etc/wireguard/wg0.conf"
fi
for file in {every}; do
    put "$file" 0644 "$to/etc/systemd/system"
done
owner=$ours
by_owner rm -f "$to/etc/borderscout/{FIREWALL_FILE}" "$to/etc/borderscout/freshclam.conf"
if [ -z "$joined" ]; then
    case $(stat -c %a {settings}) in 600) mode=0600 ;; *) mode=0644 ;; esac
    put {settings} "$mode" "$to/etc/borderscout"
fi
[ -z "$to" ] || exit 0
systemctl daemon-reload
systemctl enable {enabled}
{end}echo "installed; start it: systemctl start {enabled}"
"""


_RESTING = """\
if systemctl --quiet is-enabled {unit} 2>/dev/null; then
    echo "warning: {unit} is enabled, and by core.runs_on of the inventory the core" \\
        "runs elsewhere: correct the inventory, or: systemctl disable --now {unit}" >&2
fi
"""
