"""Which certificate does STARTTLS show, and what when its files are renewed?

Touches the certificate's files. They are two, or four with an RSA certificate beside the ECDSA one,
from which each client gets the one that it can use, written one after the other: what does not fit
together, or is no certificate, is told once, and the one before stays in use until the files hold
something that can be used.

Source: RFC 3207 section 4 (STARTTLS), RFC 8996 (no TLS below 1.2).
"""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from common.certificate import CertificateStatus, check_pair, not_after_s
from common.errors import EnvironmentFailure, SettingsError
from common.settings.satellite import SmtpSettings

log = structlog.get_logger()

RENEWAL_S = 60.0  # between looks at the files


class StarttlsCertificate:
    """The certificate of one front end, as the settings name its files.

    Attributes:
        status: of the one in use; None while none is.
    """

    def __init__(self, smtp: SmtpSettings) -> None:
        self.status: CertificateStatus | None = None
        self._smtp = smtp
        self._context: ssl.SSLContext | None = None
        self._used: tuple[bytes, ...] | None = None  # what the files held when it was read

    def load(self) -> ssl.SSLContext | None:
        """Return what sessions speak TLS with; None when the settings name no certificate.

        Raises:
            SettingsError: the files cannot be read or do not belong together.
        """
        if self._smtp.certificate:
            try:
                self._use(self._content())
            except (EnvironmentFailure, OSError, ValueError) as error:  # ssl.SSLError is an OSError
                what = f"cannot be used for STARTTLS: {error}"
                complaint = f"{self._smtp.certificate}:1:1: {what}; check it and its key"
                raise SettingsError([complaint]) from error
        return self._context

    def look(self) -> ssl.SSLContext | None:
        """Return the same, of the files as they are now if they can be used."""
        if self.status is None:
            return self._context
        try:
            content = self._content()
            if content != self._used:
                self._use(content)
                log.info("smtp.certificate_renewed", file=self._smtp.certificate)
            self.status = CertificateStatus(self.status.not_after_s)
        except (EnvironmentFailure, OSError, ValueError) as error:
            self._keep(self.status, str(error))
        return self._context

    def _pairs(self) -> list[tuple[str, str]]:
        """Return the files of each certificate and its key."""
        smtp = self._smtp
        pairs = [(smtp.certificate, smtp.key or smtp.certificate)]
        if smtp.rsa_certificate:
            pairs.append((smtp.rsa_certificate, smtp.rsa_key or smtp.rsa_certificate))
        return pairs

    def _content(self) -> tuple[bytes, ...]:
        """Return what all files hold, each certificate before its key."""
        return tuple(Path(file).read_bytes() for pair in self._pairs() for file in pair)

    def _use(self, content: tuple[bytes, ...]) -> None:
        """Use what the files hold. Should they change meanwhile, the next look sees another content
        than this one, and uses that.
        """
        certificates, keys = content[::2], content[1::2]
        for (file, _), certificate, key in zip(self._pairs(), certificates, keys, strict=True):
            try:
                check_pair(certificate, key)
            except EnvironmentFailure as error:  # in words, and of which of them
                raise EnvironmentFailure(f"{file}: {error.what}") from error
        status = CertificateStatus(min(map(not_after_s, certificates)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # With a password a locked key is refused; without one OpenSSL would ask the terminal.
        for file, key_file in self._pairs():
            context.load_cert_chain(file, key_file, password="")
        self._context, self.status, self._used = context, status, content

    def _keep(self, status: CertificateStatus, problem: str) -> None:
        """Stay with the one before, and say so once for each reason."""
        if problem != status.problem:
            log.error(
                "smtp.certificate_unusable",
                file=self._smtp.certificate,
                reason=problem,
                hint="the one before is still in use; write certificate and key again",
            )
        self.status = CertificateStatus(status.not_after_s, problem)
