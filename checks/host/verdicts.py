"""What was seen of one host, and what it means for the night: each figure against its limit.

Pure. What could not be looked at is ``unknown``, with the reason, and never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from checks.check import Said
from checks.figures import number, several, size
from profiles.findings import Verdict
from profiles.machine import Disk, HostSeen, Place

STEAL_PERCENT = 1.0
IOWAIT_PERCENT = 10.0
AWAIT_MS = 10.0
"""What a spinning disk needs for a seek; every write of a database on anything slower waits."""
AVAILABLE_PERCENT = 10.0
SWAP_PERCENT = 1.0
"""Of the memory: so little lies in swap on a host that has enough of it."""
FEW_INODES = 100_000
"""A table takes three files and each index one; a large schema has tens of thousands."""
OPEN_FILES = 1024
"""PostgreSQL's max_files_per_process is 1000, and it needs some more (manual, 19.4.1)."""
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs")
VOLATILE = ("tmpfs", "ramfs")
SLOW_CLOCKS = ("hpet", "acpi_pm")
"""Reading them takes a microsecond and more, and EXPLAIN ANALYZE reads them for each row."""


def judged(seen: HostSeen) -> dict[str, Said]:
    """Everything that a look at one host tells by itself, by the check's id."""
    return {id_: judge(seen) for id_, judge in JUDGES.items()}


def system(seen: HostSeen) -> Said:
    """What is it?"""
    words = [seen.system, seen.kernel, number(seen.cpu.cores, "core"), size(seen.memory.total)]
    words += ["on a hypervisor"] * seen.cpu.hypervisor
    unread = "Not read: " + "; ".join(seen.unread) + "." if seen.unread else ""
    figure = ", ".join(word for word in words if word)
    return Said(verdict="pass", figure=figure, says=unread, evidence=seen.cpu.model or "")


def container(seen: HostSeen) -> Said:
    """Is it a machine, or a container on one?"""
    if not seen.container:
        return Said(verdict="pass", figure="no container")
    return Said(
        verdict="warn",
        figure="a container",
        says="Its kernel and its disks are another's: settings of the kernel count there, and "
        "what is shown of memory and disks may be the whole machine's.",
        todo="See that the data is on a volume that outlives the container.",
    )


def steal(seen: HostSeen) -> Said:
    """Does the hypervisor give the processors to others?

    Never a stop: it is watched for seconds, and nothing here can take the time back.
    """
    percent = seen.cpu.steal_percent
    if percent is None:
        return _unknown("CPU steal", "/proc/stat gave no two readings")
    figure = f"{percent:.1f} % of the CPU stolen, {_watched(seen)}"
    if percent <= STEAL_PERCENT:
        return Said(verdict="pass", figure=figure)
    return Said(
        verdict="warn",
        figure=figure,
        says=f"More than {STEAL_PERCENT:g} %: others on the same machine take what this one needs.",
        todo="Ask its provider for another machine, or one with processors of its own.",
    )


def iowait(seen: HostSeen) -> Said:
    """Do the processors wait for the disks?"""
    percent = seen.cpu.iowait_percent
    if percent is None:
        return _unknown("iowait", "/proc/stat gave no two readings")
    busy = seen.cpu.busy_percent or 0.0
    figure = f"{percent:.1f} % iowait, {busy:.0f} % busy, {_watched(seen)}"
    if percent <= IOWAIT_PERCENT:
        return Said(verdict="pass", figure=figure)
    says = "The processors stand still for want of the disks."
    return Said(
        verdict="warn", figure=figure, says=says, todo="See what writes: iotop, pg_stat_io."
    )


def disk_await(seen: HostSeen) -> Said:
    """How long does the data's disk take for a write?"""
    disk, why = data_disk(seen)
    if disk is None:
        return _unknown("disk", why)
    times = {
        "a write": disk.write_await_ms,
        "a flush": disk.flush_await_ms,
        "a read": disk.read_await_ms,
    }
    known = {what: ms for what, ms in times.items() if ms is not None}
    if not known:
        return _unknown(f"await of {disk.name}", f"it had nothing to do, {_watched(seen)}")
    figure = f"{disk.name}: " + ", ".join(f"{what} {ms:.1f} ms" for what, ms in known.items())
    if max(known.values()) <= AWAIT_MS:
        return Said(verdict="pass", figure=figure, says=_busy(disk))
    says = f"More than {AWAIT_MS:g} ms: commits and checkpoints wait for it. {_busy(disk)}"
    todo = "A faster disk, or whatever else keeps it busy elsewhere."
    return Said(verdict="warn", figure=figure, says=says.strip(), todo=todo)


