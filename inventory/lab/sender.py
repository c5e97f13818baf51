"""How is the lab's sender set up, a real Postfix that knows us by our MX records alone?

Pure. It takes mail on its loopback for anybody, looks up MX itself, and takes what is sent back to
it: notices that mail was not delivered. Its waits are those of a sender in a hurry, so that a lab
is watched in seconds; how it chooses among MX records is as Postfix does by default.

Source: postconf(5), master(5).
"""

from __future__ import annotations

from inventory.lab.topology import SENDER_DOMAIN

QUEUE, DATA = "/var/spool/postfix", "/var/lib/postfix"
LOG = f"{QUEUE}/mail.log"
RETURNED = f"{QUEUE}/returned"  # maildir of what came back
USER = "someone"
NOBODY = 65_534  # who writes what came back

MAIN = f"""\
compatibility_level = 3.6
queue_directory = {QUEUE}
data_directory = {DATA}
maillog_file = {LOG}
maillog_file_prefixes = {QUEUE}
myhostname = mail.{SENDER_DOMAIN}
mydomain = {SENDER_DOMAIN}
myorigin = {SENDER_DOMAIN}
mydestination =
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = {SENDER_DOMAIN}
virtual_mailbox_base = {QUEUE}
virtual_mailbox_maps = static:returned/
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
virtual_minimum_uid = 100
mynetworks = 127.0.0.0/8 [::1]/128
inet_interfaces = all
inet_protocols = all
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtp_tls_security_level = may
smtp_connect_timeout = 3s
smtp_helo_timeout = 20s
smtp_address_preference = ipv4
minimal_backoff_time = 5s
maximal_backoff_time = 15s
queue_run_delay = 5s
"""
MASTER = """\
smtp inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
