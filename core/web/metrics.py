"""What does the core show to whoever scrapes it?

Touches a Prometheus registry. Counts alone: whose mail waits, and for which server, is nobody's who
only scrapes. What is not known of a node has no sample, never a 0.
"""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Gauge

from common.certificate import CertificateMetrics, CertificateStatus
from common.wireguard.tunnel_metrics import TunnelMetrics
from common.wireguard.tunnel_state import TunnelHealth
from common.wireguard.tunnel_told import told_health
from core.definitions.announcer import stand_of
from core.fleet.fleet import NodeStatus
from core.records.late import LateAlarm
from core.retention.report import RetentionReport
from core.web.request.services import Services


class CoreMetrics:
    """The core's gauges, for one scrape.

    Args:
        registry: where they are collected.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._certificate: CertificateStatus | None = None
        CertificateMetrics({"link": lambda: self._certificate}, registry)
        self._tunnel: TunnelHealth | None = None
        TunnelMetrics(lambda: self._tunnel, registry, now_s=time.time)
        self._revision = Gauge(
            "borderscout_core_revision", "Newest revision of the preferences", registry=registry
        )
        self._disk_full = Gauge(
            "borderscout_core_disk_full",
            "1 while the core can write nothing, for want of room: records wait at the nodes",
            registry=registry,
        )
        self._disk_free = Gauge(
            "borderscout_core_disk_free_bytes",
            "Octets that are free where the core has fewest; absent if no disk here is its own",
            ["disk"],
            registry=registry,
        )
        self._other_epochs = Gauge(
            "borderscout_core_other_epochs",
            "Nodes that take nothing from this core, since they follow another or a later one",
            registry=registry,
        )
        self._late = Gauge(
            "borderscout_core_late_messages",
            "Messages of the last 24 hours found to hold a threat after their delivery",
            registry=registry,
        )
        self._lost = Gauge(
            "borderscout_core_lost_copies",
            "Accepted copies that died with a spool, and that nobody has said to have seen",
            registry=registry,
        )
        self._silenced = Gauge(
            "borderscout_core_late_silenced_nodes",
            "Nodes that named so many threats within an hour that no more of them are compared",
            registry=registry,
        )
        self._damages = Gauge(
            "borderscout_core_preferences_damages",
            "Times that documents in the database were found changed, since the core began",
            registry=registry,
        )
        self._tallies = Gauge(
            "borderscout_core_tallies_keys",
            "Things whose counts are summed over all sites",
            registry=registry,
        )
        self._tallies_cells = Gauge(
            "borderscout_core_tallies_cells",
            "Cells of these counts, which bound their memory",
            registry=registry,
        )
        self._tallies_given_way = Gauge(
            "borderscout_core_tallies_given_way",
            "Counts that had to go since the core began, as their node had told too many",
            registry=registry,
        )
        self._kept = Gauge(
            "borderscout_core_kept_rows",
            "What the core keeps of each class, about, after the last sweep",
            ["kept"],
            registry=registry,
        )
        self._oldest = Gauge(
            "borderscout_core_kept_oldest_timestamp_seconds",
            "Since when the core keeps each class; absent if there is none",
            ["kept"],
            registry=registry,
        )
        self._swept = Gauge(
            "borderscout_core_retention_timestamp_seconds",
            "When the last sweep of what was kept for long enough ended; 0 before the first",
            registry=registry,
        )
        self._retention_problems = Gauge(
            "borderscout_core_retention_problems",
            "Classes that could not be swept the last time, as borderscout status says",
            registry=registry,
        )
        self._database_bytes = Gauge(
            "borderscout_core_database_bytes",
            "Octets that the core's database takes, after the last sweep",
            registry=registry,
        )
        self._database_unused = Gauge(
            "borderscout_core_database_unused_bytes",
            "Octets of these in which there is nothing; 0 on a server",
            registry=registry,
        )
        self._live = self._of_node("borderscout_node_live", "1 while the node is heard, else 0")
        self._applied = self._of_node(
            "borderscout_node_applied_revision", "Revision that all shards of the node applied"
        )
        self._lag = self._of_node(
            "borderscout_node_lag_revisions", "Revisions that the node is behind; absent if unknown"
        )
        self._certificate_ends = self._of_node(
            "borderscout_node_cert_not_after_timestamp_seconds",
            "When the certificate ends that the node showed last, since the epoch (UTC)",
        )
        self._skew = self._of_node(
            "borderscout_node_clock_skew_seconds",
            "The node's clock less the core's at its last report; absent before one came",
        )
        self._silence = self._of_node(
            "borderscout_node_silence_seconds",
            "Since some shard of the node was last heard; absent if one never was",
        )
        self._refusing = self._of_node(
            "borderscout_node_refusing",
            "1 while the node refuses this core or a revision of it, as borderscout status says",
        )
        self._settings_failed = self._of_node(
            "borderscout_node_settings_failed",
            "1 while the node has refused or taken back the settings that it was told to take",
        )
        self._records = self._of_node(
            "borderscout_node_outbox_records", "Log records that are still to come from the node"
        )
        self._away = self._of_node(
            "borderscout_core_holds", "Destinations that the node holds mail for"
        )
        self._held = self._of_node(
            "borderscout_core_held_messages", "Messages that the node holds for them"
        )
        self._held_bytes = self._of_node(
            "borderscout_core_held_bytes", "Octets of the messages that the node holds"
        )
        self._damaged = self._of_node(
            "borderscout_core_damaged_recipients", "Recipients whose mail cannot be read any more"
        )
        self._frozen = self._of_node(
            "borderscout_core_frozen_recipients", "Recipients whose mail an operator stopped"
        )

        self._definitions_made = Gauge(
            "borderscout_core_definitions_made_timestamp_seconds",
            "When the definitions that are to be in use were made; absent if unknown",
            ["family"],
            registry=registry,
        )
        self._definitions_problems = Gauge(
            "borderscout_core_definitions_problems",
            "What is wrong with the definitions, as borderscout definitions status says it",
            registry=registry,
        )
        self._definitions_current = self._of_node(
            "borderscout_node_definitions_current",
            "1 while all shards of the node use them, else 0; absent if none loads such",
        )

    def show(self, core: Services, late: LateAlarm, *, lost_copies: int) -> None:
        """Take the numbers as they are now."""
        self._late.set(late.messages)
        self._damages.set(core.database.preference_rows.damages)
        self._lost.set(lost_copies)
        self._tallies.set(len(core.link.tallies))
        self._tallies_cells.set(core.link.tallies.cells)
        self._tallies_given_way.set(core.link.tallies.given_way)
        self._silenced.set(len(late.silenced))
        self._tunnel = told_health(core.settings.wireguard.state)
        self._certificate = core.link.certificate_status()
        self._revision.set(core.database.preferences.position.revision)
        self._disk_full.set(bool(core.database.room.problem))
        self._show_free(core.database.room.free_bytes)
        self._other_epochs.set(len(core.link.fleet.other_epochs()))
        for node in core.link.fleet.nodes(now_s=core.clock.monotonic_s()):
            self._show_node(node)
            ends_s = core.link.certificate_ends.of(node.node)
            if ends_s is not None:
                self._certificate_ends.labels(node.node).set(ends_s)
        self._show_definitions(core)
        self._show_retention(core.sweeper.report)

    def _show_retention(self, report: RetentionReport) -> None:
        self._swept.set(report.ended_us / 1e6)
        self._retention_problems.set(len(report.problems))
        self._database_bytes.set(report.database_bytes)
        self._database_unused.set(report.unused_bytes)
        for one in report.classes:
            self._kept.labels(one.name).set(one.rows)
            if one.oldest_us:
                self._oldest.labels(one.name).set(one.oldest_us / 1e6)

    def _show_definitions(self, core: Services) -> None:
        status = core.definitions.status()
        self._definitions_problems.set(len(status.problems))
        if status.current is None:
            return
        manifest = status.current.manifest
        if manifest.made_us:
            made = self._definitions_made.labels(manifest.family)
            made.set(manifest.made_us / 1e6)
        for node in core.link.fleet.nodes(now_s=core.clock.monotonic_s()):
            reports = stand_of(node, manifest.family).reports
            if reports:
                is_current = all(report.serial == manifest.serial for report in reports)
                self._definitions_current.labels(node.node).set(is_current)

    def _show_free(self, free_bytes: int | None) -> None:
        if free_bytes is not None:
            self._disk_free.labels("state").set(free_bytes)

    def _show_node(self, node: NodeStatus) -> None:
        self._live.labels(node.node).set(node.state != "silent")
        self._refusing.labels(node.node).set(node.state == "refusing")
        self._settings_failed.labels(node.node).set(node.settings.has_failed)
        self._records.labels(node.node).set(node.outbox_records)
        self._away.labels(node.node).set(len(node.holds))
        self._held.labels(node.node).set(sum(hold.messages for hold in node.holds))
        self._held_bytes.labels(node.node).set(sum(hold.bytes for hold in node.holds))
        self._damaged.labels(node.node).set(node.spool.get("damaged", 0))
        self._frozen.labels(node.node).set(node.spool.get("frozen", 0))
        if node.applied is not None:
            self._applied.labels(node.node).set(node.applied.revision)
        if node.skew_us is not None:
            self._skew.labels(node.node).set(node.skew_us / 1e6)
        if node.heard_s_ago is not None:
            self._silence.labels(node.node).set(node.heard_s_ago)
        if node.lag is not None:
            self._lag.labels(node.node).set(node.lag)

    def _of_node(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, ["node"], registry=self._registry)
