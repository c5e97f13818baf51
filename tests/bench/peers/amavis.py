"""How fast is Postfix with amavisd-new and clamd behind it?

Touches processes. Viruses alone, four children, handed over by LMTP on a unix socket: over TCP each
message waits 40 ms for a delayed acknowledgement.
"""

from __future__ import annotations

import shutil

from tests.bench.peers import clamd
from tests.bench.peers.postfix import Postfix

USER = "amavis"
CHILDREN = 4
BACK_PORT = 10025  # where Postfix takes mail back

CONFIGURATION = r"""use strict;
$max_servers = @CHILDREN@;
$daemon_user = '@USER@'; $daemon_group = '@USER@';
$MYHOME = '@HOME@'; $TEMPBASE = "$MYHOME/tmp";
$QUARANTINEDIR = "$MYHOME/virusmails"; $db_home = "$MYHOME/db";
$pid_file = "$MYHOME/amavisd.pid"; $lock_file = "$MYHOME/amavisd.lock";
$mydomain = 'bench.test'; $myhostname = 'gw.bench.test';
@local_domains_maps = (["."]); @mynetworks = qw(127.0.0.0/8);
@bypass_virus_checks_maps = (0); @bypass_spam_checks_maps = (1);
$enable_db = 1; $log_level = 0; $do_syslog = 0; $LOGFILE = "$MYHOME/amavis.txt";
$unix_socketname = '@SOCKET@'; $unix_socket_mode = 0666;
$inet_socket_port = undef; @listen_sockets = ('@SOCKET@');
$interface_policy{'SOCK'} = 'LM'; $policy_bank{'LM'} = { protocol => 'LMTP' };
$forward_method = 'smtp:[127.0.0.1]:@BACK@'; $notify_method = $forward_method;
$final_virus_destiny = D_DISCARD; $final_banned_destiny = D_PASS;
$final_bad_header_destiny = D_PASS; $final_spam_destiny = D_PASS;
$virus_quarantine_to = 'virus-quarantine'; $virus_admin = undef; $banned_admin = undef;
$enable_dkim_verification = 0; $enable_dkim_signing = 0;
@decoders = (['mail', \&do_mime_decode], ['gz', \&do_uncompress, 'gzip -d'],
             ['zip', \&do_unzip], ['tar', \&do_pax_cpio, ['pax','cpio']]);
@av_scanners = (['ClamAV-clamd', \&ask_daemon, ["CONTSCAN {}\n", "@SCANNER@"],
                 qr/\bOK$/m, qr/\bFOUND$/m, qr/^.*?: (?!Infected Archive)(.*) FOUND$/m]);
@av_scanners_backup = ();
$file = 'file';
1;
"""

MASTER = """smtp-amavis unix - - n - @CHILDREN@ lmtp
  -o lmtp_data_done_timeout=1200 -o lmtp_send_xforward_command=yes
  -o disable_dns_lookups=yes -o max_use=20
127.0.0.1:@BACK@ inet n - n - - smtpd
  -o content_filter= -o smtpd_delay_reject=no
  -o smtpd_client_restrictions=permit_mynetworks,reject
  -o smtpd_helo_restrictions= -o smtpd_sender_restrictions=
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
  -o mynetworks=127.0.0.0/8 -o smtpd_client_connection_count_limit=0
  -o smtpd_client_connection_rate_limit=0
  -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks,no_milters
"""


class Amavis(Postfix):
    """Postfix + amavisd-new with four children + clamd."""

    name = "amavis4-unix"
    title = "Postfix + amavisd-new, 4 children + clamd"

    def start(self) -> None:
        scanner = clamd.start(self.parts)
        home = self.folder / "amavis"
        for folder in (home, *(home / name for name in ("tmp", "virusmails", "db"))):
            folder.mkdir()
            shutil.chown(folder, USER, USER)
        socket = home / "amavisd.sock"
        values = {
            "CHILDREN": str(CHILDREN),
            "USER": USER,
            "HOME": str(home),
            "SOCKET": str(socket),
            "BACK": str(BACK_PORT),
            "SCANNER": str(scanner),
        }
        configuration = self.folder / "amavisd.conf"
        configuration.write_text(_filled(CONFIGURATION, values))
        configuration.chmod(0o644)
        self.parts.spawn("amavis", ["amavisd", "-c", str(configuration), "foreground"])
        self.parts.wait_for_file(socket, "amavisd")
        home.chmod(0o755)
        hand_over = f"content_filter = smtp-amavis:unix:{socket}"
        self.start_postfix(hand_over, master=_filled(MASTER, values))


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
