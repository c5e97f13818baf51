#!/bin/sh
# Boots a systemd on a copy of this machine's root, and runs probe.py in it. In a mount namespace of
# its own: nothing is left behind. BASE: an empty folder; OUT: a rendered cluster; CHECKOUT, PYTHON,
# PACKAGES: ours.
set -eu
mount -t tmpfs none "$BASE"
mkdir "$BASE/upper" "$BASE/work" "$BASE/root"
root=$BASE/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$BASE/upper,workdir=$BASE/work" "$root"
chroot "$root" useradd --system --home-dir /var/lib/borderscout --shell /usr/sbin/nologin borderscout ||
    chroot "$root" id borderscout
rm -rf "$root/etc/borderscout" "$root/var/lib/borderscout"
DESTDIR=$root sh "$OUT/core/install.sh"
mv "$root/etc/borderscout" "$root/etc/borderscout-core"
sed -i 's:/var/lib/borderscout:/var/lib/borderscout-core:' "$root/etc/borderscout-core/core.yaml"
DESTDIR=$root sh "$OUT/lon1/install.sh"
chroot "$root" chown -R borderscout:borderscout /etc/borderscout /etc/borderscout-core
dropin() {
    mkdir -p "$root/etc/systemd/system/$1.d"
    printf '[Service]\n%s\n' "$2" >"$root/etc/systemd/system/$1.d/here.conf"
}
dropin borderscout-core.service 'ExecStart=
ExecStart=/usr/bin/borderscout core serve --config /etc/borderscout-core/core.yaml
ReadWritePaths=/etc/borderscout-core
StateDirectory=borderscout-core'
dropin borderscout-satellite.service 'WatchdogSec=20'
mkdir -p "$root/opt/checkout" "$root/opt/python" "$root/opt/packages"
cat >"$root/usr/bin/borderscout" <<'PROGRAM'
#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH=/opt/checkout:/opt/checkout/proto:/opt/packages
exec /opt/python/bin/python3 -m cli "$@"
PROGRAM
chmod 0755 "$root/usr/bin/borderscout"
cat >"$root/etc/systemd/system/probe.service" <<'PROBE'
[Unit]
Requires=basic.target
After=basic.target
[Service]
Type=oneshot
ExecStartPre=/sbin/ip address add 10.77.0.1/32 dev lo
ExecStartPre=/sbin/ip address add 10.77.1.1/32 dev lo
ExecStart=/opt/python/bin/python3 /opt/checkout/tests/support/systemd/probe.py
Environment=LD_LIBRARY_PATH=/opt/python/lib
ExecStopPost=-/bin/sh -c 'journalctl -u "borderscout-*" -o cat --no-pager > /journal.out'
ExecStopPost=/bin/systemctl --no-block exit 0
TimeoutStartSec=540
StandardOutput=append:/probe.out
StandardError=append:/probe.out
PROBE
mknod -m 0666 "$BASE/tun" c 10 200  # as udev makes it on a machine
systemd-nspawn --quiet --register=no --keep-unit --directory="$root" --private-network \
    --capability=CAP_NET_ADMIN --bind="$BASE/tun:/dev/net/tun" \
    --bind-ro="$CHECKOUT:/opt/checkout" --bind-ro="$PYTHON:/opt/python" \
    --bind-ro="$PACKAGES:/opt/packages" \
    --boot systemd.unit=probe.service </dev/null >&2
cat "$root/probe.out"
cat "$root/journal.out" >&2
