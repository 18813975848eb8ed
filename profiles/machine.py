"""What was seen of a host, as plain data: for findings, proposals, screens and ``--json``.

What could not be read there is None, and never a zero. Sizes are bytes, times milliseconds, shares
percent of the time that was watched.
"""

from __future__ import annotations

import msgspec


class _Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Cpu(_Seen, frozen=True, kw_only=True):
    """The processors, and how their time went while it was watched."""

    cores: int
    model: str | None = None
    hypervisor: bool = False
    busy_percent: float | None = None
    steal_percent: float | None = None
    """Taken away by the hypervisor (proc(5), /proc/stat)."""
    iowait_percent: float | None = None


class Memory(_Seen, frozen=True, kw_only=True):
    """From /proc/meminfo, in bytes."""

    total: int
    available: int | None = None
    committed: int | None = None
    """What processes were promised (``Committed_AS``)."""
    swap_total: int | None = None
    swap_free: int | None = None
    huge_pages: int | None = None
    """How many are set aside."""
    huge_pages_free: int | None = None
    huge_page_size: int | None = None
    transparent: str | None = None
    """``always``, ``madvise`` or ``never``."""
    allowed: int | None = None
    """What the server's control group may have of it at most; None: no limit below it was seen."""

    @property
    def usable(self) -> int:
        """What a server there can have of it."""
        return self.total if self.allowed is None else self.allowed


class Disk(_Seen, frozen=True, kw_only=True):
    """One block device; a time is None where it had nothing to do while it was watched."""

    name: str
    size: int | None = None
    rotational: bool | None = None
    """None where a hypervisor may only claim it."""
    scheduler: str | None = None
    write_cache: str | None = None
    reads_a_second: float | None = None
    writes_a_second: float | None = None
    read_bytes_a_second: float | None = None
    write_bytes_a_second: float | None = None
    read_await_ms: float | None = None
    write_await_ms: float | None = None
    flush_await_ms: float | None = None
    busy_percent: float | None = None


class Place(_Seen, frozen=True, kw_only=True):
    """A path that was asked about, and the filesystem it is on."""

    what: str
    """``data``, ``log``, ``temporary``, ``wal``."""
    path: str
    mount: str | None = None
    device: str | None = None
    kind: str | None = None
    """``ext4``, ``xfs`` …"""
    disk: str | None = None
    """The `Disk` under it, where one can be named."""
    size: int | None = None
    free: int | None = None
    """For those who are not root."""
    inodes_free: int | None = None


class Clock(_Seen, frozen=True, kw_only=True):
    """What keeps the time."""

    source: str | None = None
    """``tsc``, ``kvm-clock`` …"""
    synchronised: bool | None = None
    by: str | None = None
    """``chrony``, ``systemd-timesyncd`` …"""


class ServerProcess(_Seen, frozen=True, kw_only=True):
    """The running server's process, and who would start it again."""

    user: str
    program: str | None = None
    """None: it was replaced since, or nobody but its user may see it."""
    messages: str | None = None
    """The file its standard error goes to; None: none, or nobody but its user may see it."""
    unit: str | None = None
    """The unit of systemd of which it is the main process."""
    kept_by: str | None = None
    """Who else looks after it, and must not be forestalled."""


class SysctlLine(_Seen, frozen=True, kw_only=True):
    """One line of a file that sets a kernel parameter at boot."""

    file: str
    name: str
    value: str


class HostSeen(_Seen, frozen=True, kw_only=True):
    """One host, at one moment."""

    host: str
    """The server or endpoint that stands on it."""
    watched_s: float
    system: str | None = None
    """Its name and version, as in os-release."""
    kernel: str | None = None
    container: bool = False
    cpu: Cpu
    memory: Memory
    disks: tuple[Disk, ...] = ()
    places: tuple[Place, ...] = ()
    clock: Clock = Clock()
    sysctls: dict[str, str] = {}
    """By name with dots; values as the kernel prints them, blanks single."""
    boot_lines: tuple[SysctlLine, ...] = ()
    """In the order in which they count at boot: the last of a name wins."""
    limits: dict[str, int] = {}
    """Of the running server's process: ``open files``, ``processes``; -1 is unlimited."""
    process: ServerProcess | None = None
    resolvers: tuple[str, ...] = ()
    tools: dict[str, str] = {}
    """Programs that are there, by name: their paths."""
    firewall: str | None = None
    """``ufw``, ``firewalld``, ``iptables`` or ``nftables``, whichever is at work, if we may ask."""
    input_chains: tuple[str, ...] = ()
    """Of nftables: those that a packet has to pass, as ``inet filter input``."""
    listens: tuple[str, ...] = ()
    """Addresses with ports on which somebody listens by TCP."""
    unread: tuple[str, ...] = ()
    """What could not be read there, and why."""

    def place(self, what: str) -> Place | None:
        """The path of that kind; None when it was not asked about."""
        return next((place for place in self.places if place.what == what), None)

    def disk(self, name: str | None) -> Disk | None:
        """The disk of that name."""
        return next((disk for disk in self.disks if disk.name == name), None)


class Proposal(_Seen, frozen=True, kw_only=True):
    """One setting: what it is, what it should be, and how that was arrived at."""

    id: str
    """The step's id that sets it: ``vm.swappiness@new``."""
    server: str
    area: str
    """``kernel``, ``postgresql``, ``mysql`` or ``mariadb``."""
    name: str
    now: str | None
    """None: could not be read."""
    proposed: str
    why: str
    arithmetic: str
    """Inputs and rule with their figures: ``25 % of 64 GiB of memory``."""
    rule: str
    """Where the rule is from: a manual's chapter, or a measurement."""
    takes_effect: str = "live"
    """``live``, ``reload`` or ``restart``."""
    import_only: bool = False
    """Only for the copy: a loose end that is settled before traffic arrives."""
    conflict: str = ""
    """What would win over it: a line in another file, the command line."""
    replaces: tuple[str, str] | None = None
    """Name and value of the setting in force, where setting this one puts another out of it."""
