"""Which node gives a doctor nothing to complain of?

Touches files: the settings and the certificate of a node that is never started.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SETTINGS = """\
cluster: example
node: lon1
site: london
hostname: lon1.scout.example
mail_domain: mx.scout.example
smtp: {listen: ["127.0.0.1:2525"]}
metrics: 127.0.0.1:9100
disk_reserve_bytes: 0
core: {address: "127.0.0.1:1", certificate: link.pem, key: link.key, authority: authority.pem}
"""


def certificate(path: Path, *, days: float) -> None:
    """Write a certificate that ends in so many days, and its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lon1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def sound_node(folder: Path) -> Path:
    """Return the settings file of a node in which the doctor finds no fault."""
    file = folder / "satellite.yaml"
    file.write_text(SETTINGS)
    certificate(folder / "link.pem", days=90)
    (folder / "state").mkdir()
    return file
