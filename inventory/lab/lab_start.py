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
from inventory.lab.entering import environment
from inventory.lab.furnishing import LAYERED
from inventory.lab.least_core import put_core
from inventory.lab.topology import ASKED, FORCED, INVENTORY, LOG, MACHINES, topology_of
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
    if not keep:
        shutil.rmtree(folder / MACHINES, ignore_errors=True)
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
    state = lab_state.read_state()
    if state is None or not state.is_ready:
        raise LocalError("no lab is up", hint="start one with: borderscout lab up")
    folder = Path(state.folder)
    with _asking(folder) as asked:
        _put(inventory, file, folder, is_new=False, progress=progress)
        if is_forced:
            (folder / FORCED).touch()
        else:
            (folder / FORCED).unlink(missing_ok=True)
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
