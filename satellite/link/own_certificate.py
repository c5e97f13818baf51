"""Which certificate does a node show on the link, and when is another one to be shown?

Touches the certificate's files. What is in use stays until the files hold another certificate that
can be used: they are renewed one after the other, and read now and then.

Source: docs/design/faults.md, F12.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import structlog

from common import rpc
from common.certificate import CertificateStatus
from common.clock import Clock
from common.errors import EnvironmentFailure
from common.settings.satellite import CoreLink

log = structlog.get_logger()

RENEWAL_S = 60.0  # between looks at the files


class OwnCertificate:
    """The certificate of one node, as a shard's link shows it.

    Args:
        files: where it is.
        clock: for the time between looks, and for whether it has ended.
    """

    def __init__(self, files: rpc.TlsFiles, clock: Clock) -> None:
        self.status: CertificateStatus | None = None  # None while there is none to use
        self.problem = ""  # why its files are not used as they are now
        self._files = files
        self._clock = clock

    async def usable(self, kept: rpc.TlsMaterial | None = None) -> rpc.TlsMaterial:
        """Return what the files hold, as soon as it can be used.

        Args:
            kept: what was in use until now: returned where the files cannot be used at once, so
                that a renewal that is half done keeps nobody from another address.
        """
        while True:
            try:
                tls = self._files.read()
            except EnvironmentFailure as error:
                if kept is not None:
                    self._keep(kept, error.what)
                    return kept
                self.problem = error.what
                log.error("link.certificate_unusable", reason=error.what, hint=error.hint)
                await self._clock.sleep(RENEWAL_S)
                continue
            self.status, self.problem = tls.status(), ""
            return tls

    async def renewed(self, tls: rpc.TlsMaterial) -> None:
        """Return once the files hold another certificate that can be used.

        Args:
            tls: what is in use.
        """
        while True:
            await self._clock.sleep(RENEWAL_S)
            problem = ""
            try:
                fresh = self._files.read()
            except EnvironmentFailure as error:  # being replaced; what is open works on
                problem = error.what
            else:
                if fresh.fingerprint != tls.fingerprint:
                    log.info("link.certificate_renewed")
                    return
            self._keep(tls, problem)

    def _keep(self, tls: rpc.TlsMaterial, problem: str) -> None:
        """Note why what the files hold is not used instead; empty: it is the same."""
        if problem and problem != self.problem:
            log.error("link.certificate_unusable", reason=problem, hint=rpc.KEPT)
        self.status, self.problem = tls.status(problem), problem

    @property
    def ended(self) -> str:
        """That it is over, or nothing: a core that refuses it gives no reason."""
        status = self.status
        if status is None or status.not_after_s > self._clock.now_us() / 1e6:
            return ""
        ended = datetime.fromtimestamp(status.not_after_s, UTC)
        return f"this node's certificate on the link ended at {ended:%Y-%m-%d %H:%M} UTC"


def link_files(core: CoreLink) -> rpc.TlsFiles:
    """Return the files that the settings name for the link."""
    return rpc.TlsFiles(
        certificate=Path(core.certificate), key=Path(core.key), authority=Path(core.authority)
    )
