"""The disks of a host and the paths asked about, out of what `facts.sh` printed of them.

Pure. Knows sysfs, diskstats, mountinfo and what df prints; where it cannot be told which disk is
under a filesystem, none is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from checks.host.sections import Sections, whole
from checks.host.times import DiskRates, disk_rates
from profiles.machine import Disk, Place

NO_DISKS = re.compile(r"(loop|ram|zram|sr|fd|nbd)\d")
OF_HYPERVISORS = re.compile(r"(vd|xvd)[a-z]+$")
HYPERVISORS_SAY = re.compile(
    r"0x1af4|QEMU|VMware|VBOX|Msft|Virtual|Xen|Amazon|Google|PersistentDisk", re.IGNORECASE
)
"""Vendors and models of disks that a hypervisor makes up."""
SYSFS = re.compile(r"/sys/block/([^/:]+)/(?:(?:queue|device)/)?([^/:]+):(.*)")
PART = re.compile(r"/sys/block/([^/:]+)/([^/:]+)/(partition|dev):(.*)")
SLAVE = re.compile(r"/sys/block/([^/]+)/slaves/([^/*]+)")
DF = re.compile(r"(.*?)\s+(\d+|-)\s+(?:\d+|-)\s+(-?\d+|-)\s+(?:\d+%|-)\s+(/.*)")
OCTAL = re.compile(r"\\([0-7]{3})")
KB = 1024
SECTOR = 512
STACKED = 8
"""Deeper than this nobody stacks mapped devices."""


class Blocks(NamedTuple):
    """What sysfs says of block devices."""

    attributes: Mapping[str, Mapping[str, str]]
    parents: Mapping[str, str]
    """From a partition to its disk."""
    numbers: Mapping[str, str]
    """From ``254:0`` to the name, of disks and partitions."""
    slaves: Mapping[str, Sequence[str]]
    """What a mapped device lies on."""

    def disk_of(self, device: str | None) -> str | None:
        """The disk under a device, through partitions and whatever lies on one device alone."""
        for _ in range(STACKED):
            if device is None:
                return None
            device = self.parents.get(device, device)
            below = self.slaves.get(device, ())
            if len(below) != 1:
                break
            device = below[0]
        return device if device in self.attributes else None


class Mount(NamedTuple):
    """A line of mountinfo."""

    number: str
    kind: str
    source: str


def blocks(read: Sections) -> Blocks:
    """The block devices there are."""
    attributes: dict[str, dict[str, str]] = {}
    parts: dict[tuple[str, str], dict[str, str]] = {}
    for line in read.get("block", ()):
        if found := PART.fullmatch(line):
            disk, part, what, value = found.groups()
            parts.setdefault((disk, part), {})[what] = value.strip()
        elif found := SYSFS.fullmatch(line):
            disk, what, value = found.groups()
            attributes.setdefault(disk.replace("!", "/"), {})[what] = value.strip()
    numbers = {of["dev"]: name for name, of in attributes.items() if "dev" in of}
    parents = {}
    for (disk, part), of in parts.items():
        if "partition" in of:  # a controller has numbers of its own, which are no disk's
            parents[part.replace("!", "/")] = disk.replace("!", "/")
            numbers[of.get("dev", "")] = part.replace("!", "/")
    return Blocks(attributes, parents, numbers, _slaves(read))


def _slaves(read: Sections) -> dict[str, list[str]]:
    slaves: dict[str, list[str]] = {}
    for line in read.get("slaves", ()):
        if found := SLAVE.fullmatch(line):
            slaves.setdefault(found[1].replace("!", "/"), []).append(found[2].replace("!", "/"))
    return slaves


def disks(
    read: Sections, known: Blocks, passed_s: float | None, *, hypervisor: bool
) -> tuple[Disk, ...]:
    """Every disk that has a size, with what it did meanwhile."""
    before, after = (_counters(read.get(f"io {when}", ())) for when in ("before", "after"))
    return tuple(
        _disk(
            name,
            of,
            disk_rates(before.get(name, ()), after.get(name, ()), passed_s),
            claimed=hypervisor and _made_up(name, known),
        )
        for name, of in known.attributes.items()
        if not NO_DISKS.match(name) and whole(of.get("size")) != 0
    )


def _disk(name: str, of: Mapping[str, str], rates: DiskRates, *, claimed: bool) -> Disk:
    sectors, rotational = whole(of.get("size")), of.get("rotational")
    chosen = re.search(r"\[([^\]]+)\]", of.get("scheduler", ""))
    return Disk(
        name=name,
        size=None if sectors is None else sectors * SECTOR,
        rotational=None if claimed or rotational not in ("0", "1") else rotational == "1",
        scheduler=chosen[1] if chosen else of.get("scheduler") or None,
        write_cache=of.get("write_cache") or None,
        reads_a_second=rates.reads,
        writes_a_second=rates.writes,
        read_bytes_a_second=rates.read_bytes,
        write_bytes_a_second=rates.write_bytes,
        read_await_ms=rates.read_ms,
        write_await_ms=rates.write_ms,
        flush_await_ms=rates.flush_ms,
        busy_percent=rates.busy_percent,
    )


def _made_up(name: str, known: Blocks) -> bool:
    """Whether a hypervisor says what this disk is like, or what it lies on."""
    lowest = known.disk_of(name) or name
    below = [known.parents.get(one, one) for one in known.slaves.get(lowest, ())]
    for one in below or [lowest]:
        of = known.attributes.get(one, {})
        said = f"{of.get('vendor', '')} {of.get('model', '')}"
        if OF_HYPERVISORS.fullmatch(one) or HYPERVISORS_SAY.search(said):
            return True
    return False


def _counters(lines: Sequence[str]) -> dict[str, list[str]]:
    words = [line.split() for line in lines]
    return {each[2]: each[3:] for each in words if len(each) > 3}


def mounts(read: Sections) -> dict[str, Mount]:
    """What is mounted where; of several at one place the last, which hides the others."""
    found: dict[str, Mount] = {}
    for line in read.get("mounts", ()):
        before, _, after = line.partition(" - ")
        words, kinds = before.split(" "), after.split(" ")
        if len(words) > 4 and len(kinds) > 1:
            found[_plain(words[4])] = Mount(words[2], kinds[0], _plain(kinds[1]))
    return found


def places(read: Sections, known: Blocks) -> tuple[Place, ...]:
    """The paths asked about, in their order."""
    mounted = mounts(read)
    asked = [lines for name, lines in read.items() if name.startswith("place ")]
    return tuple(place for lines in asked if (place := _place(lines, mounted, known)))


def _place(lines: Sequence[str], mounted: Mapping[str, Mount], known: Blocks) -> Place | None:
    of = dict(line.split(" ", 1) for line in lines if " " in line)
    if "kind" not in of or "path" not in of:
        return None
    blank = Place(what=of["kind"], path=of["path"])
    df = DF.fullmatch(of.get("df", "").strip())
    if df is None:
        return blank
    mount = mounted.get(df[4])
    inodes = DF.fullmatch(of.get("inodes", "").strip())
    counted = inodes is not None and whole(inodes[2]) not in (0, None)
    size = whole(df[2])
    return Place(
        what=blank.what,
        path=blank.path,
        mount=df[4],
        device=df[1],
        kind=mount.kind if mount else None,
        disk=_disk_under(mount, known),
        size=None if size is None else size * KB,
        free=_free(df[3]),
        inodes_free=whole(inodes[3]) if inodes and counted else None,
    )


def _free(blocks_of_kb: str) -> int | None:
    """Below zero where only root's reserve is left: nothing, then."""
    if blocks_of_kb.startswith("-"):
        return 0 if whole(blocks_of_kb[1:]) is not None else None
    free = whole(blocks_of_kb)
    return None if free is None else free * KB


def _disk_under(mount: Mount | None, known: Blocks) -> str | None:
    if mount is None:
        return None
    # btrfs has a number of its own; the device it names is a disk or a partition all the same.
    named = mount.source.removeprefix("/dev/") if mount.source.startswith("/dev/") else None
    return known.disk_of(known.numbers.get(mount.number)) or known.disk_of(named)


def _plain(word: str) -> str:
    """Without mountinfo's escapes: a blank is written ``\\040`` there."""
    return OCTAL.sub(lambda found: chr(int(found[1], 8)), word)
