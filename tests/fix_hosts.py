"""What `facts.sh` prints on hosts of several kinds, section by section, to be bent by tests."""

from __future__ import annotations

from checks.host.parse import parsed
from profiles.machine import HostSeen

Printed = dict[str, str]
"""The text of each section by its name."""

DISKSTATS = "8 0 sda {reads} 0 {sectors} {read_ms} {writes} 0 {written} {write_ms} 0 {busy} 0"
FLUSHES = " 0 0 0 0 {flushes} {flush_ms}"


def counters(flushes: int | None = None, **done: int) -> str:
    """A line of /proc/diskstats of sda, of a kernel with or without flushes."""
    names = ("reads", "sectors", "read_ms", "writes", "written", "write_ms", "busy")
    line = DISKSTATS.format(**{name: done.get(name, 0) for name in names})
    if flushes is None:
        return line
    return line + FLUSHES.format(flushes=flushes, flush_ms=done.get("flush_ms", 0))


DEBIAN: Printed = {
    "kernel": "Linux 6.1.0-18-amd64",
    "os": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian',
    "cores": "8",
    "cpuinfo": "model name\t: Intel(R) Xeon(R) E-2388G CPU @ 3.20GHz",
    "virtual": "none\nDell Inc.\nPowerEdge R350",
    "container": "",
    "init": "systemd",
    "memory": "MemTotal:       65536000 kB\nMemFree:  1000 kB\nMemAvailable:   32768000 kB\n"
    "SwapTotal:       1000000 kB\nSwapFree:         900000 kB\nHugePages_Total:     512\n"
    "HugePages_Free:      500\nHugepagesize:       2048 kB",
    "transparent": "[always] madvise never",
    "allowed": "max\nmax",
    "sysctl": "vm/swappiness:60\nnet/ipv4/tcp_rmem:4096\t131072\t6291456",
    "boot /etc/sysctl.d/99-sysctl.conf": "vm.swappiness = 10",
    "boot /etc/sysctl.d/50-db.conf": "-net/core/somaxconn=1024\nvm.swappiness=1\nno value",
    "boot /usr/lib/sysctl.d/50-db.conf": "vm.swappiness = 99",
    "boot /usr/lib/sysctl.d/10-first.conf": "vm.overcommit_memory = 2",
    "boot /etc/sysctl.conf": "vm.swappiness = 10",
    "clocksource": "tsc",
    "keepers": "chronyd",
    "chrony": "C0000201,192.0.2.1,3,1700000000.1,0.0001,0,0,0,0,0,0.01,0.001,64.2,Normal",
    "block": "/sys/block/sda/dev:8:0\n/sys/block/sdb/dev:8:16\n/sys/block/dm-0/dev:253:0\n"
    "/sys/block/sda/size:1000\n/sys/block/sdb/size:2000\n/sys/block/dm-0/size:900\n"
    "/sys/block/sda/queue/rotational:0\n/sys/block/sdb/queue/rotational:1\n"
    "/sys/block/dm-0/queue/rotational:0\n"
    "/sys/block/sda/queue/scheduler:none [mq-deadline] kyber\n"
    "/sys/block/sda/queue/write_cache:write back\n/sys/block/sda/device/vendor:ATA     \n"
    "/sys/block/sda/device/model:Micron_5300\n/sys/block/sda/sda1/partition:1\n"
    "/sys/block/sda/sda1/dev:8:1\n/sys/block/sda/sda2/partition:2\n/sys/block/sda/sda2/dev:8:2\n"
    "/sys/block/loop0/dev:7:0\n/sys/block/loop0/size:100",
    "slaves": "/sys/block/dm-0/slaves/sda2",
    "mounts": "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    "30 22 253:0 / /var/lib/postgresql rw - xfs /dev/mapper/vg-pg rw\n"
    "31 22 0:44 / /srv/a\\040b rw - btrfs /dev/sdb rw",
    "place 1": "kind data\npath /var/lib/postgresql/16/main\n"
    "df /dev/mapper/vg-pg  1000000  400000  600000  40% /var/lib/postgresql\n"
    "inodes /dev/mapper/vg-pg  5000  1000  4000  20% /var/lib/postgresql",
    "place 2": "kind log\npath /srv/a b\ndf /dev/sdb 100 90 -5 95% /srv/a b\n"
    "inodes /dev/sdb 0 0 0 - /srv/a b",
    "place 3": "kind temporary\npath /nope",
    "unread": "/nope: not there, or no right to see it",
    "process": "postgres",
    "limits": "Limit   Soft Limit  Hard Limit  Units\nMax processes    96365    96365   processes\n"
    "Max open files            65536                524288               files     \n"
    "Max locked memory         unlimited            unlimited            bytes     ",
    "resolv": "# made by hand\nnameserver 192.0.2.53\noptions timeout:1\nnameserver 192.0.2.54",
    "listen": "   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 0 0 0 1\n"
    "   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 0 0 0 1\n"
    "   2: 00000000000000000000000001000000:1538 00000000000000000000000000000000:0000 0A 0",
    "tools": "/usr/bin/python3\n/usr/bin/psql\nsudo",
    "ufw": "Status: active",
    "nftables": "\t\ttype filter hook input priority filter; policy drop;\n\t}",
    "time before": "1000.00 7000.00",
    "cpu before": "cpu  1000 0 500 8000 100 0 10 50 0 0",
    "io before": counters(reads=10, writes=10, flushes=5),
    "time after": "1002.00 7010.00",
    "cpu after": "cpu  1200 0 600 8600 150 0 10 100 0 0",
    "io after": counters(
        reads=110,
        sectors=2000,
        read_ms=50,
        writes=210,
        written=4000,
        write_ms=3000,
        busy=500,
        flushes=15,
        flush_ms=40,
    ),
    "end": "",
}
"""A machine of its own, with systemd, LVM and chrony, looked at by root."""

