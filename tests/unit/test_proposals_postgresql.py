"""What is proposed for PostgreSQL: sizes that read back, nothing lowered that would break."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.proposals import sizes
from checks.proposals.made import Proposals
from checks.proposals.postgresql import NAMES, NEVER_LOWER, postgresql, postgresql_source
from checks.proposals.settings import Setting, Settings, settings_of
from checks.proposals.sizes import GIB, MIB
from profiles.machine import Cpu, Disk, HostSeen, Memory, Place


def setting(name: str, value: str, unit: str | None = None, **more: Any) -> Setting:
    return Setting(name=name, setting=value, unit=unit, **more)


def by_name(*settings: Setting) -> dict[str, Setting]:
    return {one.name: one for one in settings}


DEFAULTS = by_name(
    setting("shared_buffers", "16384", "8kB", context="postmaster"),
    setting("effective_cache_size", "524288", "8kB", context="user"),
    setting("maintenance_work_mem", "65536", "kB", context="user"),
    setting("work_mem", "4096", "kB", context="user"),
    setting("autovacuum_max_workers", "3", context="postmaster"),
    setting("max_connections", "100", context="postmaster"),
    setting("max_worker_processes", "8", context="postmaster"),
    setting("max_wal_senders", "10", context="postmaster"),
    setting("max_prepared_transactions", "0", context="postmaster"),
    setting("max_locks_per_transaction", "64", context="postmaster"),
    setting("max_wal_size", "1024", "MB"),
    setting("checkpoint_timeout", "300", "s"),
    setting("wal_compression", "off", context="superuser", enumvals=("pglz", "lz4", "on", "off")),
    setting("max_logical_replication_workers", "4", context="postmaster"),
    setting("max_sync_workers_per_subscription", "2"),
    setting("max_parallel_maintenance_workers", "2", context="user"),
    setting("random_page_cost", "4", context="user"),
    setting("effective_io_concurrency", "16", context="user"),
    setting("max_slot_wal_keep_size", "-1", "MB"),
    setting("synchronous_commit", "on", context="user"),
    setting("full_page_writes", "on"),
    setting("autovacuum", "on"),
    setting("data_checksums", "on", context="internal"),
    setting("fsync", "on"),
)
SSD = Disk(name="sda", rotational=False)
DATA = Place(what="data", path="/d", disk="sda", size=1000 * GIB, free=500 * GIB)


def a_host(total: int = 64 * GIB, cores: int = 16, disk: Disk = SSD) -> HostSeen:
    return HostSeen(
        host="new",
        watched_s=1.0,
        cpu=Cpu(cores=cores),
        memory=Memory(total=total),
        disks=(disk,),
        places=(DATA,),
    )


def values(found: Proposals) -> dict[str, str]:
    return {one.name: one.proposed for one in found.made}


def changed(settings: Settings, **now: str) -> dict[str, Setting]:
    return {
        **settings,
        **{name: msgspec.structs.replace(settings[name], setting=to) for name, to in now.items()},
    }


def test_a_new_server_with_its_defaults() -> None:
    source = changed(DEFAULTS, max_connections="300", max_locks_per_transaction="128")
    found = postgresql("new", a_host(), DEFAULTS, source, rebuildable=True)
    assert values(found) == {
        "max_connections": "300",
        "max_locks_per_transaction": "128",
        "shared_buffers": "16GB",
        "maintenance_work_mem": "2GB",
        "effective_cache_size": "48GB",
        "max_wal_size": "16GB",
        "checkpoint_timeout": "15min",
        "wal_compression": "lz4",
        "max_sync_workers_per_subscription": "8",
        "max_logical_replication_workers": "10",
        "max_worker_processes": "27",
        "max_parallel_maintenance_workers": "8",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "200",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
    }
    buffers = found.named("shared_buffers")
    assert buffers is not None
    assert (buffers.now, buffers.takes_effect, buffers.id) == (
        "128MB",
        "restart",
        "tune-shared_buffers@new",
    )
    assert buffers.arithmetic == "25 % of 64 GiB, beside 300 × 4 MiB of work_mem"
    loans = [one.name for one in found.made if one.import_only]
    assert loans == ["synchronous_commit", "full_page_writes", "autovacuum"]


def test_without_a_host_only_what_sql_tells() -> None:
    source = changed(DEFAULTS, max_connections="300")
    found = postgresql("new", None, DEFAULTS, source)
    assert values(found) == {
        "max_connections": "300",
        "checkpoint_timeout": "15min",
        "wal_compression": "lz4",
    }
    assert any(why.startswith("shared_buffers") for why in found.skipped)
    assert any("kind of the disk is not known" in why for why in found.skipped)


@pytest.mark.parametrize(
    ("offered", "proposed"),
    [(("pglz", "lz4", "zstd", "on", "off"), "lz4"), (("pglz", "on", "off"), None), ((), None)],
)
def test_the_log_is_compressed_only_where_that_costs_little(
    offered: tuple[str, ...], proposed: str | None
) -> None:
    compression = msgspec.structs.replace(DEFAULTS["wal_compression"], enumvals=offered)
    found = postgresql("new", None, {**DEFAULTS, "wal_compression": compression}, {})
    assert values(found).get("wal_compression") == proposed
    assert any("no lz4" in why for why in found.skipped) is (proposed is None)


@pytest.mark.parametrize("rotational", [None, True])
def test_a_disk_that_may_rotate_is_not_taken_for_another(rotational: bool | None) -> None:
    found = postgresql("new", a_host(disk=Disk(name="sda", rotational=rotational)), DEFAULTS, {})
    assert found.named("random_page_cost") is None


def test_nothing_is_relaxed_where_something_could_be_lost() -> None:
    found = postgresql("new", a_host(), DEFAULTS, DEFAULTS)
    assert not any(one.import_only for one in found.made)
    without = changed(DEFAULTS, data_checksums="off")
    found = postgresql("new", a_host(), without, DEFAULTS, rebuildable=True)
    assert found.named("full_page_writes") is None
    assert any("torn page" in why for why in found.skipped)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"source": "command line"}, "it is set on the server's command line"),
        ({"source": "database"}, "it is set for this database"),
        ({"error": "invalid value", "sourcefile": "/x.conf"}, "/x.conf: invalid value"),
        ({"error": "could not be applied", "pending_restart": True}, ""),
    ],
)
def test_what_wins_over_alter_system_is_named(found: dict[str, Any], says: str) -> None:
    replaced = msgspec.structs.replace(DEFAULTS["checkpoint_timeout"], **found)
    made = postgresql("new", None, {**DEFAULTS, replaced.name: replaced}, {})
    proposal = made.named("checkpoint_timeout")
    assert proposal is not None
    assert proposal.conflict == says


def test_where_alter_system_is_not_allowed_everything_says_so() -> None:
    settings = {**DEFAULTS, "allow_alter_system": setting("allow_alter_system", "off")}
    found = postgresql("new", a_host(), settings, DEFAULTS)
    assert {one.conflict for one in found.made} == {"allow_alter_system is off"}


def test_a_slot_may_keep_what_fits_and_the_disk_is_never_full() -> None:
    found = postgresql_source("old", a_host(), DEFAULTS, retained=10 * GIB)
    assert values(found) == {"max_slot_wal_keep_size": "310GB"}
    assert found.made[0].arithmetic == "500 GiB free and 10 GiB kept already, less 20 % of 1000 GiB"
    for seen, retained in ((None, 0), (a_host(), None), (a_host(), 400 * GIB)):
        found = postgresql_source("old", seen, DEFAULTS, retained)
        assert found.made == ()
        assert found.skipped[0].startswith("max_slot_wal_keep_size: ")
    generous = changed(DEFAULTS, max_slot_wal_keep_size=str(300 * 1024))
    assert postgresql_source("old", a_host(), generous, retained=0) == Proposals()


SIZE = st.integers(0, 1 << 60)


@given(SIZE)
def test_a_size_reads_back_as_it_was(bytes_: int) -> None:
    assert sizes.parse(sizes.written(bytes_)) == bytes_
    assert sizes.parse_mysql(sizes.mysql_size(bytes_)) == bytes_
    assert sizes.parse_time(sizes.written_time(bytes_)) == bytes_


@pytest.mark.parametrize("wrong", ["", "GB", "1 gigabyte", "-1MB", "1.5GB", "1gb"])
def test_what_is_no_size_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        sizes.parse(wrong)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        ("16384", "8kB", "128MB"),
        ("16385", "8kB", "131080kB"),
        ("900", "s", "15min"),
        ("0", "ms", "0"),
        ("-1", "MB", "-1"),
        ("on", None, "on"),
        ("64", None, "64"),
    ],
)
def test_a_value_is_written_as_show_writes_it(value: str, unit: str | None, shown: str) -> None:
    assert setting("x", value, unit).shown == shown


def test_rows_become_settings() -> None:
    row = {
        "name": "x",
        "setting": "1",
        "unit": None,
        "source": "default",
        "context": "sighup",
        "sourcefile": None,
        "pending_restart": False,
        "enumvals": None,
        "configured": "2",
        "error": None,
    }
    assert settings_of([row]) == {"x": setting("x", "1", configured="2")}


COUNT = st.integers(0, 5000).map(str)
AMOUNTS = {
    "shared_buffers": st.integers(16, 1 << 26).map(str),
    "maintenance_work_mem": st.integers(64, 1 << 24).map(str),
    "work_mem": st.integers(64, 1 << 20).map(str),
    "autovacuum_max_workers": st.integers(1, 50).map(str),
    "max_wal_size": st.integers(32, 1 << 20).map(str),
    "max_sync_workers_per_subscription": st.integers(0, 50).map(str),
    "max_logical_replication_workers": st.integers(0, 50).map(str),
    **dict.fromkeys(NEVER_LOWER, COUNT),
}
SERVERS = st.builds(lambda now: changed(DEFAULTS, **now), st.fixed_dictionaries(AMOUNTS))
TOTALS = st.integers(256 * MIB, 4096 * GIB)


def taken(settings: Settings) -> int:
    """What they may take together, in bytes."""
    return (
        settings["shared_buffers"].bytes
        + settings["maintenance_work_mem"].bytes * settings["autovacuum_max_workers"].number
        + settings["max_connections"].number * settings["work_mem"].bytes
    )


def applied(settings: Settings, found: Proposals) -> dict[str, Setting]:
    now = dict(settings)
    for made in found.made:
        old = settings[made.name]
        value = made.proposed
        if old.unit is not None and sizes.is_size(value):
            unit = sizes.parse(old.unit if old.unit[0].isdigit() else f"1{old.unit}")
            assert sizes.parse(value) % unit == 0
            value = str(sizes.parse(value) // unit)
        elif old.unit is not None:
            value = str(sizes.parse_time(value) // 1000)
        now[made.name] = msgspec.structs.replace(old, setting=value)
    return now


@given(TOTALS, st.integers(1, 256), SERVERS, SERVERS)
def test_nothing_exceeds_the_host_and_nothing_breaks(
    total: int, cores: int, settings: Settings, source: Settings
) -> None:
    found = postgresql("new", a_host(total, cores), settings, source, rebuildable=True)
    then = applied(settings, found)
    connections = max(settings["max_connections"].number, source["max_connections"].number)
    unavoidable = changed(settings, max_connections=str(connections))
    assert taken(then) <= max(total, taken(unavoidable))
    for name in (*NEVER_LOWER, "shared_buffers", "maintenance_work_mem", "max_wal_size"):
        assert then[name].number >= settings[name].number
    for name in NEVER_LOWER:
        assert then[name].number >= source[name].number
    assert then["max_worker_processes"].number > then["max_logical_replication_workers"].number
    copying = then["max_sync_workers_per_subscription"].number
    assert then["max_logical_replication_workers"].number > copying


@given(TOTALS, st.integers(1, 256), SERVERS, SERVERS, st.booleans())
def test_once_set_nothing_more_is_proposed_and_never_fsync(
    total: int, cores: int, settings: Settings, source: Settings, rebuildable: bool
) -> None:
    seen = a_host(total, cores)
    found = postgresql("new", seen, settings, source, rebuildable=rebuildable)
    assert all(made.now != made.proposed for made in found.made)
    assert all(made.arithmetic and made.rule and made.why for made in found.made)
    assert found.named("fsync") is None
    assert {made.name for made in found.made} <= {*NAMES}
    assert len({made.id for made in found.made}) == len(found.made)
    again = postgresql("new", seen, applied(settings, found), source, rebuildable=rebuildable)
    assert again.made == ()


@given(st.integers(0, 1 << 45), st.integers(0, 1 << 44))
def test_what_the_slots_keep_already_stays_and_the_reserve_too(free: int, retained: int) -> None:
    size = free + retained + GIB
    place = msgspec.structs.replace(DATA, size=size, free=free)
    seen = msgspec.structs.replace(a_host(), places=(place,))
    for made in postgresql_source("old", seen, DEFAULTS, retained).made:
        limit = sizes.parse(made.proposed)
        assert limit >= 2 * retained
        assert free + retained - limit >= size * 20 // 100
