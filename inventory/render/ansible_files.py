"""Which files let Ansible bring each rendered folder to its machine?

Touches the role that ships with us; the inventory of machines is made here. No secret stands in any
of it: the role reads a machine's own folder where Ansible runs, and each machine gets that alone.

Source: Ansible's *Inventory guide* and *Roles*; docs/inventory.md, *Ansible*.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.settings.settings_text import yaml_text
from inventory.addressing import core_places, node_places
from inventory.model import Inventory, Site
from inventory.render.machine_file import File, text_file
from inventory.render.systemd import UnitRole

ANSIBLE_FOLDER = "ansible"
MACHINES_FILE = "inventory.yaml"
_SHIPPED = Path(__file__).parent / ANSIBLE_FOLDER


def ansible_files(inventory: Inventory) -> Iterator[File]:
    """Yield the inventory of machines, the playbook and its role."""
    yield text_file(f"{ANSIBLE_FOLDER}/{MACHINES_FILE}", yaml_text(machines(inventory)))
    for path in sorted(_SHIPPED.rglob("*.yaml")):
        yield text_file(f"{ANSIBLE_FOLDER}/{path.relative_to(_SHIPPED)}", path.read_text("utf-8"))


def machines(inventory: Inventory) -> dict[str, Any]:
    """Return the groups: the core, the machines that can become it, and the nodes of each site."""
    cores = {
        folder: {
            "ansible_host": machine.public[0],
            "borderscout_ready_url": f"http://{core_places(machine, None).http}/readyz",
        }
        for folder, machine in inventory.core.machines().items()
    }
    running, *standbys = cores
    of_core = {
        "hosts": {running: cores[running]},
        "vars": {"borderscout_role": str(UnitRole.CORE)},
    }
    of_standbys = {
        "hosts": {folder: cores[folder] for folder in standbys},
        "vars": {"borderscout_role": str(UnitRole.CORE), "borderscout_runs": False},
    }
    of_satellites = {
        "children": {group_of(site): _site(site) for site in inventory.sites},
        "vars": {"borderscout_role": str(UnitRole.SATELLITE)},
    }
    groups = {
        "borderscout_core": of_core,
        "borderscout_standbys": of_standbys,  # without any too: Ansible warns of a missing group
        "borderscout_satellites": of_satellites,
    }
    return {"all": {"children": groups}}


def group_of(site: Site) -> str:
    """Return a site's group: a group's name has no hyphen, and a site's no underscore."""
    return f"site_{site.name.replace('-', '_')}"


def _site(site: Site) -> dict[str, Any]:
    return {
        "hosts": {
            node.name: {
                "ansible_host": node.public[0],
                "borderscout_ready_url": f"http://{node_places(node, None).metrics}/readyz",
            }
            for node in site.nodes
        },
        "vars": {"borderscout_site": site.name},
    }
