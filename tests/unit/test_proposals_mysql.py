"""The twins for MySQL and MariaDB: which variable, how much, and whether a restart is needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.proposals import sizes
from checks.proposals.made import Proposals
from checks.proposals.mysql import Engine, Variables, Version, mysql, takes_effect
from checks.proposals.sizes import GIB, MIB
from profiles.machine import Cpu, HostSeen, Memory

COMMON = {
    "innodb_buffer_pool_size": str(128 * MIB),
    "innodb_log_buffer_size": str(64 * MIB),
    "innodb_write_io_threads": "4",
    "max_binlog_size": str(GIB),
    "max_connections": "151",
    "max_allowed_packet": str(64 * MIB),
    "innodb_flush_log_at_trx_commit": "1",
    "innodb_doublewrite": "ON",
}
MYSQL = {
    **COMMON,
    "innodb_redo_log_capacity": str(100 * MIB),
    "binlog_expire_logs_seconds": "86400",
}
MARIADB = {**COMMON, "innodb_log_file_size": str(96 * MIB), "expire_logs_days": "3.000000"}
OLD = {**MARIADB, "innodb_log_files_in_group": "2"}


def a_host(total: int = 64 * GIB) -> HostSeen:
    return HostSeen(host="new", watched_s=1.0, cpu=Cpu(cores=8), memory=Memory(total=total))


def proposed(
    variables: Variables = MYSQL,
    source: Variables | None = None,
    engine: Engine = "mysql",
    version: Version = (9, 7, 4),
) -> Proposals:
    found = source if source is not None else {}
    return mysql("new", a_host(), variables, found, engine=engine, version=version, alone=True)


def values(found: Proposals) -> dict[str, tuple[str, str]]:
    return {one.name: (one.proposed, one.takes_effect) for one in found.made}


def test_mysql_with_its_defaults() -> None:
    assert values(proposed(source={"max_connections": "500"})) == {
        "max_connections": ("500", "live"),
        "innodb_buffer_pool_size": ("48G", "live"),
        "innodb_log_buffer_size": ("256M", "live"),
        "innodb_redo_log_capacity": ("1G", "live"),
        "innodb_write_io_threads": ("16", "restart"),
        "max_binlog_size": ("100M", "live"),
        "binlog_expire_logs_seconds": ("604800", "live"),
        "innodb_flush_log_at_trx_commit": ("2", "live"),
        "innodb_doublewrite": ("OFF", "restart"),
    }
    made = proposed().named("innodb_doublewrite")
    assert made is not None
    assert made.conflict == "only an option file sets it, and a restart"
    assert [one.name for one in proposed().made if one.import_only] == [
        "innodb_flush_log_at_trx_commit",
        "innodb_doublewrite",
    ]


@pytest.mark.parametrize(
    ("variables", "version", "size", "when"),
    [
        (MARIADB, (11, 8, 6), "1G", "live"),
        (MARIADB, (10, 6, 0), "1G", "restart"),
        (OLD, (10, 4, 0), "512M", "restart"),
    ],
)
def test_the_redo_log_of_mariadb(
    variables: Variables, version: Version, size: str, when: str
) -> None:
    found = values(proposed(variables, engine="mariadb", version=version))
    assert found["innodb_log_file_size"] == (size, when)
    assert found["expire_logs_days"] == ("7", "live")
    assert found["innodb_log_buffer_size"][1] == "restart"


@pytest.mark.parametrize(
    ("engine", "version", "name", "when"),
    [
        ("mysql", (9, 7, 4), "innodb_write_io_threads", "restart"),
        ("mariadb", (10, 11, 19), "innodb_write_io_threads", "live"),
        ("mariadb", (10, 11, 19), "innodb_doublewrite", "restart"),
        ("mariadb", (11, 8, 6), "innodb_doublewrite", "live"),
        ("mariadb", (10, 11, 19), "innodb_log_buffer_size", "restart"),
        ("mysql", (8, 0, 30), "innodb_redo_log_capacity", "live"),
        ("mariadb", (10, 11, 19), "max_binlog_size", "live"),
    ],
)
def test_when_a_value_counts(engine: Engine, version: Version, name: str, when: str) -> None:
    assert takes_effect(engine, version, name) == when


def test_logs_that_are_kept_for_longer_or_for_ever_are_left_alone() -> None:
    for kept in ("0", "2592000"):
        found = proposed({**MYSQL, "binlog_expire_logs_seconds": kept})
        assert found.named("binlog_expire_logs_seconds") is None


def test_on_a_host_that_is_shared_the_pool_is_left_alone() -> None:
    for seen, alone in ((None, True), (a_host(), False)):
        found = mysql("new", seen, MYSQL, {}, engine="mysql", version=(9, 7, 4), alone=alone)
        assert found.named("innodb_buffer_pool_size") is None
        assert any(why.startswith("innodb_buffer_pool_size") for why in found.skipped)


def test_a_variable_that_is_not_there_is_said() -> None:
    assert "innodb_write_io_threads: this server has no such variable" in proposed({}).skipped


NUMBER = st.integers(1, 1 << 40)


@given(
    st.integers(512 * MIB, 4096 * GIB),
    st.integers(1, 20_000),
    st.integers(1, 20_000),
    NUMBER,
    NUMBER,
)
def test_nothing_is_lowered_and_the_pool_leaves_room(
    total: int, here: int, there: int, pool: int, packet: int
) -> None:
    variables = {**MYSQL, "max_connections": str(here), "innodb_buffer_pool_size": str(pool)}
    source = {"max_connections": str(there), "max_allowed_packet": str(packet)}
    found = mysql(
        "new", a_host(total), variables, source, engine="mysql", version=(9, 7, 4), alone=True
    )
    then = {**variables, **{made.name: made.proposed for made in found.made}}
    for name, least in (("max_connections", there), ("max_allowed_packet", packet)):
        assert sizes.parse_mysql(then[name]) >= max(least, int(variables[name]))
    size = sizes.parse_mysql(then["innodb_buffer_pool_size"])
    assert size >= pool
    if size > pool:
        assert size + 256 * MIB + max(here, there) * MIB <= total
        assert size <= total * 80 // 100
    assert all(made.now != made.proposed for made in found.made)
