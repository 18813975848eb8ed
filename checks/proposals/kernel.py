"""Kernel settings of a database host, from what was seen of it and of the road to it.

Pure. What is not there (a container, another kernel) is not proposed, and said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from checks.figures import size
from checks.proposals import sizes
from checks.proposals.made import Proposals, collected
from checks.proposals.sizes import GIB, MIB
from profiles.machine import HostSeen, Proposal, SysctlLine
from profiles.names import SYSCTL_FILE, TRANSPARENT

LARGE = 32 * GIB
"""From so much memory on, a percent of it is more than a disk takes in one go."""
BACKGROUND = 1 * GIB
DIRTY = 3 * GIB
BUFFER = 16 * MIB
BUFFER_AT_MOST = 256 * MIB
BUFFER_SHARE = 32
"""One connection's buffer is at most this part of the memory."""
PROMISED_PERCENT = 90
"""Of the memory, swap apart, when overcommitting is switched off."""
FREE_OF_PROMISES = 0.8
"""So much of the limit may be promised already when overcommitting is switched off."""

VM = "Linux kernel, admin-guide/sysctl/vm"
NET = "Linux kernel, networking/ip-sysctl"
CORE = "Linux kernel, admin-guide/sysctl/net"
PG_MEMORY = "PostgreSQL manual, 18.4.4 Linux Memory Overcommit"
PG_PAGES = "PostgreSQL manual, 18.4.5 Linux Huge Pages"

NAMES = (
    "vm.swappiness",
    "vm.dirty_background_ratio",
    "vm.dirty_ratio",
    "vm.dirty_background_bytes",
    "vm.dirty_bytes",
    "vm.overcommit_memory",
    "vm.overcommit_ratio",
    "vm.nr_hugepages",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
)
"""Every parameter that these rules read."""


class Road(NamedTuple):
    """The road between the servers, as the network test measured it."""

    bytes_a_second: float
    round_trip_ms: float


class _Rule(NamedTuple):
    """A value, and what the screen says about it."""

    value: str
    why: str
    arithmetic: str
    source: str


_Rows = Iterator[Proposal | str | None]


def kernel(seen: HostSeen, road: Road | None = None, *, only_sending: bool = False) -> Proposals:
    """What a database host's kernel should be set to; ``only_sending`` for the source."""
    if seen.container:
        said = f"kernel of {seen.host}'s host: it is a container, whose kernel is the machine's"
        return Proposals(skipped=(said,))
    rows = _buffers(seen, road, ("wmem",)) if only_sending else _all(seen, road)
    return collected(rows)


def huge_pages(seen: HostSeen, pages: int | None) -> Proposals:
    """Pages for shared_buffers as it is now: ``shared_memory_size_in_huge_pages`` (from 15 on)."""
    return Proposals() if seen.container else collected([_huge_pages(seen, pages)])


def _all(seen: HostSeen, road: Road | None) -> _Rows:
    yield _swappiness(seen)
    yield from _dirty(seen)
    yield from _buffers(seen, road, ("rmem", "wmem"))
    yield from _keepalive(seen)
    yield from _overcommit(seen)
    yield _transparent(seen)


def _swappiness(seen: HostSeen) -> Proposal | str | None:
    why = "The kernel gives up its cache before it puts the server's memory on the disk."
    return _set(seen, "vm.swappiness", _Rule("1", why, "1: only to avoid running out", VM))


def _dirty(seen: HostSeen) -> _Rows:
    for kind, percent, cap in (("dirty_background", 5, BACKGROUND), ("dirty", 15, DIRTY)):
        ratio, bytes_ = f"vm.{kind}_ratio", f"vm.{kind}_bytes"
        if ratio not in seen.sysctls or bytes_ not in seen.sysctls:
            yield f"{ratio}: not there, or not readable"
            continue
        in_bytes = _number(seen.sysctls[bytes_]) or 0
        in_percent = _number(seen.sysctls[ratio]) or 0
        if seen.memory.total >= LARGE:
            yield _dirty_bytes(seen, kind, percent, cap, in_bytes, in_percent)
        elif in_bytes:
            yield f"{ratio}: {bytes_} = {in_bytes} is in force instead of it"
        elif in_percent > percent:
            yield _dirty_percent(seen, ratio, percent)


