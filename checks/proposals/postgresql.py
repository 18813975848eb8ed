"""PostgreSQL's settings for the two servers, from their hosts and from what is set there now.

Pure. Without a host only what SQL alone tells is proposed. ``fsync`` is never proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from checks.proposals import sizes
from checks.proposals.made import Proposals, collected
from checks.proposals.memory import Fit, fitted
from checks.proposals.settings import Setting, Settings
from checks.proposals.sizes import GIB, MIB
from profiles.machine import HostSeen, Place, Proposal

WAL_AT_MOST = 16 * GIB
WAL_SHARE_PERCENT = 10
CHECKPOINT_MS = 15 * 60_000
SYNC_WORKERS_AT_MOST = 8
KEPT_FREE_PERCENT = 20
"""Of the filesystem under the source's log: left for whatever else grows there."""
KEPT_AT_LEAST = 1 * GIB

NEVER_LOWER = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
"""A standby must not have less of these than its primary, nor clients less room than before."""

NAMES = (
    *NEVER_LOWER,
    "shared_buffers",
    "effective_cache_size",
    "maintenance_work_mem",
    "work_mem",
    "autovacuum_max_workers",
    "max_wal_size",
    "checkpoint_timeout",
    "wal_compression",
    "max_logical_replication_workers",
    "max_sync_workers_per_subscription",
    "max_parallel_maintenance_workers",
    "random_page_cost",
    "effective_io_concurrency",
    "max_slot_wal_keep_size",
    "synchronous_commit",
    "full_page_writes",
    "autovacuum",
    "data_checksums",
    "allow_alter_system",
    "shared_memory_size_in_huge_pages",
)
"""Every parameter that these rules read."""

MEMORY = "PostgreSQL manual, 19.4 Resource Consumption"
WAL = "PostgreSQL manual, 28.5 WAL Configuration"
WRITE_AHEAD = "PostgreSQL manual, 19.5 Write Ahead Log"
WORKERS = "PostgreSQL manual, 29 Logical Replication: Configuration Settings"
PLANNER = "PostgreSQL manual, 19.7.2 Planner Cost Constants"
STANDBY = "PostgreSQL manual, 26.4.3 Hot Standby: Administrator's Overview"
SENDING = "PostgreSQL manual, 19.6.1 Sending Servers"
LOADING = "PostgreSQL manual, 14.4 Populating a Database, 14.5 Non-Durable Settings"
VACUUM = "PostgreSQL manual, 19.10 Automatic Vacuuming"


class _Told(NamedTuple):
    """What the screen says about a value."""

    why: str
    arithmetic: str
    rule: str
    import_only: bool = False


_Row = Proposal | str | None
_Rows = Iterator[_Row]


class _Server(NamedTuple):
    name: str
    seen: HostSeen | None
    settings: Settings

    def propose(self, name: str, value: str, told: _Told) -> _Row:
        """The proposal; None where it is so already, why not where the server has no such one."""
        now = self.settings.get(name)
        if now is None:
            return f"{name}: this server has no such setting"
        if now.shown == value:
            return None
        kind = "import" if told.import_only else "tune"
        return Proposal(
            id=f"{kind}-{name}@{self.name}",
            server=self.name,
            area="postgresql",
            name=name,
            now=now.shown,
            proposed=value,
            why=told.why,
            arithmetic=told.arithmetic,
            rule=told.rule,
            takes_effect=now.takes_effect,
            import_only=told.import_only,
            conflict=now.conflict or self._refused,
        )

    def raised(self, name: str, wanted: int, write: Callable[[int], str], told: _Told) -> _Row:
        """The proposal, where what is there is less; amounts in bytes and milliseconds."""
        now = self.settings.get(name)
        if now is not None and _amount(now) >= wanted:
            return None
        return self.propose(name, write(wanted), told)

    @property
    def log(self) -> Place | None:
        """Where its log is, as far as that is known."""
        if self.seen is None:
            return None
        return self.seen.place("wal") or self.seen.place("data")

    @property
    def _refused(self) -> str:
        allowed = self.settings.get("allow_alter_system")
        off = allowed is not None and allowed.setting == "off"
        return "allow_alter_system is off" if off else ""