def rotational(seen: HostSeen) -> Said:
    """Does the data's disk spin?"""
    disk, why = data_disk(seen)
    if disk is None:
        return _unknown("kind of disk", why)
    if disk.rotational is None:
        claimed = "a hypervisor stands before it, which may claim anything"
        why = claimed if seen.cpu.hypervisor else "the kernel does not say"
        return _unknown(f"kind of {disk.name}", why)
    if not disk.rotational:
        return Said(verdict="pass", figure=f"{disk.name} does not spin")
    says = "Each random page costs a seek; the copy's indexes are built with such."
    todo = "Measure it with the write test before the copy, and leave more time."
    return Said(verdict="warn", figure=f"{disk.name} spins", says=says, todo=todo)


def memory(seen: HostSeen) -> Said:
    """Is there memory left?"""
    total, available = seen.memory.allowed or seen.memory.total, seen.memory.available
    if available is None:
        return _unknown("memory", "/proc/meminfo has no MemAvailable")
    figure = f"{size(min(available, total))} of {size(total)} available"
    says = "Its control group allows no more." if seen.memory.allowed else ""
    if 100 * available > AVAILABLE_PERCENT * total:
        return Said(verdict="pass", figure=figure, says=says)
    says = f"Less than {AVAILABLE_PERCENT:g} %: little is left for the cache. {says}".strip()
    return Said(verdict="warn", figure=figure, says=says, todo="See what takes it: ps, smem.")


def swap(seen: HostSeen) -> Said:
    """Does memory lie in swap?"""
    total, free = seen.memory.swap_total, seen.memory.swap_free
    if total is None or free is None:
        return _unknown("swap", "/proc/meminfo does not say")
    if not total:
        return Said(verdict="pass", figure="no swap")
    used, figure = total - free, f"{size(total - free)} of {size(total)} of swap in use"
    if 100 * used <= SWAP_PERCENT * seen.memory.total:
        return Said(verdict="pass", figure=figure)
    says = "What lies there has to be read back from a disk before it can be used."
    return Said(
        verdict="warn", figure=figure, says=says, todo="Lower vm.swappiness, or give memory."
    )


def filesystem(seen: HostSeen) -> Said:
    """Is the data on a filesystem that keeps what it was told to keep?"""
    kinds = {place.path: place.kind for place in seen.places if place.kind is not None}
    if not kinds:
        return _unknown("filesystems", _no_place(seen))
    figure = several([f"{path} on {kind}" for path, kind in kinds.items()])
    verdict, says, todo = _risk(set(kinds.values()))
    return Said(verdict=verdict, figure=figure, says=says, todo=todo)


def _risk(kinds: set[str]) -> tuple[Verdict, str, str]:
    if kinds & set(VOLATILE):
        return (
            "stop",
            "What is in memory alone is gone with the next restart.",
            "Move it to a disk.",
        )
    if "overlay" in kinds:
        says = "That is a container's own layer: it is slow, and goes with the container."
        return "warn", says, "Put the data on a volume."
    if kinds & set(NETWORK):
        says = "A network is between the server and its data (PostgreSQL manual, 19.2.2.1)."
        return "warn", says, "Mount it hard and synchronously, and measure its flushes."
    return "pass", "", ""


def inodes(seen: HostSeen) -> Said:
    """May as many files be made as the tables need?"""
    looked = [place for place in seen.places if place.mount is not None]
    counted = [place for place in looked if place.inodes_free is not None]
    if not looked:
        return _unknown("inodes", _no_place(seen))
    if not counted:
        return Said(verdict="pass", figure="inodes are made as they are needed")
    least = min(counted, key=lambda place: place.inodes_free or 0)
    figure = f"{least.inodes_free or 0:,} inodes free on {least.mount}"
    if (least.inodes_free or 0) >= FEW_INODES:
        return Said(verdict="pass", figure=figure)
    says = "A table is three files and more, and each index another."
    return Said(verdict="warn", figure=figure, says=says, todo="Remove files, or make it anew.")


