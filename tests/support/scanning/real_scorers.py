"""Real spamd, rspamd and pyzord on ports of loopback, with a handful of rules of ours.

They are started in the foreground, and ended by their process ids alone. With their own rules they
would need seconds to start and the network to answer; that they score is theirs, and what is tried
here is how we ask and understand them.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.network.ports import free_port

START_S = 60.0
POLL_S = 0.02
END_S = 10.0
SPAMASSASSIN = Path("/usr/share/spamassassin")
PYZOR_PYTHON = "/usr/bin/python3"  # the one that Debian's package belongs to
PYZOR_KEY = "7a,00112233445566778899aabbccddeeff00112233"  # salt and key of the user `scout`

SPAMD_RULES = r"""
loadplugin Mail::SpamAssassin::Plugin::Check
body GTUBE /XJS\*C4JDBQADN1\.NSBN3\*2IDNEN\*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL\*C\.34X/
describe GTUBE Generic Test for Unsolicited Bulk Email
score GTUBE 1000
header LOTTERY Subject =~ /lottery/i
describe LOTTERY Subject speaks of a lottery, which nobody has won who did not play in it
score LOTTERY 2.5
header FROM_THERE X-Spam-Relays-External =~ /^\[ ip=192\.0\.2\.7 .*helo=mail/
score FROM_THERE -1.2
header ENV EnvelopeFrom =~ /^a\@sender\.example/
score ENV 0.3
"""

RSPAMD_RULES = """
rspamd_config:register_symbol{name = 'LOTTERY', score = 2.5, group = 'ours',
  callback = function(task)
    if (task:get_header('Subject') or ''):find('lottery') then return true, 1.0, {'subject'} end
  end}
rspamd_config:register_symbol{name = 'ENVELOPE', score = -1.2, group = 'ours',
  callback = function(task)
    local from, to = task:get_from('smtp') or {}, task:get_recipients('smtp') or {}
    local told = {tostring(task:get_from_ip()), task:get_helo() or '', tostring(task:get_user())}
    table.insert(told, from[1] and from[1].addr or '')
    for _, one in ipairs(to) do table.insert(told, one.addr) end
    return true, 1.0, told
  end}
"""


def missing_spamd() -> str:
    """Return the package that spamd needs and that is not installed, empty where it is."""
    return "" if _program("spamd") and SPAMASSASSIN.is_dir() else "spamd"


def missing_rspamd() -> str:
    """Return the package that rspamd needs and that is not installed, empty where it is."""
    return "" if _program("rspamd") else "rspamd"


def missing_pyzord() -> str:
    """Return the packages that pyzord needs and that are not installed, empty where they are."""
    if not _program("pyzord") or not Path(PYZOR_PYTHON).exists():
        return "pyzor"
    needs = [PYZOR_PYTHON, "-c", "import pyzor, dbm.gnu"]
    has_all = subprocess.run(needs, check=False, capture_output=True).returncode == 0
    return "" if has_all else "python3-gdbm"


@contextmanager
def running_spamd(folder: Path, *, path: Path | None = None) -> Iterator[str]:
    """Give the address of a spamd.

    Args:
        folder: for its files; anybody must be able to read them, since it gives up its rights.
        path: of a Unix socket that it listens on too; None: on TCP alone.
    """
    rules, site = folder / "rules", folder / "site"
    rules.mkdir()
    site.mkdir()
    (rules / "10_default_prefs.cf").symlink_to(SPAMASSASSIN / "10_default_prefs.cf")
    (rules / "languages").symlink_to(SPAMASSASSIN / "languages")
    (rules / "90_ours.cf").write_text(SPAMD_RULES)
    _open_to_all(folder)
    port = free_port()
    command = [
        _program("spamd"),
        "--local",
        "--nouser-config",
        "--max-children=2",
        "--min-children=1",
        f"--listen=127.0.0.1:{port}",
        f"--configpath={rules}",
        f"--siteconfigpath={site}",
        f"--syslog={folder / 'spamd.log'}",
        f"--helper-home-dir={site}",
    ]
    if os.getuid() == 0:
        command.append("--username=nobody")
    if path is not None:
        command.append(f"--listen={path}")
    with _running(command, port, folder):
        yield f"127.0.0.1:{port}"


@contextmanager
def running_rspamd(folder: Path) -> Iterator[str]:
    """Give the address of an rspamd's normal worker."""
    port = free_port()
    (folder / "tld").write_text("com\nexample\n")  # its own list takes ten seconds to compile
    (folder / "rules.lua").write_text(RSPAMD_RULES)
    settings = folder / "rspamd.conf"
    settings.write_text(
        f"""
pidfile = "{folder}/pid";
options {{
  filters = ""; url_tld = "{folder}/tld"; tempdir = "{folder}"; hs_cache_dir = "{folder}";
  control_socket = "{folder}/control mode=0600"; cache_file = "{folder}/symbols.cache";
  dns {{ nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }}
}}
logging {{ type = "file"; filename = "{folder}/rspamd.log"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
actions {{ reject = 15; add_header = 6; greylist = 4; }}
group "ours" {{ }}
lua = "{folder}/rules.lua";
"""
    )
    command = [_program("rspamd"), "--no-fork", "--config", str(settings)]
    if os.getuid() == 0:
        command.append("--insecure")  # else it needs a user of its own
    with _running(command, port, folder):
        yield f"127.0.0.1:{port}"


@contextmanager
def running_pyzord(folder: Path) -> Iterator[str]:
    """Give the address of a pyzord that knows nothing yet, and the user `scout`."""
    port = free_port()
    (folder / "passwd").write_text(f"scout : {PYZOR_KEY.rpartition(',')[2]}\n")
    (folder / "access").write_text("check report ping : scout anonymous : allow\n")
    command = [
        _program("pyzord"),
        f"--homedir={folder}",
        "--address=127.0.0.1",
        f"--port={port}",
        "--database-engine=gdbm",
        f"--dsn={folder / 'digests'}",
        f"--password-file={folder / 'passwd'}",
        f"--access-file={folder / 'access'}",
    ]
    with _running(command, port, folder, kind=socket.SOCK_DGRAM):
        yield f"127.0.0.1:{port}"


@contextmanager
def _running(
    command: Sequence[str],
    port: int,
    folder: Path,
    *,
    kind: socket.SocketKind = socket.SOCK_STREAM,
) -> Iterator[None]:
    log = folder / "output"
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_S
        while not _listens(port, kind):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(log.read_text(errors="replace"))
            time.sleep(POLL_S)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""


def _listens(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(type=kind) as client:
        if kind == socket.SOCK_STREAM:
            return client.connect_ex(("127.0.0.1", port)) == 0
        client.settimeout(POLL_S * 5)
        try:  # a refusal comes back as well
            client.connect(("127.0.0.1", port))
            client.send(b"Op: ping\nThread: 1024\nPV: 2.1\n\n")
            return bool(client.recv(1_024))
        except OSError:
            return False


def _open_to_all(folder: Path) -> None:
    """Let others look into a folder of a test, and come to it."""
    for each in (folder, *folder.parents):
        if each.stat().st_uid == os.getuid() and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o755)
        if each.name.startswith("pytest-of-"):
            break
