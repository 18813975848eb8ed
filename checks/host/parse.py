"""What `facts.sh` printed, as a `HostSeen`.

Pure. What a section lacks is None and named among ``unread``, never a zero; an answer that is cut
short, or of something that is no Linux, is a HostError and nothing else.
"""

from __future__ import annotations

import re

from checks.host import around, disks
from checks.host.boot import boot_lines, dotted
from checks.host.sections import Sections, decimal, first, sections, whole
from checks.host.times import cpu_shares
from profiles.errors import HostError
from profiles.machine import Cpu, HostSeen, Memory

TRIED = "look at the host"
HYPERVISORS = re.compile(r"KVM|QEMU|VMware|VirtualBox|Virtual Machine|HVM|Xen|Google|OpenStack")
NO_LIMIT = 1 << 60
"""A control group of version 1 without a limit has one that no machine reaches."""
NO_LINUX = "It needs a Linux with /proc."
EXPECTED = {
    "sysctl": "/proc/sys",
    "block": "/sys/block",
    "mounts": "/proc/self/mountinfo",
    "cpu after": "/proc/stat",
    "io after": "/proc/diskstats",
}


def parsed(name: str, text: str) -> HostSeen:
    """The host under the server or endpoint of that name. Raises HostError."""
    read = sections(text)
    if "end" not in read:
        raise HostError(name, TRIED, "the answer ended before its end", "Look again.")
    passed_s = _passed_s(read)
    cpu, known = _cpu(name, read), disks.blocks(read)
    limits, no_limits = around.limits(read)
    places = disks.places(read, known)
    container = _in_container(read)
    return HostSeen(
        host=name,
        watched_s=round(passed_s or 0.0, 2),
        system=_system(read),
        kernel=first(read, "kernel"),
        container=container,
        cpu=cpu,
        memory=_memory(name, read),
        disks=disks.disks(read, known, passed_s, hypervisor=cpu.hypervisor),
        places=places,
        clock=around.clock(read),
        sysctls=_sysctls(read),
        boot_lines=boot_lines(read),
        limits=limits,
        process=around.process(read, container=container),
        resolvers=around.resolvers(read),
        tools=around.tools(read),
        firewall=around.firewall(read),
        input_chains=around.input_chains(read),
        listens=around.listens(read),
        unread=(*_unread(read), *[no_limits] * bool(no_limits)),
    )


def _passed_s(read: Sections) -> float | None:
    began, ended = ((first(read, f"time {when}") or "").split() for when in ("before", "after"))
    if not began or not ended:
        return None
    before, after = decimal(began[0]), decimal(ended[0])
    return after - before if before is not None and after is not None and after > before else None


def _cpu(name: str, read: Sections) -> Cpu:
    cores = whole(first(read, "cores"))
    if not cores:
        raise HostError(name, TRIED, "it does not say how many processors it has", NO_LINUX)
    shares = cpu_shares(first(read, "cpu before"), first(read, "cpu after"))
    said = read.get("cpuinfo", ())
    models = [line.partition(":")[2].strip() for line in said if line.startswith("model name")]
    return Cpu(
        cores=cores,
        model=models[0] if models else None,
        hypervisor=_on_hypervisor(read),
        busy_percent=shares.busy,
        steal_percent=shares.steal,
        iowait_percent=shares.iowait,
    )


def _on_hypervisor(read: Sections) -> bool:
    """By the processor's own word, systemd's, or what the firmware calls the machine."""
    said = [line.strip() for line in read.get("virtual", ())]
    flagged = "hypervisor" in (line.strip() for line in read.get("cpuinfo", ()))
    return flagged or any(_a_hypervisors(line) for line in said)


def _a_hypervisors(word: str) -> bool:
    by_systemd = word.isascii() and word.islower() and word != "none" and " " not in word
    return by_systemd or HYPERVISORS.search(word) is not None


def _in_container(read: Sections) -> bool:
    root = disks.mounts(read).get("/")
    return first(read, "container") is not None or (root is not None and root.kind == "overlay")


def _memory(name: str, read: Sections) -> Memory:
    kilobytes = {}
    for line in read.get("memory", ()):
        what, _, value = line.partition(":")
        kilobytes[what.strip()] = whole(value.strip().removesuffix("kB").strip())
    total = _bytes(kilobytes.get("MemTotal"))
    if not total:
        raise HostError(name, TRIED, "it does not say how much memory it has", NO_LINUX)
    chosen = re.search(r"\[(\w+)\]", first(read, "transparent") or "")
    return Memory(
        total=total,
        available=_bytes(kilobytes.get("MemAvailable")),
        committed=_bytes(kilobytes.get("Committed_AS")),
        swap_total=_bytes(kilobytes.get("SwapTotal")),
        swap_free=_bytes(kilobytes.get("SwapFree")),
        huge_pages=kilobytes.get("HugePages_Total"),
        huge_pages_free=kilobytes.get("HugePages_Free"),
        huge_page_size=_bytes(kilobytes.get("Hugepagesize")),
        transparent=chosen[1] if chosen else None,
        allowed=_allowed(read, total),
    )


def _allowed(read: Sections, total: int) -> int | None:
    """The lowest limit of the server's control groups, where it is one."""
    said = [whole(line.strip()) for line in read.get("allowed", ())]
    limits = [limit for limit in said if limit is not None and limit < min(total, NO_LIMIT)]
    return min(limits, default=None)


def _bytes(kilobytes: int | None) -> int | None:
    return None if kilobytes is None else kilobytes * 1024


def _system(read: Sections) -> str | None:
    for line in read.get("os", ()):
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip("\"'") or None
    return None


def _sysctls(read: Sections) -> dict[str, str]:
    pairs = [line.partition(":") for line in read.get("sysctl", ())]
    return {dotted(name): " ".join(value.split()) for name, colon, value in pairs if colon}


def _unread(read: Sections) -> list[str]:
    said = [line.strip() for line in read.get("unread", ()) if line.strip()]
    absent = [what for name, what in EXPECTED.items() if not read.get(name)]
    return said + [f"{what}: nothing to read" for what in absent]
