"""What does a machine of the lab find at which path?

Pure: commands are returned, and whoever has the machine's mounts runs them. A machine sees this
system's files, with its own ones laid over those: settings at ``/etc/borderscout``, state at
``/var/lib/borderscout``, an empty ``/run``. So the rendered settings, with their absolute paths,
work as they are, and nothing of the system is changed: what is laid over is memory, and goes with
the machine.

Source: mount(8), overlayfs in the kernel's documentation, mount_namespaces(7).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from common.wireguard.tunnel_bounds import MACHINE_FOLDER
from inventory.lab import lab_zones, sender
from inventory.lab.topology import LabRole, Machine, Topology
from inventory.render.systemd import SETTINGS_FOLDER, STATE_FOLDERS, UnitRole

# These get a layer of the machine's own; /run is new altogether.
LAYERED = ("/etc", "/var/lib", "/var/spool", "/var/cache")
RESOLVER_FILE = "lab-resolver.conf"  # in /etc, of a node with a resolver of its own
_LAYERS = "/run/layers"

Command = Sequence[str]


def furnishing_commands(machine: Machine, *, cluster: str, own: str) -> list[Command]:
    """Return what a machine runs, in its mount namespace, before anything else.

    Args:
        cluster: the rendered folder, absolute.
        own: the folder of the machine's own files, absolute.
    """
    commands: list[Command] = [
        ("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run"),
        ("mkdir", "-p", "/run/wireguard", "/run/borderscout", "/run/lock"),
    ]
    for folder in LAYERED:
        layer = f"{_LAYERS}{folder}"
        commands.append(("mkdir", "-p", f"{layer}/upper", f"{layer}/work"))
        layers = f"lowerdir={folder},upperdir={layer}/upper,workdir={layer}/work"
        commands.append(("mount", "-t", "overlay", "-o", layers, "overlay", folder))
    for source, target in _binds(machine, cluster, own):
        commands.append(("mkdir", "-p", target))
        commands.append(("mount", "--bind", source, target))
    commands.append(("hostname", machine.name))
    return commands


def own_folders(machine: Machine) -> tuple[str, ...]:
    """Return the folders of a machine's own that have to be there, below ``own``."""
    match machine.role:
        case LabRole.CORE | LabRole.SATELLITE:
            return ("state",)
        case LabRole.DNS:
            return ("bind", "cache")
        case LabRole.SENDER:
            return ("queue/returned", "data")
        case LabRole.CUSTOMERS:
            return ("mail",)


def _binds(machine: Machine, cluster: str, own: str) -> Iterator[tuple[str, str]]:
    match machine.role:
        case LabRole.CORE | LabRole.SATELLITE:
            yield f"{cluster}/{machine.folder}", SETTINGS_FOLDER
            yield f"{cluster}/{machine.folder}", MACHINE_FOLDER  # all of it is root's here
            yield f"{own}/state", STATE_FOLDERS[UnitRole.SATELLITE]
        case LabRole.DNS:
            yield f"{own}/bind", lab_zones.FOLDER
            yield f"{own}/cache", "/var/cache/bind"
        case LabRole.SENDER:
            yield f"{own}/queue", sender.QUEUE
            yield f"{own}/data", sender.DATA
        case LabRole.CUSTOMERS:
            return


def files_in_etc(machine: Machine, topology: Topology) -> dict[str, str]:
    """Return the files that a machine has in ``/etc``: who it is, and whom it asks for names.

    The sender's settings too, which stand beside files that Postfix brought.
    """
    servers = topology.machine(LabRole.DNS).addresses
    versions = {":" in address for address in machine.addresses}
    asked = [address for address in servers if (":" in address) in versions]
    files = {
        "resolv.conf": "".join(f"nameserver {a}\n" for a in asked) + "options timeout:2\n",
        "hosts": f"127.0.0.1 localhost {machine.name}\n::1 localhost\n",
        "hostname": f"{machine.name}\n",
    }
    if machine.role is LabRole.SATELLITE and topology.resolver:
        files[RESOLVER_FILE] = lab_zones.forwarding_configuration(topology)
    if machine.role is LabRole.SENDER:
        files |= {"postfix/main.cf": sender.MAIN, "postfix/master.cf": sender.MASTER}
    return files