def _dirty_percent(seen: HostSeen, ratio: str, percent: int) -> Proposal | str | None:
    memory = seen.memory.total
    arithmetic = f"{percent} % of {sizes.shown(memory)} is {sizes.shown(memory * percent // 100)}"
    return _set(seen, ratio, _Rule(str(percent), _DIRTY_WHY, arithmetic, VM))


def _dirty_bytes(
    seen: HostSeen, kind: str, percent: int, cap: int, in_bytes: int, in_percent: int
) -> Proposal | str | None:
    memory = seen.memory.total
    wanted = min(cap, memory * percent // 100)
    if (in_bytes or memory * in_percent // 100) <= wanted:
        return None
    why = f"{_DIRTY_WHY} In bytes, which puts the ratio out of force: a percent is too much here."
    arithmetic = (
        f"the smaller of {percent} % of {sizes.shown(memory)}"
        f" ({sizes.shown(memory * percent // 100)}) and {sizes.shown(cap)}"
    )
    made = _set(seen, f"vm.{kind}_bytes", _Rule(str(wanted), why, arithmetic, VM))
    if isinstance(made, Proposal) and not in_bytes:
        return msgspec.structs.replace(made, replaces=(f"vm.{kind}_ratio", str(in_percent)))
    return made


_DIRTY_WHY = "Less is left to be written at once when a checkpoint asks for all of it."


def _buffers(seen: HostSeen, road: Road | None, kinds: tuple[str, ...]) -> _Rows:
    wanted, arithmetic = _buffer(seen, road)
    for kind in kinds:
        yield _buffer_limit(seen, f"net.core.{kind}_max", wanted, arithmetic)
        middle = 87380 if kind == "rmem" else 65536
        yield _buffer_three(seen, f"net.ipv4.tcp_{kind}", (4096, middle, wanted), arithmetic)


def _buffer(seen: HostSeen, road: Road | None) -> tuple[int, str]:
    """How large one connection's buffer may become, in bytes, and how that was arrived at."""
    if road is None:
        return BUFFER, f"{sizes.shown(BUFFER)}: the road was not measured"
    product = road.bytes_a_second * road.round_trip_ms / 1000
    most = min(BUFFER_AT_MOST, seen.memory.total // BUFFER_SHARE)
    wanted = max(BUFFER, min(sizes.up_to(math.ceil(2 * product), MIB), most))
    said = (
        f"2 × {size(road.bytes_a_second)}/s × {road.round_trip_ms:.3g} ms ="
        f" {sizes.shown(math.ceil(2 * product))}, at least {sizes.shown(BUFFER)},"
        f" at most {sizes.shown(max(most, BUFFER))}"
    )
    return wanted, said


_BUFFER_WHY = "What is under way and not yet acknowledged has to fit, or the road stands empty."


def _buffer_limit(seen: HostSeen, name: str, wanted: int, arithmetic: str) -> Proposal | str | None:
    if (_number(seen.sysctls.get(name, "")) or 0) >= wanted:
        return None
    return _set(seen, name, _Rule(str(wanted), _BUFFER_WHY, arithmetic, CORE))


def _buffer_three(
    seen: HostSeen, name: str, wanted: tuple[int, int, int], arithmetic: str
) -> Proposal | str | None:
    if name not in seen.sysctls:
        return f"{name}: not there, or not readable"
    now = [_number(word) for word in seen.sysctls[name].split()]
    if len(now) != 3 or None in now:
        return f"{name}: “{seen.sysctls[name]}” are not three numbers"
    value = " ".join(str(max(have or 0, want)) for have, want in zip(now, wanted, strict=True))
    said = f"none of the three lower than now; the last: {arithmetic}"
    return _set(seen, name, _Rule(value, _BUFFER_WHY, said, NET))


def _keepalive(seen: HostSeen) -> _Rows:
    why = "A peer that is gone, or a firewall that forgot the session, is noticed in 2 minutes."
    for name, wanted in (("time", 60), ("intvl", 10), ("probes", 6)):
        full = f"net.ipv4.tcp_keepalive_{name}"
        now = _number(seen.sysctls.get(full, ""))
        if now is not None and now <= wanted:
            continue
        yield _set(seen, full, _Rule(str(wanted), why, "60 s + 6 × 10 s = 120 s", NET))


def _overcommit(seen: HostSeen) -> _Rows:
    name, memory = "vm.overcommit_memory", seen.memory
    if seen.sysctls.get(name) == "2":
        return
    if memory.committed is None or memory.swap_total is None:
        yield f"{name}: what is promised already, or how much swap there is, is not known"
        return
    pages = (memory.huge_pages or 0) * (memory.huge_page_size or 0)
    limit = max(memory.total - pages, 0) * PROMISED_PERCENT // 100 + memory.swap_total
    if memory.committed > FREE_OF_PROMISES * limit:
        yield f"{name}: {sizes.shown(memory.committed)} is promised of {sizes.shown(limit)}"
        return
    said = (
        f"{PROMISED_PERCENT} % of {sizes.shown(max(memory.total - pages, 0))} and"
        f" {sizes.shown(memory.swap_total)} of swap; promised now: {sizes.shown(memory.committed)}"
    )
    why = "Out of memory, an allocation fails; else the kernel kills a process of the server."
    yield _set(seen, "vm.overcommit_ratio", _Rule(str(PROMISED_PERCENT), why, said, PG_MEMORY))
    yield _set(seen, name, _Rule("2", why, said, PG_MEMORY))


def _transparent(seen: HostSeen) -> Proposal | str | None:
    if seen.memory.transparent is None:
        return f"{TRANSPARENT}: not there, or not readable"
    if seen.memory.transparent != "always":
        return None
    return Proposal(
        id=f"{TRANSPARENT}@{seen.host}",
        server=seen.host,
        area="kernel",
        name=TRANSPARENT,
        now="always",
        proposed="madvise",
        why="Joining pages stalls the server now and then. It does not survive a boot: for that,"
        " put transparent_hugepage=madvise on the kernel's command line.",
        arithmetic="only for who asks for them",
        rule=PG_PAGES,
    )


def _huge_pages(seen: HostSeen, pages: int | None) -> Proposal | str | None:
    name, memory = "vm.nr_hugepages", seen.memory
    if pages is None or pages < 1 or not memory.huge_page_size:
        return f"{name}: the server does not say how many it would need"
    if (memory.huge_pages or 0) >= pages:
        return None
    needed = (pages - (memory.huge_pages or 0)) * memory.huge_page_size
    if needed > (memory.available or 0) or pages * memory.huge_page_size > memory.total // 2:
        return f"{name}: {sizes.shown(needed)} more is not free"
    arithmetic = f"shared_memory_size_in_huge_pages = {pages}, {sizes.shown(needed)} more"
    why = "Less work for the processor with large shared_buffers; used from the next restart on."
    return _set(seen, name, _Rule(str(pages), why, arithmetic, PG_PAGES))


def _set(seen: HostSeen, name: str, rule: _Rule) -> Proposal | str | None:
    """The proposal; None where it is so already, why not where the name is not there."""
    now = seen.sysctls.get(name)
    if now is None:
        return f"{name}: not there, or not readable"
    if now == rule.value:
        return None
    wins, loses = _rivals(seen, name, rule.value)
    return Proposal(
        id=f"{name}@{seen.host}",
        server=seen.host,
        area="kernel",
        name=name,
        now=now,
        proposed=rule.value,
        why=" ".join([rule.why, *(f"At boot it wins over {_said(line)}." for line in loses)]),
        arithmetic=rule.arithmetic,
        rule=rule.source,
        conflict="; ".join(f"{_said(line)} is read later at boot" for line in wins),
    )


def _rivals(seen: HostSeen, name: str, value: str) -> tuple[list[SysctlLine], list[SysctlLine]]:
    """Lines of other files that say something else: who is read after ours, and who before.

    By the file's name alone, in whichever folder (sysctl.d(5)); sysctl(8) reads /etc/sysctl.conf
    after all of them.
    """
    ours = SYSCTL_FILE.rpartition("/")[2]
    others = [
        line
        for line in seen.boot_lines
        if line.name == name and line.file != SYSCTL_FILE and line.value.split() != value.split()
    ]
    later = [
        line
        for line in others
        if line.file == "/etc/sysctl.conf" or line.file.rpartition("/")[2] > ours
    ]
    return later, [line for line in others if line not in later]


def _said(line: SysctlLine) -> str:
    return f"{line.file} ({line.value})"


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None
