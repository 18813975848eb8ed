"""Every check, one line each, in the order they are shown. A further check is added here."""

from __future__ import annotations

from checks import (
    aftercare,
    capacity,
    carrying,
    certificates,
    consumers,
    counts,
    destination,
    endpoints,
    logout,
    machine,
    pages,
    pooler,
    road,
    roles,
    sequences,
    servers,
    settings,
    sizing,
    tables,
    tools,
    tuning,
    verify,
)
from checks.check import Check, Need, Run, Side, no_window, write_rate_window

OLD: tuple[Side, ...] = ("source",)
NEW: tuple[Side, ...] = ("destination",)
EACH: tuple[Side, ...] = ("source", "destination")
BOTH: tuple[Side, ...] = ("both",)
NIGHT: tuple[Side, ...] = ("night",)
POOLER: tuple[Side, ...] = ("pooler",)


def _sql(
    id_: str, phase: str, sides: tuple[Side, ...], run: Run, deadline_s: float = 15.0
) -> Check:
    return Check(id=id_, phase=phase, sides=sides, run=run, deadline_s=deadline_s)


def _watching(id_: str, phase: str, sides: tuple[Side, ...], run: Run) -> Check:
    return Check(id=id_, phase=phase, sides=sides, run=run, window_s=write_rate_window)


def _console(id_: str, run: Run) -> Check:
    return Check(id=id_, phase="preflight", sides=POOLER, run=run, needs=frozenset({"pooler"}))


def _road(id_: str, run: Run, deadline_s: float, sides: tuple[Side, ...] = NIGHT) -> Check:
    needs: frozenset[Need] = frozenset({"host"})
    return Check(id=id_, phase="network", sides=sides, run=run, needs=needs, deadline_s=deadline_s)


SERVERS = (
    Check(id="pg.reachable", phase="servers", sides=EACH, run=servers.reachable, needs=frozenset()),
    _sql("pg.version", "servers", EACH, servers.version),
    _sql("pg.version_order", "servers", BOTH, servers.version_order),
    _sql("pg.superuser", "servers", EACH, servers.superuser),
    _sql("pg.tls", "servers", EACH, servers.tls),
    _sql("pg.clock", "servers", BOTH, servers.clock),
    _sql("pg.database", "servers", EACH, servers.database),
    _sql("pg.size", "servers", OLD, servers.database_size),
    _sql("pg.standby", "servers", EACH, servers.standby),
    _sql("pg.same_cluster", "servers", BOTH, servers.same_cluster),
    Check(
        id="host.logout",
        phase="servers",
        sides=NIGHT,
        run=logout.survives_logout,
        needs=frozenset({"host"}),
    ),
)

ROUTE = (
    _sql("pg.route_logical", "route", BOTH, sizing.logical_possible),
    _sql("pg.route_physical", "route", BOTH, sizing.physical),
    _sql("pg.copy_amount", "route", OLD, sizing.copy_amount),
    _watching("pg.write_rate", "route", OLD, sizing.write_rate),
    _sql("pg.way_back", "route", NIGHT, sizing.way_back),
)

PROBING_S = 700.0
"""Longer than the most probes that a profile may ask for; a probe has a deadline of its own."""

NETWORK = (
    _road("net.reached", road.reached, PROBING_S),
    _road("net.addresses", road.addresses, PROBING_S),
    _road("net.loss", road.loss, PROBING_S),
    _road("net.jitter", road.jitter, PROBING_S),
    _road("net.resolution", road.resolution, 75.0, EACH),
    _road("net.resolvers", road.resolvers, 75.0, EACH),
    _sql("net.session", "network", EACH, road.session),
    _road("net.connecting", road.connecting, 75.0),
    _road("net.mtu", road.path_mtu, 190.0),
    _road("net.page", pages.page, 190.0),
    _road("net.copy", carrying.copy, PROBING_S),
    _road("net.throughput", carrying.throughput, 120.0),
    _road("net.window", carrying.window, 120.0),
    _road("net.clocks", carrying.clocks, 120.0),
    _road("net.from_here", road.roads_from_here, 2 * PROBING_S),
)

LOOKING_S = 60.0
"""One look at a host serves all checks of a side; it has a deadline of its own."""


def _host(id_: str, sides: tuple[Side, ...], run: Run, *more: Need, watches: bool = False) -> Check:
    return Check(
        id=id_,
        phase="tuning",
        sides=sides,
        run=run,
        needs=frozenset({"host", *more}),
        window_s=write_rate_window if watches else no_window,
        deadline_s=LOOKING_S,
    )


