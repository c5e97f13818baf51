"""Which units does a machine of the cluster have, and what installs them?

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from inventory.render.firewall import firewall_unit
from inventory.render.install_script import INSTALL_FILE, install_text
from inventory.render.machine_file import PROGRAM, File, text_file
from inventory.render.systemd import SOCKET_UNIT, UnitRole, socket_text, unit_name, unit_text
from inventory.render.tunnel_units import tunnel_units


def machine_units(
    folder: str,
    role: UnitRole,
    *,
    settings: str,
    folders: Sequence[str] = (),
    listen: Sequence[str] = (),
    more: Mapping[str, str] = MappingProxyType({}),
    starts: bool = True,
) -> Iterator[File]:
    """Yield what systemd runs on a machine, and what puts everything into its place there.

    Args:
        folder: the machine's.
        role: what its program is.
        settings: the program's settings file.
        folders: in which the program writes beside its own.
        listen: the settings' ``smtp.listen``, of a satellite.
        more: units beside those of every machine, by file name.
        starts: whether its program is to run there.
    """
    firewall, rules = firewall_unit()
    socket = socket_text(listen)
    program = unit_text(role, folders=folders, has_socket=bool(socket))
    sockets = {SOCKET_UNIT: socket} if socket else {}
    units = {firewall: rules, **tunnel_units(), **more, **sockets, unit_name(role): program}
    for name, unit in units.items():
        yield text_file(f"{folder}/{name}", unit)
    resting = "" if starts else unit_name(role)
    script = install_text(units, settings=settings, resting=resting)
    yield File(f"{folder}/{INSTALL_FILE}", script.encode(), PROGRAM)