def clock(seen: HostSeen) -> Said:
    """Does something keep the clock right?"""
    kept, source = seen.clock, seen.clock.source
    by = f" by {kept.by}" if kept.by else ""
    aside = f"; read from {source}" if source else ""
    if kept.synchronised is None:
        return _unknown("clock", "neither chrony, systemd nor the kernel was there to ask")
    if not kept.synchronised:
        figure = f"not synchronised{f', though {kept.by} runs' if kept.by else ''}{aside}"
        says = "Lag and logs of both hosts are compared by their clocks."
        return Said(verdict="warn", figure=figure, says=says, todo="Start chrony, and wait for it.")
    figure = f"synchronised{by}{aside}"
    if source not in SLOW_CLOCKS:
        return Said(verdict="pass", figure=figure)
    says = "That clock is slow to read; see pg_test_timing."
    return Said(verdict="note", figure=figure, says=says, todo="Choose tsc, where it is stable.")


def huge_pages(seen: HostSeen) -> Said:
    """Does the kernel gather pages behind the server's back?"""
    chosen = seen.memory.transparent
    if chosen is None:
        return _unknown("transparent huge pages", "the kernel shows no such setting")
    figure = f"transparent huge pages: {chosen}"
    if chosen != "always":
        return Said(verdict="pass", figure=figure)
    says = "Gathering them may hold a server up for moments; it asks for huge pages by itself."
    return Said(verdict="note", figure=figure, says=says, todo="Set it to madvise.")


def open_files(seen: HostSeen) -> Said:
    """May the server open as many files as it wants to?"""
    limit = seen.limits.get("open files")
    if limit is None:
        reasons = [why for why in seen.unread if why.startswith("limits of")]
        return _unknown("open files", "; ".join(reasons) or "no server's process was asked about")
    figure = "open files: unlimited" if limit < 0 else f"open files: {limit:,} a process"
    if limit < 0 or limit >= OPEN_FILES:
        return Said(verdict="pass", figure=figure)
    says = "The server closes files to open others, and that costs time."
    return Said(verdict="warn", figure=figure, says=says, todo="Raise LimitNOFILE of its service.")


def resolvers(seen: HostSeen) -> Said:
    """Whom does the host ask for names?"""
    if seen.resolvers:
        return Said(verdict="pass", figure=f"resolv.conf: {several(seen.resolvers)}")
    says = "Names are known from /etc/hosts alone."
    return Said(verdict="note", figure="resolv.conf names no resolver", says=says)


JUDGES: Mapping[str, Callable[[HostSeen], Said]] = {
    "host.system": system,
    "host.container": container,
    "host.steal": steal,
    "host.iowait": iowait,
    "host.await": disk_await,
    "host.rotational": rotational,
    "host.memory": memory,
    "host.swap": swap,
    "host.filesystem": filesystem,
    "host.inodes": inodes,
    "host.clock": clock,
    "host.huge_pages": huge_pages,
    "host.open_files": open_files,
    "host.resolvers": resolvers,
}


def data_disk(seen: HostSeen) -> tuple[Disk | None, str]:
    """The disk that the data is on, or the only one there is; and why there is none."""
    place = seen.place("data")
    if place is not None:
        found = seen.disk(place.disk)
        return found, "" if found else f"which disk {place.path} is on: {_untold(place)}"
    if len(seen.disks) == 1:
        return seen.disks[0], ""
    return None, f"{_no_place(seen)}, and there are {number(len(seen.disks), 'disk')}"


def _untold(place: Place) -> str:
    if place.mount is None:
        return "it is not there, or we may not see it"
    return f"not to be told from {place.kind or 'its filesystem'} ({place.device})"


def _no_place(seen: HostSeen) -> str:
    unseen = [place.path for place in seen.places if place.mount is None]
    return f"not seen: {several(unseen)}" if unseen else "no path was asked about"


def _watched(seen: HostSeen) -> str:
    return f"watched for {seen.watched_s:.1f} s"


def _busy(disk: Disk) -> str:
    return "" if disk.busy_percent is None else f"It is busy {disk.busy_percent:.0f} % of the time."


def _unknown(what: str, why: str) -> Said:
    return Said(verdict="unknown", figure=f"{what} not known", says=f"Could not look: {why}.")