TUNING = (
    _host("host.system", EACH, machine.judging("host.system")),
    _host("host.container", EACH, machine.judging("host.container")),
    _host("host.steal", EACH, machine.judging("host.steal")),
    _host("host.iowait", EACH, machine.judging("host.iowait")),
    _host("host.await", EACH, machine.judging("host.await")),
    _host("host.rotational", EACH, machine.judging("host.rotational")),
    _host("host.memory", EACH, machine.judging("host.memory")),
    _host("host.swap", EACH, machine.judging("host.swap")),
    _host("host.space_for_copy", NEW, machine.space_for_copy, "sql"),
    _host("host.space_for_log", OLD, machine.space_for_log, "sql", watches=True),
    _host("host.filesystem", EACH, machine.judging("host.filesystem")),
    _host("host.inodes", EACH, machine.judging("host.inodes")),
    _host("host.clock", EACH, machine.judging("host.clock")),
    _host("host.huge_pages", EACH, machine.judging("host.huge_pages")),
    _host("host.open_files", EACH, machine.open_files),
    _host("host.resolvers", EACH, machine.judging("host.resolvers")),
    _host("host.compared", BOTH, machine.compared, "sql"),
    _host("host.firewall", OLD, tuning.who_reaches, "sql"),
    _watching("pg.commits", "tuning", OLD, machine.commits),
)

SLOTS = capacity.free("slots_free", "max_replication_slots", "replication slots")
SENDERS = capacity.free("senders_free", "max_wal_senders", "WAL senders")
APPLIERS = capacity.free(
    "replication_workers_free", "max_logical_replication_workers", "logical replication workers"
)
WORKERS = capacity.free("worker_processes_free", "max_worker_processes", "background workers")
ORIGINS = capacity.free("origins_free", "max_active_replication_origins", "replication origins")

PREFLIGHT = (
    _sql("pg.wal_level", "preflight", OLD, settings.wal_level),
    _sql("pg.replication_slots", "preflight", OLD, SLOTS),
    _sql("pg.wal_senders", "preflight", OLD, SENDERS),
    _sql("pg.replication_workers", "preflight", NEW, APPLIERS),
    _sql("pg.worker_processes", "preflight", NEW, WORKERS),
    _sql("pg.replication_origins", "preflight", NEW, ORIGINS),
    _sql("pg.sync_workers", "preflight", NEW, capacity.sync_workers),
    _sql("pg.slot_retention", "preflight", OLD, settings.slot_retention),
    _sql("pg.synchronous_standbys", "preflight", EACH, settings.synchronous_standbys),
    _sql("pg.replica_identity", "preflight", OLD, tables.replica_identities),
    _sql("pg.replica_identity_full", "preflight", OLD, tables.full_identities),
    _sql("pg.unlogged_tables", "preflight", OLD, tables.unlogged),
    _sql("pg.large_objects", "preflight", OLD, tables.large_objects),
    _sql("pg.foreign_tables", "preflight", OLD, tables.foreign_tables),
    _sql("pg.materialized_views", "preflight", OLD, tables.materialized_views),
    _sql("pg.sequences", "preflight", OLD, tables.sequences),
    _sql("pg.partitions", "preflight", OLD, tables.partitions),
    _sql("pg.generated_columns", "preflight", OLD, tables.generated_columns),
    _sql("pg.row_security", "preflight", OLD, tables.row_security),
    _sql("pg.always_triggers", "preflight", OLD, tables.always_triggers),
    _sql("pg.event_triggers", "preflight", OLD, tables.event_triggers),
    _sql("pg.extension_tables", "preflight", OLD, tables.extension_tables),
    _sql("pg.extensions", "preflight", BOTH, destination.extensions),
    _sql("pg.destination_empty", "preflight", NEW, destination.empty),
    _sql("pg.role_conflicts", "preflight", BOTH, destination.role_conflicts),
    _sql("pg.locale", "preflight", BOTH, destination.locale),
    _sql("pg.checksums", "preflight", BOTH, settings.checksums),
    _sql("pg.settings", "preflight", BOTH, settings.compared),
    _sql("pg.long_transactions", "preflight", OLD, consumers.long_transactions),
    _sql("pg.prepared_transactions", "preflight", OLD, consumers.prepared_transactions),
    _sql("pg.other_consumers", "preflight", OLD, consumers.other_consumers),
    _watching("pg.other_databases", "preflight", OLD, consumers.other_databases),
    _sql("pg.foreign_writers", "preflight", NEW, consumers.foreign_writers),
    _sql("pg.foreign_subscriptions", "preflight", NEW, consumers.foreign_subscriptions),
    _sql("pg.application_roles", "preflight", OLD, roles.application_roles),
    _sql("pg.superuser_sessions", "preflight", OLD, roles.superuser_sessions),
    _sql("pg.superuser_roles", "preflight", OLD, roles.superuser_roles),
    _sql("pg.wizard_sessions", "preflight", OLD, roles.wizard_sessions),
    Check(
        id="pg.root_cert",
        phase="preflight",
        sides=EACH,
        run=certificates.root_cert,
        needs=frozenset(),
    ),
    Check(
        id="pg.client_tools",
        phase="preflight",
        sides=NIGHT,
        run=tools.client_tools,
        needs=frozenset({"sql", "host"}),
        deadline_s=40.0,
    ),
    Check(
        id="endpoints.write",
        phase="preflight",
        sides=NIGHT,
        run=endpoints.write_endpoints,
        needs=frozenset(),
    ),
    Check(
        id="endpoint.client",
        phase="preflight",
        sides=("endpoint",),
        run=endpoints.client_login,
        needs=frozenset(),
    ),
    Check(
        id="file.connection",
        phase="preflight",
        sides=("file",),
        run=endpoints.connection_file,
        needs=frozenset({"host"}),
    ),
    _console("pooler.reachable", pooler.reachable),
    _console("pooler.target", pooler.target),
    Check(
        id="pooler.sees_destination",
        phase="preflight",
        sides=POOLER,
        run=pooler.sees_destination,
        needs=frozenset(),
    ),
    _console("pooler.pool_mode", pooler.pool_mode),
    _console("pooler.query_wait_timeout", pooler.wait_timeout),
    _console("pooler.server_login_retry", pooler.login_retry),
    _console("pooler.processes", pooler.processes),
    _console("pooler.other_pools", pooler.other_pools),
    Check(
        id="pooler.config",
        phase="preflight",
        sides=POOLER,
        run=pooler.config_file,
        needs=frozenset({"pooler", "host"}),
    ),
    Check(
        id="pooler.timer",
        phase="preflight",
        sides=POOLER,
        run=pooler.timer,
        needs=frozenset({"host"}),
    ),
)