ALPINE: Printed = {
    "kernel": "Linux 6.6.14-0-virt",
    "os": "NAME=Alpine\nPRETTY_NAME='Alpine Linux v3.19'",
    "cores": "2",
    "cpuinfo": "model name\t: QEMU Virtual CPU\nhypervisor",
    "virtual": "QEMU\nStandard PC (Q35 + ICH9, 2009)",
    "container": "",
    "init": "",
    "memory": "MemTotal: 2000000 kB\nMemAvailable: 100000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB",
    "sysctl": "vm/swappiness:60",
    "boot /etc/sysctl.d/60-a.conf": "vm.swappiness = 5",
    "boot /etc/sysctl.conf": "net.ipv4.conf.eth0/1.mtu = 9\nvm.swappiness = 70",
    "clocksource": "hpet",
    "adjtimex": "    return value: 5 (clock not synchronized)",
    "block": "/sys/block/vda/dev:253:0\n/sys/block/vda/size:4000\n"
    "/sys/block/vda/queue/rotational:1\n/sys/block/vda/device/vendor:0x1af4\n"
    "/sys/block/vda/vda3/partition:3\n/sys/block/vda/vda3/dev:253:3",
    "mounts": "1 1 253:3 / / rw - ext4 /dev/vda3 rw",
    "place 1": "kind data\npath /var/lib/postgresql/data\ndf /dev/vda3  1000  400  600  40% /",
    "unread": "limits of process 77: it is not there, or no right to see them\n"
    "firewall: only root may ask",
    "listen": "",
    "time before": "10.00 7.00",
    "cpu before": "cpu  10 0 5 80 1 0 1 5",
    "io before": "253 0 vda 1 0 8 1 1 0 8 1 0 1 2",
    "time after": "10.50 7.50",
    "cpu after": "cpu  15 0 6 120 1 0 1 11",
    "io after": "253 0 vda 1 0 8 1 1 0 8 1 0 1 2",
    "end": "",
}
"""A virtual machine with busybox and openrc, its disk idle, looked at by somebody else."""

CONTAINER: Printed = {
    **ALPINE,
    "os": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"',
    "virtual": "",
    "container": "/.dockerenv",
    "allowed": "500000000\nmax",
    "boot /etc/sysctl.conf": "",
    "block": "",
    "mounts": "1 1 0:99 / / rw - overlay overlay rw\n2 1 0:98 / /dev/shm rw - tmpfs shm rw",
    "place 1": "kind data\npath /var/lib/postgresql/data\ndf overlay  1000  400  600  40% /",
    "process": "systemd",
    "limits": "Max open files            1024  1024  files",
    "adjtimex": "",
    "unread": "",
}
"""In a container without /sys, whose server is asked for by a number of another namespace."""

RHEL8: Printed = {
    **DEBIAN,
    "kernel": "Linux 4.18.0-513.el8.x86_64",
    "os": 'PRETTY_NAME="Red Hat Enterprise Linux 8.9 (Ootpa)"',
    "virtual": "vmware\nVMware, Inc.\nVMware Virtual Platform",
    "cpuinfo": "model name\t: AMD EPYC 7502P\nhypervisor",
    "chrony": "",
    "keepers": "chronyd",
    "timedatectl": "NTPSynchronized=yes",
    "block": DEBIAN["block"].replace("ATA     ", "VMware  ").replace("Micron_5300", "Virtual disk"),
    "io before": counters(writes=10),
    "io after": counters(writes=20, write_ms=400),
    "ufw": "",
    "firewalld": "running",
    "end": "",
}
"""On VMware with firewalld, on a kernel that counts no flushes."""

SYSTEMS = {"debian": DEBIAN, "alpine": ALPINE, "container": CONTAINER, "rhel8": RHEL8}


def printed(system: Printed) -> str:
    """What the script would have printed."""
    return "".join(
        f"\n@@ {name}\n" + "".join(f" {line}\n" for line in text.split("\n") if text)
        for name, text in system.items()
    )


def seen(system: Printed, **other: str | None) -> HostSeen:
    """The host of ``old``, with other sections; None: without that one."""
    sections = {**system, **{key.replace("_", " "): text for key, text in other.items()}}
    return parsed("old", printed({key: text for key, text in sections.items() if text is not None}))
