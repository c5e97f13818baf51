"""What do the packages take from the product itself, so that it is said there alone?

Run by debian/rules with the Python that is being packaged. ``units ROLE FOLDER`` writes the systemd
units that ``inventory render`` renders too, for a machine that gets no rendered folder because it
joins. ``tokens`` prints what stands in the maintainer scripts, as options of dh_installdeb(1).
"""

from __future__ import annotations

import sys
from pathlib import Path

from alembic.script import ScriptDirectory

import core.store
from common.settings.core import CoreSettings
from core.recovery.places import database_target
from inventory.render.firewall import firewall_unit
from inventory.render.systemd import SOCKET_UNIT, UnitRole, socket_text, unit_name, unit_text
from inventory.render.tunnel_units import TUNNEL_UNIT, tunnel_units
from satellite.spool.disk.schema import VERSION

SHARED = "shared"  # what a core and a satellite both have
# Without a rendered folder nobody says which families the node has; the kernel knows them.
LISTEN = ("0.0.0.0:25", "[::]:25")


def units(role: str) -> dict[str, str]:
    """Return the text of each unit of one package by its file name."""
    if role == SHARED:
        return {
            **dict([firewall_unit()]),
            **tunnel_units(),
            unit_name(UnitRole.SCAN): unit_text(UnitRole.SCAN),
        }
    if role == UnitRole.SATELLITE:
        program = unit_text(UnitRole.SATELLITE, has_socket=True)
        return {SOCKET_UNIT: socket_text(LISTEN), unit_name(UnitRole.SATELLITE): program}
    return {unit_name(UnitRole(role)): unit_text(UnitRole(role))}


def tokens() -> dict[str, str]:
    """Return the values of the maintainer scripts' tokens."""
    scripts = ScriptDirectory(str(Path(core.store.__path__[0]) / "migrations"))
    known = sorted(script.revision for script in scripts.walk_revisions())
    return {
        # The socket first: whoever connected would start what was stopped.
        "RUN_BY": " ".join([SOCKET_UNIT, *map(unit_name, UnitRole), TUNNEL_UNIT]),
        "SPOOL_VERSION": str(VERSION),
        "CORE_DATABASE": Path(database_target(CoreSettings.model_construct())).name,
        "CORE_VERSIONS": " ".join(known),
        "CORE_VERSION": str(scripts.get_current_head()),
    }


def main(what: str, *rest: str) -> None:
    """Do what the first argument says."""
    if what == "units":
        role, folder = rest
        for name, text in units(role).items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
    elif what == "tokens":
        sys.stdout.write("".join(f"--define={name}={value}\n" for name, value in tokens().items()))
    else:
        sys.exit(f"usage: {Path(__file__).name} units ROLE FOLDER | tokens")


if __name__ == "__main__":
    main(*sys.argv[1:])
