"""A night in its Host tuning: two hosts, what the real rules propose for them, one thing done."""

from __future__ import annotations

from actions import tuning
from checks.proposals.kernel import Road, kernel
from checks.proposals.postgresql import postgresql, postgresql_source
from checks.proposals.settings import Setting
from profiles import events as ev
from profiles.fold import fold
from profiles.machine import Clock, Cpu, Disk, HostSeen, Memory, Place, SysctlLine
from profiles.steps import Step
from tests.tui import scenes
from tests.tui.scenes import NEW, OLD

GIB = 1024**3
SYSCTLS = {
    "vm.swappiness": "60",
    "vm.dirty_background_ratio": "10",
    "vm.dirty_ratio": "20",
    "vm.dirty_background_bytes": "0",
    "vm.dirty_bytes": "0",
    "vm.overcommit_memory": "0",
    "vm.overcommit_ratio": "50",
    "net.core.rmem_max": "212992",
    "net.core.wmem_max": "212992",
    "net.ipv4.tcp_rmem": "4096 131072 6291456",
    "net.ipv4.tcp_wmem": "4096 16384 4194304",
    "net.ipv4.tcp_keepalive_time": "7200",
    "net.ipv4.tcp_keepalive_intvl": "75",
    "net.ipv4.tcp_keepalive_probes": "9",
}


def a_host(name: str, *, cores: int, memory: int, free: int, rotational: bool) -> HostSeen:
    return HostSeen(
        host=name,
        watched_s=2.0,
        system="Debian GNU/Linux 12 (bookworm)",
        kernel="Linux 6.1.0-26-amd64",
        cpu=Cpu(cores=cores, busy_percent=22.0, steal_percent=0.2, iowait_percent=3.1),
        memory=Memory(
            total=memory * GIB,
            available=memory * GIB // 2,
            committed=memory * GIB // 4,
            swap_total=4 * GIB,
            swap_free=4 * GIB,
            transparent="always",
        ),
        disks=(Disk(name="nvme0n1", rotational=rotational, write_await_ms=0.8),),
        places=(
            Place(
                what="data",
                path="/var/lib/postgresql/data",
                mount="/var/lib/postgresql",
                kind="ext4",
                disk="nvme0n1",
                size=900 * GIB,
                free=free * GIB,
            ),
        ),
        clock=Clock(source="tsc", synchronised=True, by="chrony"),
        sysctls=SYSCTLS,
        boot_lines=(SysctlLine(file="/etc/sysctl.conf", name="vm.swappiness", value="10"),),
        limits={"open files": 65536 if name == OLD else 20000},
    )


HOSTS = {
    OLD: a_host(OLD, cores=16, memory=64, free=210, rotational=True),
    NEW: a_host(NEW, cores=12, memory=96, free=640, rotational=False),
}


def _setting(name: str, setting: str, unit: str | None = None, context: str = "sighup") -> Setting:
    return Setting(name=name, setting=setting, unit=unit, context=context)


SETTINGS = {
    one.name: one
    for one in (
        _setting("max_connections", "100", context="postmaster"),
        _setting("shared_buffers", "16384", "8kB", "postmaster"),
        _setting("effective_cache_size", "524288", "8kB", "user"),
        _setting("maintenance_work_mem", "65536", "kB", "user"),
        _setting("work_mem", "4096", "kB", "user"),
        _setting("autovacuum_max_workers", "3", context="postmaster"),
        _setting("max_wal_size", "1024", "MB"),
        _setting("checkpoint_timeout", "300", "s"),
        _setting("max_worker_processes", "8", context="postmaster"),
        _setting("max_slot_wal_keep_size", "-1", "MB"),
        _setting("synchronous_commit", "on", context="user"),
        _setting("data_checksums", "on", context="internal"),
        _setting("full_page_writes", "on"),
        _setting("autovacuum", "on"),
    )
}


def tuned() -> list[ev.Event]:
    """Proposed by the real rules; the first setting is applied, another has a value of its own."""
    proposals = kernel(HOSTS[NEW], Road(96e6, 24.9)) + kernel(HOSTS[OLD], only_sending=True)
    source = {**SETTINGS, "max_connections": _setting("max_connections", "400")}
    proposals += postgresql(NEW, HOSTS[NEW], SETTINGS, source, rebuildable=True)
    proposals += postgresql_source(OLD, HOSTS[OLD], source, 0)
    told = [
        *scenes.up_to_preflight(),
        ev.ChecksBegan(phase="tuning"),
        *[ev.HostLooked(server=name, seen=seen) for name, seen in HOSTS.items()],
        *[ev.Found(finding=found, server=found.server) for found in FINDINGS],
        ev.Proposed(proposals=proposals.made, skipped=proposals.skipped),
    ]
    steps = tuning.steps(
        proposals.made, hosts=HOSTS, configured={}, on_loan=(OLD,), night=fold(told)
    )
    disk = tuning.disk_test(NEW, "/var/lib/postgresql/data")
    planned: list[Step] = [*steps, disk]
    return [
        *told,
        ev.Planned(phase="tuning", steps=tuple(planned)),
        ev.ChecksEnded(phase="tuning", duration_ms=2412.0),
        *scenes.done(planned[:1], "vm.swappiness is 1 in the running kernel"),
    ]


FINDINGS = [
    scenes.finding(
        "host.open_files",
        "tuning",
        "warn",
        "open files: 20,000 a process",
        server=NEW,
        says="Less than the old server's 65,536.",
        todo="Raise LimitNOFILE in the unit of the server.",
    ),
    scenes.finding("host.steal", "tuning", "pass", "0.2 % of the CPU stolen, watched for 2.0 s"),
    scenes.finding(
        "host.steal", "tuning", "pass", "0.2 % of the CPU stolen, watched for 2.0 s", server=NEW
    ),
    scenes.finding(
        "host.space_for_copy", "tuning", "pass", "640 GB free, 268 GB wanted", server=NEW
    ),
    scenes.finding("pg.commits", "tuning", "pass", "412 transactions/s that write"),
]
