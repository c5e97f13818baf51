"""How do other people's mail servers relay, when they are configured by a test?

Touches processes and loopback ports. Each ``relay`` takes mail for everybody and hands it on to one
host. It offers STARTTLS and uses it, refuses recipients with the local part ``refused``, keeps
lines as long as they came, and names itself ``mail.NAME.example``. It puts off what is beyond few
messages of a session and few recipients of a message, as its own defaults do with many.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.smtp.beside import USER_ID, beside, server
from tests.support.smtp.certificate import self_signed
from tests.support.smtp.postfix import greets, postfix

REFUSED = "refused"
MESSAGES_MAX = 2  # of a session; Postfix has no such limit
RECIPIENTS_MAX = 3  # of a message
HOST = "127.0.0.1"

_EXIM = """
exim_path = {program}
primary_hostname = mail.exim.example
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
acl_smtp_mail = accept
acl_smtp_rcpt = recipient
acl_smtp_data = accept
host_lookup =
rfc1413_query_timeout = 0s
deliver_drop_privilege
smtp_accept_max_per_connection = {messages}
recipients_max = {recipients}
keep_environment = LD_LIBRARY_PATH
begin acl
recipient:
  deny local_parts = {refused}
       message = 5.1.1 No such user
  accept
begin routers
all:
  driver = manualroute
  route_list = * {host}
  transport = remote
  self = send
begin transports
remote:
  driver = smtp
  port = {hop}
  message_linelength_limit = 1M
"""
_OPENSMTPD = """
pki own cert "{certificate}"
pki own key "{key}"
listen on 127.0.0.1 port {port} tls pki own hostname mail.opensmtpd.example
smtp max-message-size 50M
smtp limit max-mails {messages}
smtp limit max-rcpt {recipients}
action "on" relay host "smtp://{host}:{hop}" helo mail.opensmtpd.example
match from any for rcpt-to regex "^{refused}@" reject
match from any for any action "on"
"""


@asynccontextmanager
async def _exim(port: int, hop: tuple[str, int]) -> AsyncIterator[None]:
    exim = server("exim", "usr/sbin/exim4")
    with _folder() as folder:
        values = _values(folder, port, hop, program=exim.program)
        for path in (folder, values["key"]):
            shutil.chown(path, USER_ID, USER_ID)
        config = folder / "exim.conf"
        config.write_text(_EXIM.format(**values))
        users = ["Debian-exim"]
        async with beside(
            exim, "-C", config, "-bdf", folder=folder, users=users, home="/var/spool/exim4"
        ) as process:
            await greets(port, process)
            yield


@asynccontextmanager
async def _opensmtpd(port: int, hop: tuple[str, int]) -> AsyncIterator[None]:
    opensmtpd = server("opensmtpd", "usr/sbin/smtpd", sign="usr/sbin/smtpctl")
    with _folder() as folder:
        config = folder / "smtpd.conf"
        config.write_text(_OPENSMTPD.format(**_values(folder, port, hop)))
        users, home = ["opensmtpd", "opensmtpq"], "/var/lib/opensmtpd/empty"
        async with beside(
            opensmtpd, "-d", "-f", config, folder=folder, users=users, home=home
        ) as running:
            await greets(port, running)
            yield


@asynccontextmanager
async def _postfix(port: int, hop: tuple[str, int]) -> AsyncIterator[None]:
    with _folder() as folder:
        values = _values(folder, port, hop)
        chain = folder / "chain.pem"
        chain.write_text(Path(values["key"]).read_text() + Path(values["certificate"]).read_text())
        (folder / "refused").write_text(f"/^{REFUSED}@/ 550 5.1.1 No such user\n")
        async with postfix(
            "myhostname = mail.postfix.example",
            f"relayhost = [{hop[0]}]:{hop[1]}",
            f"smtpd_recipient_restrictions = check_recipient_access regexp:{folder}/refused",
            "smtpd_tls_security_level = may",
            f"smtpd_tls_chain_files = {chain}",
            "smtp_tls_security_level = may",
            "smtp_line_length_limit = 0",
            f"smtpd_recipient_limit = {RECIPIENTS_MAX}",
            port=port,
        ):
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Mta:
    """Somebody else's mail server.

    ``relay(port, hop)`` runs it for the length of a block.
    """

    relay: Callable[[int, tuple[str, int]], AbstractAsyncContextManager[None]]
    takes_smtputf8: bool = True


MTAS = {
    "postfix": Mta(relay=_postfix),
    "exim": Mta(relay=_exim),
    "opensmtpd": Mta(relay=_opensmtpd, takes_smtputf8=False),
}


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    # Not below the test's own folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="mta-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _values(folder: Path, port: int, hop: tuple[str, int], *, program: str = "") -> dict[str, str]:
    certificate = self_signed(folder / "tls", "mail.example")
    Path(certificate["key"]).chmod(0o600)
    host, number = hop
    return {
        "folder": str(folder),
        "port": str(port),
        "host": host,
        "hop": str(number),
        "program": program,
        "refused": REFUSED,
        "messages": str(MESSAGES_MAX),
        "recipients": str(RECIPIENTS_MAX),
        "certificate": certificate["certificate"],
        "key": certificate["key"],
    }
