"""The same for MySQL and MariaDB, as data: the twins of PostgreSQL's settings.

Pure. Which variable an engine of which version has, and when a new value counts, is one table;
MySQL 9.7, MariaDB 10.11 and 11.8 were asked, older versions are by their manuals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from checks.proposals import sizes
from checks.proposals.made import Proposals, collected
from checks.proposals.sizes import GIB, MIB
from profiles.machine import HostSeen, Proposal

Engine = Literal["mysql", "mariadb"]
Version = tuple[int, int, int]
Variables = Mapping[str, str]
"""As SHOW GLOBAL VARIABLES prints them: sizes in bytes."""

POOL_PERCENT = 75
POOL_STEP = 128 * MIB
"""innodb_buffer_pool_chunk_size: what is asked for is rounded up to it."""
A_SESSION = 1 * MIB
"""What a connection takes besides the pool, by estimate: stack, net and sort buffer."""
LOG_BUFFER = 256 * MIB
REDO = 1 * GIB
WRITE_THREADS = 16
BINLOG = 100 * MIB
DAYS = 7
DAY_S = 86_400

INNODB = "MySQL manual, 17.14 InnoDB Startup Options and System Variables"
POOL = "MySQL manual, 17.8.3.1 Configuring InnoDB Buffer Pool Size"
BULK = "MySQL manual, 10.5.5 Bulk Data Loading for InnoDB Tables"
BINARY_LOG = "MySQL manual, 19.1.6.4 Binary Logging Options and Variables"
SERVER = "MySQL manual, 7.1.8 Server System Variables"

RAISED = ("max_connections", "max_allowed_packet")
"""Where less than the source has would break a client."""

_NEVER: Version = (999, 0, 0)
_DYNAMIC: dict[str, dict[Engine, Version]] = {
    "innodb_buffer_pool_size": {"mysql": (5, 7, 5), "mariadb": (10, 2, 2)},
    "innodb_log_buffer_size": {"mysql": (8, 0, 0), "mariadb": _NEVER},
    "innodb_redo_log_capacity": {"mysql": (8, 0, 30), "mariadb": _NEVER},
    "innodb_log_file_size": {"mysql": _NEVER, "mariadb": (10, 9, 0)},
    "innodb_write_io_threads": {"mysql": _NEVER, "mariadb": (10, 11, 0)},
    "innodb_doublewrite": {"mysql": _NEVER, "mariadb": (11, 0, 6)},
}
"""From which version on a variable can be set while the server runs; all others always."""


class _Told(NamedTuple):
    why: str
    arithmetic: str
    rule: str
    import_only: bool = False


class _Server(NamedTuple):
    name: str
    engine: Engine
    version: Version
    variables: Variables

    def propose(self, name: str, value: str, told: _Told) -> Proposal | str | None:
        now = self.variables.get(name)
        if now is None:
            return f"{name}: this server has no such variable"
        if _same(now, value):
            return None
        return Proposal(
            id=f"{'import' if told.import_only else 'tune'}-{name}@{self.name}",
            server=self.name,
            area=self.engine,
            name=name,
            now=now,
            proposed=value,
            why=told.why,
            arithmetic=told.arithmetic,
            rule=told.rule,
            takes_effect=takes_effect(self.engine, self.version, name),
            import_only=told.import_only,
            conflict=_by_file_only(self.engine, name),
        )

    def raised(self, name: str, wanted: int, told: _Told) -> Proposal | str | None:
        if name in self.variables and int(self.variables[name]) >= wanted:
            return None
        return self.propose(name, sizes.mysql_size(wanted), told)


_Rows = Iterator[Proposal | str | None]


def takes_effect(engine: Engine, version: Version, name: str) -> str:
    """``live`` or ``restart``."""
    return "live" if version >= _DYNAMIC.get(name, {}).get(engine, (0, 0, 0)) else "restart"


def mysql(
    server: str,
    seen: HostSeen | None,
    variables: Variables,
    source: Variables,
    *,
    engine: Engine,
    version: Version,
    alone: bool,
) -> Proposals:
    """The destination's; ``alone``: nothing else wants the host's memory."""
    here = _Server(server, engine, version, variables)
    return collected(
        [
            *_limits(here, source),
            _pool(here, seen, source, alone=alone),
            *_redo(here),
            *_logs(here),
            *_for_the_copy(here),
        ]
    )


def _limits(here: _Server, source: Variables) -> _Rows:
    for name in RAISED:
        if name in source:
            said = f"the source has {source[name]}"
            told = _Told("What the source takes, this server has to take too.", said, SERVER)
            yield here.raised(name, int(source[name]), told)


def _pool(
    here: _Server, seen: HostSeen | None, source: Variables, *, alone: bool
) -> Proposal | str | None:
    name = "innodb_buffer_pool_size"
    if seen is None or not alone:
        return f"{name}: the host is not known, or not this server's own"
    memory = seen.memory.usable
    clients = max(int(one.get("max_connections", 0)) for one in (here.variables, source))
    log = max(LOG_BUFFER, int(here.variables.get("innodb_log_buffer_size", 0)))
    beside = clients * A_SESSION + log
    wanted = sizes.down_to(min(memory * POOL_PERCENT // 100, memory - beside), POOL_STEP)
    said = (
        f"{POOL_PERCENT} % of {sizes.shown(memory)}, beside {clients} connections and"
        f" {sizes.shown(log)} of log buffer, in steps of {sizes.shown(POOL_STEP)}"
    )
    if wanted <= 0:
        return f"{name}: there is no room for it: {said}"
    return here.raised(name, wanted, _Told("What is in it is not read from disk.", said, POOL))


def _redo(here: _Server) -> _Rows:
    told = _Told("A large transaction is not written out before its end.", "256 MiB", INNODB)
    yield here.raised("innodb_log_buffer_size", LOG_BUFFER, told)
    why = "The log is not full, and every page not written out, after every gigabyte less."
    if "innodb_redo_log_capacity" in here.variables:
        yield here.raised("innodb_redo_log_capacity", REDO, _Told(why, "1 GiB", INNODB))
    else:
        files = max(int(here.variables.get("innodb_log_files_in_group", 1)), 1)
        said = f"1 GiB in {files} files" if files > 1 else "1 GiB in one file"
        each = sizes.up_to(-(-REDO // files), MIB)
        yield here.raised("innodb_log_file_size", each, _Told(why, said, INNODB))
    told = _Told("Pages are written to many places at the same time.", "16 threads", INNODB)
    yield here.raised("innodb_write_io_threads", WRITE_THREADS, told)


def _logs(here: _Server) -> _Rows:
    told = _Told("Logs are shipped, kept and purged in small pieces.", "100 MiB", BINARY_LOG)
    yield here.propose("max_binlog_size", sizes.mysql_size(BINLOG), told)
    why = "A replica that was away for a weekend still finds what it needs."
    in_seconds = "binlog_expire_logs_seconds" in here.variables
    name = "binlog_expire_logs_seconds" if in_seconds else "expire_logs_days"
    wanted = DAYS * DAY_S if in_seconds else DAYS
    # 0 is for ever, and nothing that is kept is kept for less.
    if 0 < float(here.variables.get(name, "0")) < wanted:
        yield here.propose(name, str(wanted), _Told(why, f"{DAYS} days", BINARY_LOG))


def _for_the_copy(here: _Server) -> _Rows:
    said = "during the copy only; the source has every row"
    if here.variables.get("innodb_flush_log_at_trx_commit") == "1":
        told = _Told("The disk is waited for once a second.", said, BULK, import_only=True)
        yield here.propose("innodb_flush_log_at_trx_commit", "2", told)
    why = "Each page is written once. After a crash in the meantime, it is made anew."
    told = _Told(why, said, INNODB, import_only=True)
    yield here.propose("innodb_doublewrite", "OFF", told)


def _by_file_only(engine: Engine, name: str) -> str:
    if engine == "mysql" and name == "innodb_doublewrite":
        return "only an option file sets it, and a restart"
    return ""


def _same(now: str, value: str) -> bool:
    try:
        return sizes.parse_mysql(now) == sizes.parse_mysql(value)
    except ValueError:
        return now.upper() == value.upper()