def postgresql(
    server: str,
    seen: HostSeen | None,
    settings: Settings,
    source: Settings,
    *,
    rebuildable: bool = False,
) -> Proposals:
    """The destination's; ``rebuildable``: nothing stands on it that could not be copied anew."""
    here = _Server(server, seen, settings)
    lasting = collected([*_limits(here, source), *_memory(here, source), *_log(here)])
    workers = collected([*_workers(here, source), *_disk(here)])
    return lasting + workers + collected(_for_the_copy(here, rebuildable=rebuildable))


def postgresql_source(
    server: str, seen: HostSeen | None, settings: Settings, retained: int | None
) -> Proposals:
    """The source's: how much log a slot may keep; ``retained``: bytes they keep there now."""
    return collected([_kept(_Server(server, seen, settings), retained)])


def _limits(here: _Server, source: Settings) -> _Rows:
    for name in NEVER_LOWER:
        if name in source and name in here.settings and name != "max_worker_processes":
            there = source[name].number
            why = "Whoever found room on the source finds it here; a standby needs as much."
            told = _Told(why, f"the source has {there}", STANDBY)
            yield here.raised(name, there, str, told)


def _memory(here: _Server, source: Settings) -> _Rows:
    if here.seen is None:
        yield "shared_buffers, maintenance_work_mem, effective_cache_size: the host is not known"
        return
    fit = fitted(here.seen.memory.usable, here.settings, source)
    if fit is None:
        yield "shared_buffers, maintenance_work_mem: the server does not say what they are"
        return
    why = "The rest is the kernel's cache, which the server relies on."
    told = _Told(why, fit.buffers_said, MEMORY)
    yield here.raised("shared_buffers", fit.shared_buffers, sizes.written, told)
    why = "Indexes are built and tables vacuumed with it."
    told = _Told(why, fit.maintenance_said, MEMORY)
    yield here.raised("maintenance_work_mem", fit.maintenance_work_mem, sizes.written, told)
    yield _cache(here, here.seen, fit)


