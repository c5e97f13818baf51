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


# Bayes alone, with few lessons enough: what SpamAssassin's own rules have for it.
SPAMD_BAYES = """
loadplugin Mail::SpamAssassin::Plugin::Bayes
use_bayes 1
bayes_auto_learn 0
bayes_min_spam_num {lessons}
bayes_min_ham_num {lessons}
body BAYES_00 eval:check_bayes('0.00', '0.01')
body BAYES_05 eval:check_bayes('0.01', '0.05')
body BAYES_20 eval:check_bayes('0.05', '0.20')
body BAYES_40 eval:check_bayes('0.20', '0.40')
body BAYES_50 eval:check_bayes('0.40', '0.60')
body BAYES_60 eval:check_bayes('0.60', '0.80')
body BAYES_80 eval:check_bayes('0.80', '0.95')
body BAYES_95 eval:check_bayes('0.95', '0.99')
body BAYES_99 eval:check_bayes('0.99', '1.00')
tflags BAYES_00 nice learn
score BAYES_00 -1.9
score BAYES_05 -0.5
score BAYES_20 -0.001
score BAYES_40 -0.001
score BAYES_50 0.8
score BAYES_60 1.5
score BAYES_80 2.0
score BAYES_95 3.0
score BAYES_99 3.5
"""

# What docs/filters.md says to write, in a folder of the test's.
RSPAMD_BAYES = """
worker "controller" {{ bind_socket = "{controller}"; count = 1; password = "{password}";
  secure_ip = "127.0.0.9"; }}
group "statistics" {{ symbols {{ BAYES_SPAM {{ weight = 5.1; }} BAYES_HAM {{ weight = -3.0; }} }} }}
classifier "bayes" {{
  tokenizer {{ name = "osb"; }}
  backend = "sqlite3";
  min_tokens = 11;
  min_learns = {lessons};
  cache {{ type = "sqlite3"; path = "{folder}/learned.sqlite"; }}
  per_user = <<EOD
return function(task)
  local customer = task:get_request_header('Customer')
  return customer and tostring(customer) or nil
end
EOD
;
  statfile {{ symbol = "BAYES_HAM"; path = "{folder}/ham.sqlite"; spam = false; }}
  statfile {{ symbol = "BAYES_SPAM"; path = "{folder}/spam.sqlite"; spam = true; }}
}}
"""
RSPAMD_PASSWORD = "from-the-docs"


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
def running_spamd(folder: Path, *, path: Path | None = None, lessons: int = 0) -> Iterator[str]:
    """Give the address of a spamd.

    Args:
        folder: for its files; anybody must be able to read them, since it gives up its rights.
        path: of a Unix socket that it listens on too; None: on TCP alone.
        lessons: after how many of each kind Bayes has its say; 0: it learns nothing.
    """
    rules, site = folder / "rules", folder / "site"
    rules.mkdir()
    site.mkdir()
    (rules / "10_default_prefs.cf").symlink_to(SPAMASSASSIN / "10_default_prefs.cf")
    (rules / "languages").symlink_to(SPAMASSASSIN / "languages")
    bayes = SPAMD_BAYES.format(lessons=lessons) if lessons else ""
    (rules / "90_ours.cf").write_text(SPAMD_RULES + bayes)
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
    if lessons:
        users = folder / "users"
        users.mkdir()
        users.chmod(0o777)  # it gives up its rights before it writes there
        command += ["--allow-tell", f"--virtual-config-dir={users}/%u"]
    with _running(command, port, folder):
        yield f"127.0.0.1:{port}"


@contextmanager
def running_learning_rspamd(folder: Path, *, lessons: int) -> Iterator[tuple[str, str]]:
    """Give the addresses of an rspamd's normal worker and of its controller.

    Args:
        folder: for its files.
        lessons: after how many of each kind Bayes has its say.
    """
    controller = f"127.0.0.1:{free_port()}"
    bayes = RSPAMD_BAYES.format(
        controller=controller, password=RSPAMD_PASSWORD, lessons=lessons, folder=folder
    )
    with running_rspamd(folder, more=bayes) as address:
        while not _listens(int(controller.rpartition(":")[2]), socket.SOCK_STREAM):
            time.sleep(POLL_S)
        yield address, controller


@contextmanager
def running_rspamd(folder: Path, *, more: str = "") -> Iterator[str]:
    """Give the address of an rspamd's normal worker.

    Args:
        folder: for its files.
        more: of its settings.
    """
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
{more}
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
