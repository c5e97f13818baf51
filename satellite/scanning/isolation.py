"""What is a helper process kept from, beside what its limits bound: network, files, processes?

Touches the process: a filter of system calls (seccomp) that holds for the rest of its life. Whoever
takes over a reader by hostile mail has a process that can compute, read and answer: no socket but
the one it was given, no file to change, no program, no child, no signal to others. A refused call
fails with EPERM.

The filter names what is forbidden: Python and the rule engine call far more than anybody could
list, and a list of what is allowed would end helpers at the next release of either.

Source: seccomp(2); linux/filter.h, linux/seccomp.h, linux/audit.h; the kernel's syscall tables.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.die_with_parent import gain_no_privileges

# struct sock_filter of classic BPF: code, jump if true, jump if false, constant.
_LINE = struct.Struct("HBBI")
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

# Where struct seccomp_data has the number, the architecture, and the low half of the arguments
# (both machines below are little-endian).
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND, _THIRD = 0, 4, 16, 24, 32

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_UNKNOWN = 0x00050000 | errno.ENOSYS  # libc takes the older call then, which can be looked into

_X32 = 0x40000000  # the second table of the same kernel
_CLONE_THREAD = 0x00010000
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_SET_MODE_FILTER = 1
_ALL_THREADS = 1  # those that the rule engine has begun already too

_ACTIONS = Path("/proc/sys/kernel/seccomp/actions_avail")

# As asm-generic/unistd.h has them, which newer machines share.
_GENERIC = {
    # network
    "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202, "connect": 203,
    "accept4": 242,
    # programs, and other processes
    "execve": 221, "execveat": 281, "ptrace": 117, "kill": 129, "tkill": 130,
    "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "process_vm_readv": 270,
    "process_vm_writev": 271, "kcmp": 272, "pidfd_send_signal": 424, "pidfd_open": 434,
    "pidfd_getfd": 438, "process_madvise": 440,
    # files
    "truncate": 45, "ftruncate": 46, "unlinkat": 35, "renameat": 38, "renameat2": 276,
    "linkat": 37, "symlinkat": 36, "mkdirat": 34, "mknodat": 33, "fchmod": 52, "fchmodat": 53,
    "fchown": 55, "fchownat": 54,
    # ways around this filter, and doors of the kernel that no reader has business with
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "bpf": 280,
    "userfaultfd": 282, "perf_event_open": 241, "unshare": 97, "setns": 268, "mount": 40,
    "chroot": 51, "pivot_root": 41, "open_by_handle_at": 265, "add_key": 217,
    "request_key": 218, "keyctl": 219, "init_module": 105, "finit_module": 273,
    "kexec_load": 104,
}  # fmt: skip
_X86_64 = {
    "socket": 41, "socketpair": 53, "bind": 49, "listen": 50, "accept": 43, "connect": 42,
    "accept4": 288,
    "execve": 59, "execveat": 322, "ptrace": 101, "kill": 62, "tkill": 200,
    "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "process_vm_readv": 310,
    "process_vm_writev": 311, "kcmp": 312, "pidfd_send_signal": 424, "pidfd_open": 434,
    "pidfd_getfd": 438, "process_madvise": 440, "fork": 57, "vfork": 58,
    "truncate": 76, "ftruncate": 77, "unlinkat": 263, "renameat": 264, "renameat2": 316,
    "linkat": 265, "symlinkat": 266, "mkdirat": 258, "mknodat": 259, "fchmod": 91,
    "fchmodat": 268, "fchown": 93, "fchownat": 260, "rename": 82, "mkdir": 83, "rmdir": 84,
    "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "chown": 92, "lchown": 94,
    "mknod": 133,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "bpf": 321,
    "userfaultfd": 323, "perf_event_open": 298, "unshare": 272, "setns": 308, "mount": 165,
    "chroot": 161, "pivot_root": 155, "open_by_handle_at": 304, "add_key": 248,
    "request_key": 249, "keyctl": 250, "init_module": 175, "finit_module": 313,
    "kexec_load": 246,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    """One architecture: what the kernel calls it, and the numbers of its system calls."""

    audit: int
    refused: Mapping[str, int]
    unknown: tuple[int, ...]  # clone3, openat2: what they want stands behind a pointer
    clone: int
    tgkill: int
    opens: tuple[tuple[int, int], ...]  # the number, and where its flags are
    seccomp: int
    has_x32: bool = False


_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        refused=_X86_64,
        unknown=(435, 437),
        clone=56,
        tgkill=234,
        opens=((2, _SECOND), (257, _THIRD)),
        seccomp=317,
        has_x32=True,
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        refused=_GENERIC,
        unknown=(435, 437),
        clone=220,
        tgkill=131,
        opens=((56, _THIRD),),
        seccomp=277,
    ),
}


class NotIsolated(Exception):
    """The system does not allow it; says why."""


def isolation_problem() -> str:
    """Return why helper processes on this machine cannot be isolated; empty: they can."""
    if platform.machine() not in _MACHINES:
        return f"no filter of system calls is known for {platform.machine()}"
    if not _ACTIONS.exists():
        return "this kernel has no seccomp filters"
    return ""


def isolate() -> None:
    """Forbid this process network, changed files, programs, children and others, for good.

    Raises:
        NotIsolated: the system does not allow it.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise NotIsolated(isolation_problem())
    gain_no_privileges()  # else only root may set a filter
    code = _program(machine, process=os.getpid())
    lines = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: how many, and where.
    program = struct.pack("HxxxxxxQ", len(code) // _LINE.size, ctypes.addressof(lines))
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = map(ctypes.c_long, (machine.seccomp, _SET_MODE_FILTER, _ALL_THREADS))
    if libc.syscall(*numbers, program) != 0:
        raise NotIsolated(f"seccomp(2): {os.strerror(ctypes.get_errno())}")


def _program(machine: _Machine, *, process: int) -> bytes:
    """Return the filter: one block after the other, each of which ends or goes on to the next.

    Jumps count the lines that they leave out.
    """
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _REFUSE),  # calls of another table of the kernel
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine.has_x32:
        lines += [(_IF_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _REFUSE)]
    for number in machine.refused.values():
        lines += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    for number in machine.unknown:
        lines += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _UNKNOWN)]
    for number, flags in machine.opens:
        lines += _if(number, argument=flags, test=_IF_ANY_BIT, value=_CHANGES, hit=_REFUSE)
    # Threads of its own are allowed, and signals to itself, as abort(3) sends one.
    lines += _if(machine.clone, test=_IF_ANY_BIT, value=_CLONE_THREAD, miss=_REFUSE)
    lines += _if(machine.tgkill, test=_IF_EQUAL, value=process, miss=_REFUSE)
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(_LINE.pack(*line) for line in lines)


def _if(
    number: int,
    *,
    test: int,
    value: int,
    argument: int = _FIRST,
    hit: int = _ALLOW,
    miss: int = _ALLOW,
) -> list[tuple[int, int, int, int]]:
    """Return the block that looks into an argument of one system call."""
    return [
        (_IF_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, argument),
        (test, 0, 1, value),
        (_RETURN, 0, 0, hit),
        (_RETURN, 0, 0, miss),
    ]