def _cache(here: _Server, seen: HostSeen, fit: Fit) -> _Row:
    wanted = sizes.down_to(seen.memory.usable * 3 // 4, MIB)
    arithmetic = (
        f"75 % of {sizes.shown(seen.memory.usable)}: shared_buffers"
        f" ({sizes.shown(fit.shared_buffers)}) and the kernel's cache"
    )
    told = _Told(
        "Allocates nothing: how much the planner expects to be cached.", arithmetic, PLANNER
    )
    return here.raised("effective_cache_size", wanted, sizes.written, told)


def _log(here: _Server) -> _Rows:
    place = here.log
    if place is None or place.free is None:
        yield "max_wal_size: the space for the log is not known"
    else:
        wanted = sizes.down_to(min(WAL_AT_MOST, place.free * WAL_SHARE_PERCENT // 100), GIB // 4)
        arithmetic = (
            f"the smaller of {WAL_SHARE_PERCENT} % of {sizes.shown(place.free)} free"
            f" and {sizes.shown(WAL_AT_MOST)}"
        )
        told = _Told("The copy does not force a checkpoint every few seconds.", arithmetic, WAL)
        yield here.raised("max_wal_size", wanted, sizes.written, told)
    told = _Told(
        "Fewer checkpoints write fewer full pages; recovery after a crash takes longer.",
        "15 min, the usual 5 min three times",
        WAL,
    )
    yield here.raised("checkpoint_timeout", CHECKPOINT_MS, sizes.written_time, told)
    yield _compression(here)


def _compression(here: _Server) -> _Row:
    name = "wal_compression"
    now = here.settings.get(name)
    if now is not None and now.setting != "off":
        return None
    if now is not None and "lz4" not in now.enumvals:
        return f"{name}: this server has no lz4, and pglz slows the making of indexes"
    said = "lz4, the fastest method; pglz made indexes 1.4 times as slow when it was measured"
    told = _Told("Full pages are compressed: less log for a little processor.", said, WRITE_AHEAD)
    return here.propose(name, "lz4", told)


def _workers(here: _Server, source: Settings) -> _Rows:
    if here.seen is None:
        yield "max_sync_workers_per_subscription and other workers: the host is not known"
        return
    cores = here.seen.cpu.cores
    copying = min(max(cores // 2, 2), SYNC_WORKERS_AT_MOST)
    copying = max(copying, _number(here.settings, "max_sync_workers_per_subscription"))
    logical = max(copying + 2, _number(here.settings, "max_logical_replication_workers"))
    processes = max(
        cores + logical + 1,
        _number(here.settings, "max_worker_processes"),
        _number(source, "max_worker_processes"),
    )
    half = f"half of {cores} cores, 2 to {SYNC_WORKERS_AT_MOST}, not less than now"
    told = _Told("So many tables are copied at the same time.", half, WORKERS)
    yield here.raised("max_sync_workers_per_subscription", copying, str, told)
    told = _Told("They copy and apply.", f"{copying} that copy, and 2 that apply", WORKERS)
    yield here.raised("max_logical_replication_workers", logical, str, told)
    said = f"{cores} cores, {logical} for replication, 1 launcher; not less than the source's"
    told = _Told("Replication and parallel queries draw on it.", said, WORKERS)
    yield here.raised("max_worker_processes", processes, str, told)
    building = min(max(cores // 2, 2), SYNC_WORKERS_AT_MOST)
    told = _Told("So many processes build one index.", half, MEMORY)
    yield here.raised("max_parallel_maintenance_workers", building, str, told)


def _disk(here: _Server) -> _Rows:
    seen = here.seen
    place = seen and seen.place("data")
    disk = seen.disk(place.disk) if seen and place else None
    if disk is None or disk.rotational is None:
        yield "random_page_cost, effective_io_concurrency: the kind of the disk is not known"
        return
    if disk.rotational:
        return
    said = f"{disk.name} does not rotate"
    cost = here.settings.get("random_page_cost")
    if cost is None or float(cost.setting) > 1.1:
        told = _Told("Any page is read as fast as the next one.", said, PLANNER)
        yield here.propose("random_page_cost", "1.1", told)
    told = _Told("It answers many reads at the same time.", said, MEMORY)
    yield here.raised("effective_io_concurrency", 200, str, told)


def _for_the_copy(here: _Server, *, rebuildable: bool) -> _Rows:
    if not rebuildable:
        yield (
            "synchronous_commit, full_page_writes, autovacuum during the copy:"
            " something may stand on this server that is nowhere else"
        )
        return
    said = "during the copy only; the source has every row"
    told = _Told("A commit does not wait for the disk.", said, LOADING, import_only=True)
    yield here.propose("synchronous_commit", "off", told)
    sums = here.settings.get("data_checksums")
    if sums is not None and sums.setting == "on":
        why = "Half the log. After a crash in the meantime, the destination is made anew."
        said = "during the copy only; data_checksums = on would show a torn page"
        yield here.propose("full_page_writes", "off", _Told(why, said, LOADING, import_only=True))
    else:
        yield "full_page_writes: without data_checksums nobody would see a torn page"
    why = "What is copied is analyzed afterwards anyway; wraparound is still prevented."
    said = "during the copy only"
    yield here.propose("autovacuum", "off", _Told(why, said, VACUUM, import_only=True))


def _kept(here: _Server, retained: int | None) -> _Row:
    name = "max_slot_wal_keep_size"
    place = here.log
    if place is None or place.free is None or place.size is None:
        return f"{name}: the space for the log is not known"
    if retained is None:
        return f"{name}: what the slots keep already is not known"
    reserve = place.size * KEPT_FREE_PERCENT // 100
    wanted = sizes.down_to(max(place.free + retained - reserve, 0), GIB // 4)
    if wanted < max(KEPT_AT_LEAST, 2 * retained):
        return f"{name}: {sizes.shown(place.free)} free is too little to set a limit safely"
    now = here.settings.get(name)
    if now is not None and now.number >= 0 and now.bytes >= wanted - wanted // 10:
        return None
    why = "The slot keeps the log as long as there is room, and is lost before the disk is full."
    arithmetic = (
        f"{sizes.shown(place.free)} free and {sizes.shown(retained)} kept already, less"
        f" {KEPT_FREE_PERCENT} % of {sizes.shown(place.size)}"
    )
    return here.propose(name, sizes.written(wanted), _Told(why, arithmetic, SENDING))


def _number(settings: Settings, name: str) -> int:
    found = settings.get(name)
    return found.number if found is not None else 0


def _amount(setting: Setting) -> int:
    """In bytes, milliseconds, or as it is."""
    if setting.unit is None:
        return setting.number
    return setting.bytes if sizes.is_size(setting.shown) else setting.ms