LAG = (
    _sql("pg.schema_drift", "lag", BOTH, verify.schema_objects, 40.0),
    _sql("pg.writers_on_destination", "lag", NEW, consumers.foreign_writers),
)

VERIFY = (
    _sql("pg.tables_synced", "verify", NEW, verify.unsynced_tables),
    _sql("pg.new_tables", "verify", OLD, verify.unpublished_tables),
    _sql("pg.schema_objects", "verify", BOTH, verify.schema_objects, 40.0),
    _sql("pg.privileges", "verify", BOTH, verify.privileges, 40.0),
    _sql("pg.roles", "verify", BOTH, verify.roles),
    _sql("pg.sequence_values", "verify", BOTH, sequences.before_the_pause),
    _sql("pg.canary", "verify", BOTH, verify.canary),
    _sql("pg.replication_problems", "verify", NEW, verify.replication_problems),
    _sql("pg.views_filled", "verify", BOTH, verify.views_filled),
    _sql("pg.statistics", "verify", NEW, verify.statistics),
    _sql("pg.counts", "verify", BOTH, counts.counts, 300.0),
)

AFTERCARE = (
    _sql("pg.old_clients", "aftercare", OLD, aftercare.old_clients),
    _sql("pg.new_clients", "aftercare", NEW, aftercare.new_clients),
    _sql("pg.new_errors", "aftercare", NEW, aftercare.new_errors),
    _sql("pg.sequences_carried", "aftercare", BOTH, sequences.after_the_turn),
    _sql("pg.sequences_ahead", "aftercare", NEW, sequences.ahead_of_columns),
    _sql("pg.leftovers", "aftercare", EACH, aftercare.leftovers),
)

CHECKS = (*SERVERS, *ROUTE, *NETWORK, *TUNING, *PREFLIGHT, *LAG, *VERIFY, *AFTERCARE)
BY_ID = {check.id: check for check in CHECKS}

AGAIN_BEFORE_ARMING = (
    "pg.synchronous_standbys",
    "pg.prepared_transactions",
    "pg.other_databases",
    "pg.application_roles",
    "pg.superuser_sessions",
    "pg.wizard_sessions",
    "pg.roles",
    "pg.new_tables",
    "pg.writers_on_destination",
    "endpoints.write",
    "endpoint.client",
    "file.connection",
    "pooler.reachable",
    "pooler.target",
    "pooler.pool_mode",
    "pooler.query_wait_timeout",
    "pooler.processes",
    "pooler.other_pools",
    "pooler.config",
    "pooler.timer",
)
"""What may have changed since Preflight and would break the pause."""


def for_phase(phase: str) -> tuple[Check, ...]:
    """The checks of a phase, in their order."""
    return tuple(check for check in CHECKS if check.phase == phase)


def before_arming() -> tuple[Check, ...]:
    """The checks that are run again just before a stretch is armed."""
    return tuple(BY_ID[id_] for id_ in AGAIN_BEFORE_ARMING)
