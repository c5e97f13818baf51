"""Is the corpus what its code makes, and is it what it pretends to be?"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.mail import attachments, hostile, make, signed
from tests.support.our_files import name_of, our_files
from tests.support.smtp import corpus
from tests.support.smtp.corpus import Expectation

ROOT = Path(__file__).parents[4]


def test_the_files_are_what_the_code_makes() -> None:
    assert make.differences() == []


def test_a_changed_a_missing_and_a_foreign_file_are_named(tmp_path: Path) -> None:
    make.write(tmp_path)
    (tmp_path / "plain-text.eml").write_bytes(b"changed")
    (tmp_path / "bounce.eml").unlink()
    (tmp_path / "stranger.eml").write_bytes(b"")

    assert make.differences(tmp_path) == [
        "bounce.eml is missing",
        "stranger.eml is made by nothing",
        "plain-text.eml differs",
    ]
    make.write(tmp_path)
    assert make.differences(tmp_path) == []


def test_there_are_many_messages_and_every_expectation_occurs() -> None:
    assert len(corpus.names()) >= 45
    assert {corpus.expectation(name) for name in corpus.names()} == set(Expectation)


@pytest.mark.parametrize("name", corpus.names())
def test_a_message_is_the_same_each_time_and_can_go_over_smtp(name: str) -> None:
    data = corpus.message(name)

    assert data == corpus.specimen(name).make()
    if corpus.expectation(name) is not Expectation.REFUSE:
        assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", data)
        assert data == b"" or data.endswith(b"\r\n")


def test_no_tracked_file_holds_the_eicar_string() -> None:
    needles = (hostile.eicar(), base64.b64encode(hostile.eicar())[:60])

    assert [
        name_of(path)
        for path in our_files()
        if any(needle in path.read_bytes() for needle in needles)
    ] == []


def test_the_eicar_string_is_the_one_that_scanners_know() -> None:
    known = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"

    assert hashlib.sha256(hostile.eicar()).hexdigest() == known


def test_the_infected_archives_hold_it() -> None:
    outer = _attachment("eicar-in-zip-in-zip")
    with zipfile.ZipFile(io.BytesIO(outer)) as archive:
        inner = archive.read("inner.zip")
    for content in (inner, _attachment("eicar-in-zip")):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.read("eicar.com") == hostile.eicar()


def test_the_encrypted_archive_opens_with_its_password_only() -> None:
    with zipfile.ZipFile(io.BytesIO(_attachment("encrypted-zip"))) as archive:
        assert archive.read("secret.txt", attachments.ZIP_PASSWORD) == b"Nothing to see here.\r\n"
        with pytest.raises(RuntimeError, match="password"):
            archive.read("secret.txt")


def test_the_word_documents_differ_in_the_macro() -> None:
    found = {}
    for name in ("word-document", "word-with-macro"):
        with zipfile.ZipFile(io.BytesIO(_attachment(name))) as archive:
            assert archive.testzip() is None
            found[name] = set(archive.namelist())

    assert found["word-with-macro"] - found["word-document"] == {"word/vbaProject.bin"}


def test_the_dkim_signature_verifies_and_breaks_with_any_octet() -> None:
    data = corpus.message("dkim-signed")

    assert _dkim_is_valid(data)
    assert not _dkim_is_valid(data.replace(b"spaces.", b"spaces,"))
    assert not _dkim_is_valid(data.replace(b"Subject: Signed", b"Subject:  Signed"))


def test_the_sizes_are_as_the_names_say() -> None:
    assert 9_500_000 < len(corpus.message("ten-megabytes")) < 10_500_000
    longest = max(corpus.message("line-of-900-kilobytes").split(b"\r\n"), key=len)
    assert 900_000 < len(longest) < 1_000_000
    assert max(map(len, corpus.message("line-of-998").split(b"\r\n"))) == 998
    assert corpus.message("delivery-loop").count(b"Received:") == 101
    assert corpus.message("thirty-received").count(b"Received:") == 30


def _attachment(name: str) -> bytes:
    for part in message_from_bytes(corpus.message(name)).walk():
        if part.get_content_disposition() == "attachment":
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            return content
    raise AssertionError(f"{name} has no attachment")


def _dkim_is_valid(data: bytes) -> bool:
    """Verify as RFC 6376 section 6.1.3 says, for simple/simple, with what the message states."""
    head, _, body = data.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", head)
    by_name = {field.partition(b":")[0].lower(): field + b"\r\n" for field in fields}
    signature = by_name[b"dkim-signature"]
    tags = dict(re.findall(r"(\w+)=([^;]*)", signature.partition(b":")[2].decode()))
    while body.endswith(b"\r\n\r\n"):
        body = body[:-2]
    if base64.b64encode(hashlib.sha256(body).digest()).decode() != tags["bh"].strip():
        return False
    hashed = b"".join(by_name[name.strip().lower().encode()] for name in tags["h"].split(":"))
    hashed += re.sub(rb"(?s)b=[A-Za-z0-9+/=\s]+\Z", b"b=", signature)
    try:
        signed.signing_key().public_key().verify(
            base64.b64decode("".join(tags["b"].split())),
            hashed,
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
    except Exception:
        return False
    return True
