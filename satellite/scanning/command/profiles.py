"""Which scanners are known that are programs?

Pure: a table. What no document tells is left out, and an exit code that is left out is an error.

Sources: amavisd-new 2.11.1, ``amavisd.conf``; MailScanner 5 and Baruwa, ``SweepViruses.pm`` and the
wrappers; haraka-plugin-esets; fuglu's ESETS plugin; help.eset.com, *On-demand scan via Terminal*
(ESET Server Security for Linux 9.1); esets_scan(8); rophy/av-scanner's driver for ``dsa_scan``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from satellite.scanning.command.profile import Code, CommandProfile, Inquiry, ReportForm

# The same options, and the same words in what is printed, in all of ESET's older products. A name
# of a file may look like any of them, so that they count in their own fields only.
_VIRUS = r'virus="([^"\n]+)"'
_THREAT = r'threat="([^"\n]+)"'
_IN_ITS_FIELD = r'(?:virus|threat|info)="[^"\n]*(?i:{})'
_LOCKED = _IN_ITS_FIELD.format("protected")
_DAMAGED = _IN_ITS_FIELD.format("archive damaged|error reading archive")
_NO_THREAT = r"(?i)^\s*(?:|is ok|.*protected.*|.*archive damaged.*|.*error reading archive.*)$"
_NO_LICENCE = r"(?i)licen[cs]e.{0,80}(?:expired|not found|invalid|not valid)"

_VSCAN_IS_BROKEN = (
    r"(?i)read pattern failed|invalid pattern file|pattern file not found"
    r"|incorrect pattern format|read error|out of memory"
)

_NOD32_2_ARGUMENTS = ("--files", "-z", "--sfx", "--rtp", "--adware", "--unsafe", "--pattern")


def _eset(
    program: str,
    arguments: tuple[str, ...],
    *,
    infected: tuple[int, ...],
    limits: tuple[int, ...] = (),
    threats: str = _VIRUS,
    heuristics: str = "as its daemon is configured",
) -> CommandProfile:
    return CommandProfile(
        programs=(program,),
        arguments=arguments,
        exit_codes={
            Code.CLEAN: (0,),
            Code.INFECTED: infected,
            Code.LIMITS: limits,
        },
        threats=(threats,),
        no_threats=_NO_THREAT,
        encrypted=(_LOCKED,),
        limits=(_DAMAGED,),
        unavailable=(_NO_LICENCE,),
        heuristics=heuristics,
    )


PROFILES: Mapping[str, CommandProfile] = MappingProxyType(
    {
        # ESET File Security and Server Security 7 to 12. Without --show-scan-info it prints nothing
        # at all; without --ignore-exclusions it would pass over our folder, which real-time
        # protection has to leave alone. Code 1 is "found and cleaned".
        "odscan": CommandProfile(
            programs=("/opt/eset/efs/bin/odscan", "/opt/eset/eea/bin/odscan"),
            arguments=(
                "--scan", "--profile=@In-depth scan", "--readonly", "--ignore-exclusions",
                "--show-scan-info", "{sample}",
            ),
            exit_codes={Code.CLEAN: (0,), Code.INFECTED: (1, 50), Code.LIMITS: (10,)},
            clean=r'"log_name"\s*:\s*"\w+"',
            unavailable=(_NO_LICENCE,),
            version=Inquiry(
                program="/opt/eset/efs/bin/upd",
                arguments=("--list-modules",),
                says=r"EM002\s+([0-9]+(?: \([0-9]+\))?)",
            ),
            ready=Inquiry(
                program="/opt/eset/efs/sbin/lic",
                arguments=("-s",),
                says=r"Status: Activated",
            ),
            log=r'"log_name"\s*:\s*"(\w+)"',
            names=Inquiry(
                program="/opt/eset/efs/sbin/lslog",
                arguments=("-c", "--ods-detections={log}"),
                # The third and the fourth of its fields, each perhaps in quotes.
                says=r'(?m)^[^,\n]*,[^,\n]*,"?(file://[^",\n]*)"?,"?([^",\n]+)"?',
            ),
            heuristics="@In-depth scan",
            needs_root=True,
        ),
        # ESETS 4: what MailScanner reads, with the options of fuglu's plugin.
        "esets_scan": _eset(
            "/opt/eset/esets/sbin/esets_scan",
            (
                "--no-quarantine", "--clean-mode=none", "--arch", "--subdir", "--mail", "--adware",
                "--unsafe", "--unwanted", "--heur", "--adv-heur", "{sample}",
            ),
            infected=(1, 50),
            limits=(10,),
            threats=_THREAT,
            heuristics="--heur --adv-heur",
        ),
        # ESETS 4 through its daemon. Codes 1 and from 4 on are errors here.
        "esets_cli-4": _eset("/opt/eset/esets/bin/esets_cli", ("{sample}",), infected=(2, 3)),
        # ESETS 3.0, and 2.71.12, which is asked alike.
        "esets_cli": _eset(
            "/usr/bin/esets_cli", ("--subdir", "{sample}"), infected=(1, 2, 3)
        ),
        # NOD32 for Linux Mail Server 2.7. Its code 3 is clean to amavisd-new, which takes it for
        # infected from 2.71.12 on. So it does not say clean in its own words.
        "nod32cli": _eset(
            "/usr/bin/nod32cli", ("--subdir", "{sample}"), infected=(1, 2), limits=(3,)
        ),
        "nod32cli-2.52": _eset(
            "/usr/bin/nod32cli",
            (
                "--subdir", *_NOD32_2_ARGUMENTS, "--heur", "-w", "-a",
                "--action-on-infected=accept", "--action-on-uncleanable=accept",
                "--action-on-notscanned=accept", "{sample}",
            ),
            infected=(1, 2),
            limits=(3,),
            heuristics="--pattern --heur",
        ),
        # NOD32 for Linux File Server, from 2.5 on.
        "nod32-lfs": _eset(
            "/opt/eset/nod32/sbin/nod32",
            (
                "--files", "-z", "--mail", *_NOD32_2_ARGUMENTS[2:], "--heur", "-w", "-a",
                "--action=1", "-b", "{sample}",
            ),
            infected=(1, 10),
            heuristics="--pattern --heur",
        ),
        # Trend Micro's VSAPI scanner. No document has its exit code for something found: its words
        # decide.
        "vscan": CommandProfile(
            programs=("/etc/iscan/vscan",),
            arguments=("-za", "-a", "{sample}"),
            environment={"LD_LIBRARY_PATH": "/etc/iscan/lib"},
            exit_codes={Code.CLEAN: (0,)},
            threats=(r"(?i)found virus (.+?) in\b",),
            unavailable=(_VSCAN_IS_BROKEN, _NO_LICENCE),
            clean=r"(?i)virus scanner v|pattern version",
            version=Inquiry(arguments=("-v",), says=r"(?i)pattern version\s+([0-9][0-9.]*)"),
        ),
        # The agent of Trend Micro Deep Security and Vision One Endpoint Security. No document has
        # its exit codes: none but 0 is clean, and its report decides.
        "dsa_scan": CommandProfile(
            programs=("/opt/ds_agent/dsa_scan",),
            arguments=("--target", "{sample}", "--json"),
            exit_codes={Code.CLEAN: (0,)},
            report=ReportForm.DSA_JSON,
            unavailable=(_NO_LICENCE,),
        ),
    }
)  # fmt: skip
