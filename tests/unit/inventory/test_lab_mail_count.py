"""What became of the lab's mail, as its sender's log and the customers' book say?"""

from __future__ import annotations

import json
from pathlib import Path

from inventory.lab.mail_count import BOOK, TRIAL, mail_count
from inventory.lab.topology import LabRole, Machine

NODE = Machine(
    name="lon1",
    role=LabRole.SATELLITE,
    addresses=("192.0.2.10", "2001:db8:1::10"),
    interface="bs-lon1",
)
LOG = """\
Nov 30 06:12:43 mail postfix/smtp[729]: 57DCC28C31D: to=<a@acme.example>, \
relay=p1-x.mx.scout.example[192.0.2.10]:25, delay=0.21, dsn=2.0.0, status=sent (250 2.0.0 Ok)
Nov 30 06:12:43 mail postfix/smtp[729]: 57DCC28C31E: to=<a@acme.example>, \
relay=p1-x.mx.scout.example[2001:db8:1::10]:25, delay=0.21, dsn=2.0.0, status=sent (250 2.0.0 Ok)
Nov 30 06:12:44 mail postfix/smtp[729]: 57DCC28C31F: to=<b@acme.example>, \
relay=p1-x.mx.scout.example[192.0.2.10]:25, delay=0.2, dsn=5.7.1, status=bounced (host said: 550)
Nov 30 06:12:44 mail postfix/smtp[729]: 57DCC28C320: to=<c@acme.example>, \
relay=none, delay=9, dsn=4.4.1, status=deferred (connect to p1-x[192.0.2.10]:25: timed out)
Nov 30 06:12:44 mail postfix/virtual[729]: 57DCC28C321: to=<someone@sender.example>, \
relay=virtual, delay=0.1, dsn=2.0.0, status=sent (delivered to maildir)
Nov 30 06:12:45 mail postfix/smtp[729]: 57DCC28C322: to=<d@acme.example>, relay=p1-x.mx.scout.exa"""


def test_each_recipient_is_counted_as_it_ended(tmp_path: Path) -> None:
    queue = tmp_path / "sender" / "queue"
    (queue / "deferred" / "5").mkdir(parents=True)
    (queue / "deferred" / "5" / "57DCC28C320").touch()
    (queue / "returned" / "new").mkdir(parents=True)
    (queue / "returned" / "new" / "one").touch()
    (queue / "mail.log").write_text(LOG, encoding="utf-8")
    (tmp_path / "customers" / "mail").mkdir(parents=True)
    (tmp_path / "customers" / "mail" / BOOK).write_text(
        json.dumps({"node": "lon1", "from": "2001:db8:1::10", "message_id": "<1@x>"}) + '\n{"node'
    )

    found = mail_count([NODE], tmp_path)

    assert found.taken == {"lon1": 2}
    assert (found.refused, found.waiting, found.returned) == (1, 1, 1)
    assert found.delivered == {"lon1": 1}
    assert found.message_ids == {"<1@x>": 1}


def test_a_lab_without_mail_has_none(tmp_path: Path) -> None:
    found = mail_count([NODE], tmp_path)

    assert (found.taken.total(), found.waiting, found.delivered.total()) == (0, 0, 0)


def test_what_shows_that_a_node_takes_mail_is_no_mail_of_the_lab(tmp_path: Path) -> None:
    book = tmp_path / "customers" / "mail" / BOOK
    book.parent.mkdir(parents=True)
    line = {"node": "lon1", "from": "192.0.2.10", "message_id": f"<{TRIAL}-1@sender.example>"}
    book.write_text(json.dumps(line) + "\n", encoding="utf-8")

    assert mail_count([NODE], tmp_path).delivered == {}
