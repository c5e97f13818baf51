"""How is a lab started, and ended, by somebody outside of it?

Touches the lab's folder, and its first process. What is rendered for the core is kept from one lab
to the next, keys and all; what the machines of an earlier lab left, and what its nodes got as they
joined, is taken away before the next one begins, unless it is to go on from there.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.durable import write_file
from common.errors import EnvironmentFailure, LocalError
from inventory.lab import lab_state
from inventory.lab.core_move import core_noted, forget_core
from inventory.lab.entering import environment
from inventory.lab.furnishing import LAYERED
from inventory.lab.least_core import machines_put, put_core
from inventory.lab.topology import ASKED, FORCED, INVENTORY, LOG, MACHINES, MOVE, topology_of
from inventory.load import Progress
from inventory.model import Inventory

# What a lab runs, and the package that has it.
TOOLS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "wg": "wireguard-tools",
    "wireguard-go": "wireguard-go",
    "named": "bind9",
    "postfix": "postfix",
}
END_S = 60.0
POLL_S = 0.05
_MARK = ".borderscout-lab"  # in a folder that is a lab's

Said = Callable[[str], None]


def why_not() -> str:
    """Return why no lab can be on this machine, and what to do; empty when one can."""
    if os.geteuid() != 0:
        return "a lab takes root, for its network namespaces and mounts; run it as root"
    path = environment()["PATH"]
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        packages = " ".join(dict.fromkeys(TOOLS[tool] for tool in missing))
        return (
            f"{', '.join(missing)} not found;"
            f" install with: apt-get install --no-install-recommends {packages}"
        )
    return ""


def start_lab(
    inventory: Inventory, file: Path, folder: Path, *, keep: bool, said: Said, progress: Progress
) -> None:
    """Render the core and start the lab of an inventory, and return when all of it is ready.

    Args:
        file: where the inventory stands, absolute.
        folder: of the lab's files; is made when it is not there.
        keep: go on from the mail, the records and the logs of the lab before.
        said: is told each step.

    Raises:
        BorderScoutError: it could not be started, and nothing of it is left; says what and where.
    """
    topology_of(inventory)  # what is wrong with it is said before anything is touched
    lab_state.take_lock().close()
    folder = _own_folder(folder)
    if keep:
        _check_core(inventory, folder, is_up=False)
    else:
        shutil.rmtree(folder / MACHINES, ignore_errors=True)
        forget_core(folder)
    said("rendering the core")
    _put(inventory, file, folder, is_new=not keep, progress=progress)
    _follow(_first_process(folder), folder, said)


def change_lab(inventory: Inventory, file: Path, *, is_forced: bool, progress: Progress) -> None:
    """Have the lab that is up become what another inventory says, and return when it has.

    Args:
        is_forced: also where much of the documents or of DNS would go away.

    Raises:
        BorderScoutError: it could not, or another one waits for a change; says what.
    """
    topology_of(inventory)
    state = _state_of_ready()
    folder = Path(state.folder)
    _check_core(inventory, folder, is_up=True)
    with _asking(folder) as asked:
        (folder / MOVE).unlink(missing_ok=True)
        _put(inventory, file, folder, is_new=False, progress=progress)
        if is_forced:
            (folder / FORCED).touch()
        else:
            (folder / FORCED).unlink(missing_ok=True)
        _have_it_done(state, asked)


def move_core(name: str, backup: Path | None) -> None:
    """Have the core of the lab that is up run on another of its machines, and return when it does.

    Args:
        name: of the machine.
        backup: a folder that ``core backup`` made, absolute: what to go on from, and no other
            machine is touched; None: the core is stopped where it is, and backed up.

    Raises:
        BorderScoutError: it could not, or another one waits for a change; says what.
    """
    state = _state_of_ready()
    folder = Path(state.folder)
    with _asking(folder) as asked:
        told = {"to": name, "backup": None if backup is None else str(backup)}
        write_file(folder / MOVE, json.dumps(told).encode())
        try:
            _have_it_done(state, asked)
        finally:
            (folder / MOVE).unlink(missing_ok=True)


def _state_of_ready() -> lab_state.LabState:
    state = lab_state.read_state()
    if state is None or not state.is_ready:
        raise LocalError("no lab is up", hint="start one with: borderscout lab up")
    return state


def _check_core(inventory: Inventory, folder: Path, *, is_up: bool) -> None:
    """Refuse an inventory that says otherwise of the core than how this lab began, or has it now.

    A node that joined has an end of a tunnel for each machine that could be the core then, and
    what bounds its tunnel is root's there.
    """
    there, at = machines_put(folder), core_noted(folder)
    machines = inventory.core.machines()
    if there and there != set(machines):
        raise LocalError(
            f"this lab began with {', '.join(sorted(there))} for the core, and the inventory has"
            f" {', '.join(sorted(machines))}",
            hint="machines for the core come and go with a new lab: borderscout lab down, and up"
            " without --keep",
        )
    stated = next(iter(machines)) if inventory.core.runs_on else at
    if at and stated != at:
        hint = f"move it: borderscout lab move-core {stated}"
        raise LocalError(
            f"the core is on {at}, and not on {stated}, as the inventory says",
            hint=hint if is_up else "say it there, or begin anew without --keep",
        )


def _have_it_done(state: lab_state.LabState, asked: str) -> None:
    """Have the lab do what stands in its folder, and return when it has.

    Args:
        asked: the name of that.

    Raises:
        EnvironmentFailure: it could not, or has ended.
    """
    folder = Path(state.folder)
    write_file(folder / ASKED, asked.encode())
    os.kill(state.process, signal.SIGHUP)
    while (now := lab_state.read_state()) is not None and now.answered != asked:
        time.sleep(POLL_S)  # it has deadlines of its own, and says when one is over
    if now is None:
        raise EnvironmentFailure("the lab has ended", hint=f"see {folder / LOG}")
    if now.problem:
        raise EnvironmentFailure(now.problem)


@contextmanager
def _asking(folder: Path) -> Iterator[str]:
    """Be the only one who asks for a change, and yield a name for it: it is not a former one's."""
    with (folder / f"{ASKED}.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError("the lab is being changed", hint="wait until that is done") from None
        yield secrets.token_hex(8)


def _put(
    inventory: Inventory, file: Path, folder: Path, *, is_new: bool, progress: Progress
) -> None:
    now_us = time.time_ns() // 1000
    put_core(inventory, folder, is_new=is_new, now_us=now_us, progress=progress)
    write_file(folder / INVENTORY, str(file).encode())


def end_lab() -> Path | None:
    """End the lab that is up, and return its folder; None when none is.

    Raises:
        EnvironmentFailure: its first process does not go, even when it is killed.
    """
    try:
        state = lab_state.read_state()
    except LocalError:  # damaged: whoever wrote it holds the lock if it lives
        state = None
    if state is None:
        lab_state.remove_traces(lab_state.take_lock())
        return None
    # All of them: the first one is seen to end a moment before the kernel has ended the others.
    found = lab_state.members(state.process)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if state.is_alive():
            os.kill(state.process, number)
        end_s = time.monotonic() + END_S
        while lab_state.still_there(found) and time.monotonic() < end_s:
            time.sleep(POLL_S)  # nobody tells of the end of what is no child of ours
        if not lab_state.still_there(found):
            lab_state.remove_traces(lab_state.take_lock())
            return Path(state.folder)
    raise EnvironmentFailure(f"process {state.process} does not end", hint="see what it waits for")


def _own_folder(folder: Path) -> Path:
    """Return the lab's folder, absolute; it is root's alone.

    Raises:
        LocalError: it is somebody else's, or holds something else, or cannot be seen in the lab.
    """
    folder = folder.resolve()
    hidden = next((Path(one) for one in (*LAYERED, "/run") if folder.is_relative_to(one)), None)
    if hidden is not None:
        raise LocalError(
            f"{folder}: the lab's machines have a {hidden} of their own",
            hint="name a folder elsewhere with --dir",
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise LocalError(f"{folder} is somebody else's", hint="name another folder with --dir")
    mark = folder / _MARK
    if not mark.exists() and any(folder.iterdir()):
        raise LocalError(f"{folder} holds something else", hint="name an empty folder with --dir")
    mark.touch(mode=0o600)
    return folder


def _first_process(folder: Path) -> subprocess.Popen[bytes]:
    # Its own session: an interruption at the terminal is ours, and tells it by the end of stdin.
    with (folder / LOG).open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - an array, no shell
            [
                *("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork"),
                *("--kill-child", sys.executable, "-m", "inventory.lab.first_process"),
                str(folder),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            env=environment(),
            cwd="/",
        )


def _follow(process: subprocess.Popen[bytes], folder: Path, said: Said) -> None:
    """Tell how far the lab is until it is ready; when it fails, return after its end."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for line in process.stdout:
            told: dict[str, Any] = json.loads(line)
            if told.get("ready"):
                return
            if "failed" in told:
                process.stdin.close()
                process.wait(END_S)
                raise EnvironmentFailure(told["failed"])
            count = f" ({told['count']})" if told["count"] else ""
            said(f"{told['what']}{count}")
    except BaseException:  # interrupted too
        # The end of stdin is the end of a lab that is not ready.
        process.stdin.close()
        process.wait(END_S)
        raise
    process.stdin.close()
    status = process.wait(END_S)
    raise EnvironmentFailure(
        f"the lab ended with status {status} before it was ready", hint=f"see {folder / LOG}"
    )
